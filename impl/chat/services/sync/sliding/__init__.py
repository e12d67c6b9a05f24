"""Simplified sliding sync: the rooms that a client looks at, and what changes in them.

It is read from the same log, plans, timelines and memory as classic sync (the modules one level
up). What is its own: which rooms a client wants (wish.py, room_list.py), what its connection was
sent (connections.py), and the form of the answer (rooms.py, extensions.py); request.py joins them.

Spec: MSC4186, in the form that clients speak on the unstable path
"""
