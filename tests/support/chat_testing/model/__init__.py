"""A model of rooms, naive on purpose, and clients that keep replicas of what a server tells them.

- `truth.py`     what happened, and who may see it; it knows nothing that a server answered but IDs
- `replicas.py`  what one user knows, from classic sync or from sliding sync
- `moves.py`     what can happen: does it at the server, and to the truth where it is allowed
- `api.py`       requests to the server, over one connection or a new one each time
"""
