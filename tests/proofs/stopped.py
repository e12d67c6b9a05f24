"""A worker that is stopped (SIGSTOP) under load and woken later.

    python tests/proofs/stopped.py [--seconds 30]

The other workers' answers stay fast; its leases move; an owner that is woken in mid-work writes
nothing more under the lease that it lost.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from chat.config.model import Database
from chat.services.leases import BEAT_S, Leases
from chat.storage.engine import Store, Transaction, open_store
from chat.storage.leases import Lease, LeaseLost
from chat.storage.migrations import upgrade
from chat_testing.crashing import Postgres, children, durable_postgres
from chat_testing.databases import database_config
from chat_testing.load import Crowd
from chat_testing.running import RunningServer, prepared_server

WORKERS = 3
CLIENTS = 9
P99_S = 1.0
MOVES_WITHIN_S = 15


# --- a worker of a server ---


def leases_of(database: Database) -> dict[str, tuple[str, int]]:
    """name → (worker, generation)."""
    with closing(open_store(database)) as store:
        rows = store.read(lambda tx: tx.rows("SELECT name, worker, generation FROM lease"))
    return {name: (worker or "", generation) for name, worker, generation in rows}


def beats_of(database: Database) -> dict[str, int]:
    """worker → how often it gave a sign of life."""
    with closing(open_store(database)) as store:
        return dict(store.read(lambda tx: tx.rows("SELECT name, beats FROM worker")))


def stop_a_worker(server: RunningServer, crowd: Crowd, database: Database, seconds: int) -> bool:
    """Whether the others went on, and took over what the stopped one owned."""
    time.sleep(10)  # leases settle
    before = leases_of(database)
    names = set(beats_of(database))
    started_s = time.monotonic()
    usual_s = crowd.traffic.p99_s(started_s - 5, started_s)
    victim = random.choice(children(server.process.pid))
    os.kill(victim, signal.SIGSTOP)
    time.sleep(MOVES_WITHIN_S)
    after = leases_of(database)
    stopped = names - set(beats_of(database))
    moved = {name for name, (worker, _) in before.items() if worker in stopped}
    left = {name for name in moved if after[name][0] in stopped}
    time.sleep(max(seconds - MOVES_WITHIN_S, 0))
    woken_s = time.monotonic()
    os.kill(victim, signal.SIGCONT)
    during_s = crowd.traffic.p99_s(started_s, woken_s)
    time.sleep(3)
    print(
        f"p99 of answers before: {usual_s * 1000:.0f} ms, while stopped: {during_s * 1000:.0f} ms"
    )
    print(f"leases of the stopped worker: {len(moved)}, still its own after 15 s: {len(left)}")
    return during_s <= P99_S and len(stopped) == 1 and bool(moved) and not left


def server_part(postgres: Postgres, seconds: int) -> bool:
    """Run a server with clients, and stop one of its workers."""
    database = postgres.database()
    section = {"name": database.name, "args": database.args}
    with tempfile.TemporaryDirectory(prefix="chat-stopped-") as folder:
        server = prepared_server(Path(folder), WORKERS, {"database": section})
        server.start()
        try:
            crowd = Crowd([server.port], CLIENTS)
            passed = stop_a_worker(server, crowd, database, seconds)
            errors = crowd.stop()
        finally:
            server.kill()
    statuses = dict(crowd.traffic.statuses)
    print(f"answers: {statuses}, clients that broke off: {errors}")
    return passed and not errors and not any(status.startswith("5") for status in statuses)


# --- an owner in mid-work ---


def own(database: Database) -> None:
    """Work under a lease: note its generation, and whether a later owner has been here before."""
    store = open_store(database)
    leases = Leases(store, ["work"])
    renewed_s = 0.0
    while True:
        if time.monotonic() - renewed_s > BEAT_S:
            leases.renew()
            renewed_s = time.monotonic()
        lease = leases.held("work")
        if lease is not None:
            try:
                store.write(lambda tx, lease=lease: _note(tx, lease))
            except LeaseLost:
                print(f"{os.getpid()} lost generation {lease.generation}", flush=True)
        time.sleep(0.02)


def _note(tx: Transaction, lease: Lease) -> None:
    lease.guard(tx)
    row = tx.row("SELECT definition FROM filters WHERE user_id = 'last' FOR NO KEY UPDATE")
    last = int(row[0]) if row else 0
    time.sleep(0.05)  # so that a stop falls into a transaction, more often than not
    if last > lease.generation:
        tx.run(
            "INSERT INTO filters (user_id, filter_id, definition) VALUES ('late', :g, :g)",
            g=str(lease.generation),
        )
    tx.run(
        "INSERT INTO filters (user_id, filter_id, definition) VALUES ('last', '', :g)"
        " ON CONFLICT (user_id, filter_id) DO UPDATE SET definition = excluded.definition",
        g=str(lease.generation),
    )


@contextmanager
def owners(database: Database, count: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Processes that want to do the same work."""
    given = msgspec.json.encode([database.name, database.args]).decode()
    command = [sys.executable, __file__, "--own", given]
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def noted(store: Store, kind: str) -> list[Any]:
    """What owners noted."""
    return store.read(
        lambda tx: tx.rows("SELECT definition FROM filters WHERE user_id = :kind", kind=kind)
    )


def owner_part(postgres: Postgres, rounds: int) -> bool:
    """Stop whoever owns the work, again and again, and look who wrote after whom."""
    database = postgres.database("owners")
    with closing(open_store(database)) as store:
        upgrade(store)
        with owners(database, 2) as processes:
            generations = [_stop_the_owner(store, processes) for _ in range(rounds)]
        late = noted(store, "late")
    print(f"generations at which owners were stopped: {generations}; written late: {late}")
    return not late and generations == sorted(set(generations)) and len(generations) == rounds


def _stop_the_owner(store: Store, processes: list["subprocess.Popen[bytes]"]) -> int:
    """Stop both in turn until the work moves; the generation that was stopped."""
    while not (before := noted(store, "last")):
        time.sleep(0.1)
    for process in processes:
        process.send_signal(signal.SIGSTOP)
        deadline_s = time.monotonic() + MOVES_WITHIN_S
        while noted(store, "last") == before and time.monotonic() < deadline_s:
            time.sleep(0.1)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.5)
        if noted(store, "last") != before:
            return int(before[0][0])
    raise AssertionError(f"the work did not move within {MOVES_WITHIN_S} s")


def main() -> int:
    """Run both parts; 0 when all is well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5, help="of stopping an owner in mid-work")
    parser.add_argument("--own", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.own:
        name, args = msgspec.json.decode(options.own)
        own(database_config(name, **args))
    with tempfile.TemporaryDirectory(prefix="chat-stopped-") as folder:
        Path(folder).chmod(0o755)
        with durable_postgres(Path(folder)) as postgres:
            passed = [owner_part(postgres, options.rounds), server_part(postgres, options.seconds)]
    print(f"the woken owner wrote nothing more: {passed[0]}; the others went on: {passed[1]}")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
