"""How many changes per second the log of PostgreSQL takes from several processes.

    python -m bench.log_writers [--writers 4,8,16] [--batches 1,10] [--seconds 4] [--rate 2000]

Each writer is a process with one connection: it locks a room of its own, logs a batch of changes,
inserts a row of 700 bytes for each and commits, with fsync. With `--rate`, all of them together
are held to that many changes per second; latencies then show what waiting for the log costs.
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Sequence
from functools import partial

from bench.processes import cpu_s
from chat.config.model import Database
from chat.storage import streams
from chat.storage.engine import Transaction, open_store
from chat.storage.migrations import upgrade
from chat.storage.streams import Change, Kind
from chat_testing.databases import running_postgres

BODY = "x" * 700
FIRST_ROOM = 1_000


def write_batch(room: int, size: int, tx: Transaction) -> None:
    """What the writer of events does to the log, without building events."""
    tx.row("SELECT room FROM room WHERE room = :room FOR NO KEY UPDATE", room=room)
    positions = streams.append(tx, [Change(Kind.EVENT, room, None, n) for n in range(size)])
    tx.insert(
        "to_device",
        ("user_id", "device_id", "pos", "sender", "type", "content"),
        [(f"@{room}:a", "D", pos, "@b:c", "t", BODY) for pos in positions],
    )


def write_for(
    database: Database, room: int, size: int, seconds: float, pause_s: float
) -> list[float]:
    """Write until the time is over; the latency of each commit in seconds."""
    store = open_store(database)
    latencies = []
    started = time.monotonic()
    while (began := time.monotonic()) < started + seconds:
        store.write(partial(write_batch, room, size))
        latencies.append(time.monotonic() - began)
        time.sleep(max(0.0, began + pause_s - time.monotonic()))
    store.close()
    return latencies


def main(arguments: Sequence[str]) -> int:
    """Print a table; 1 where PostgreSQL is not installed."""
    parser = argparse.ArgumentParser(prog="python -m bench.log_writers", description=__doc__)
    parser.add_argument("--writers", default="4,8,16")
    parser.add_argument("--batches", default="1,10")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rate", type=int, default=0, help="changes per second of all together")
    options = parser.parse_args(arguments)
    with running_postgres("-c max_connections=60") as cluster:
        if cluster is None:
            print("PostgreSQL is not installed", file=sys.stderr)
            return 1
        database = cluster.new_database()
        store = open_store(database)
        upgrade(store)
        print("writers  batch  changes/s  commits/s  p50 ms  p99 ms  database CPU-ms/change")
        for size in map(int, options.batches.split(",")):
            for writers in map(int, options.writers.split(",")):
                _measure(database, cluster.pid, writers, size, options.seconds, options.rate)
        store.close()
    return 0


def _measure(
    database: Database, pid: int, writers: int, size: int, seconds: float, rate: int
) -> None:
    pause_s = writers * size / rate if rate else 0.0
    before_s = cpu_s(pid)
    with multiprocessing.get_context("spawn").Pool(writers) as pool:
        jobs = [(database, FIRST_ROOM + n, size, seconds, pause_s) for n in range(writers)]
        latencies = [one for each in pool.starmap(write_for, jobs) for one in each]
    percentiles = statistics.quantiles(latencies, n=100)
    changes = len(latencies) * size
    print(
        f"{writers:7}  {size:5}  {changes / seconds:9.0f}  {len(latencies) / seconds:9.0f}"
        f"  {percentiles[49] * 1000:6.2f}  {percentiles[98] * 1000:6.2f}"
        f"  {(cpu_s(pid) - before_s) * 1000 / changes:8.3f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
