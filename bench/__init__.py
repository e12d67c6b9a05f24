"""The project's benchmark: `make bench`, or `python -m bench --help` from the project's root.

A server is started on one core and driven over HTTP from the other; what is printed per scenario
is operations per second, latency, and the CPU time that the server's processes spend on one
operation, which is the figure to trust on a busy machine. Nothing here asserts a time.

- `wire.py`       HTTP/1.1 over plain sockets, cheaper than any server
- `processes.py`  CPU time and memory of process trees, from /proc
- `measure.py`    the closed loop, percentiles, one scenario's `Result`
- `world.py`      users and rooms to measure with
- `scenarios.py`, `receivers.py`  what is measured, one function each
- `servers.py`    starts our server, with SQLite or PostgreSQL
- `rivals.py`     starts Synapse from PyPI, so that `--beside synapse` measures both in one run
- `curves.py`     how costs grow as rooms, members and history do
- `report.py`     tables and JSON; `python -m bench.report A.json B.json` compares two runs
- `profile.py`    where the server's CPU time goes while a scenario runs
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "support"))  # chat_testing, which starts servers
