"""Faults under load, round after round: nothing that was acknowledged may be lost or doubled.

    python tests/proofs/crash.py --database postgres --rounds 20 [--workers 3] [--early]

Each round lets clients work, makes one fault happen (a worker killed, all processes killed, the
database stopped at once, the disk full), waits until every client is served again, and compares
the database with what the clients were told. With --early the server acknowledges before it
commits, and the exit status says whether the loss was found.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chat.app.unsafe import VARIABLE
from chat.config.model import Database
from chat.protocol import canonical_json, signatures
from chat.protocol.room_versions import rules_for
from chat.storage.engine import Store, open_store
from chat_testing.crashing import Disk, Postgres, children, durable_postgres, small_disk
from chat_testing.databases import database_config
from chat_testing.load import Crowd, Refused
from chat_testing.running import RunningServer, prepared_server

CLIENTS = 6
CHECK_EVERY = 20  # rounds; and at the end
WORK_S = 0.8  # under load before each fault
FULL_S = 0.5  # for which the disk stays full
SERVED_AGAIN_S = 30


@dataclass
class World:
    """The server under test, with everything below it."""

    disk: Disk
    postgres: Postgres | None
    server: RunningServer
    crowd: Crowd
    database: Database
    checked_up_to: int = 0
    checked: dict[str, int] = field(default_factory=dict)  # of each client's acknowledged events
    depths: dict[int, int] = field(default_factory=dict)  # room → depth of its last event
    restarts: int = 0


# --- faults ---


def kill_a_worker(world: World) -> None:
    """One serving process ends; the master starts another."""
    os.kill(random.choice(children(world.server.process.pid)), signal.SIGKILL)


def kill_all(world: World) -> None:
    """Master and workers end; an operator starts the server again."""
    world.server.kill()
    world.server.start()


def stop_postgres(world: World) -> None:
    """The database ends without a word, and comes back."""
    assert world.postgres is not None
    world.postgres.kill()
    world.postgres.start()


def fill_the_disk(world: World) -> None:
    """The database's disk is full for a while."""
    world.disk.fill()
    time.sleep(FULL_S)
    world.disk.free()
    if world.postgres is not None:
        time.sleep(0.2)
        if not world.postgres.runs():
            world.postgres.start()  # where even its log could not be written, it ends itself
        world.postgres.await_ready()


Fault = Callable[[World], None]
ON_SQLITE: list[Fault] = [kill_a_worker, kill_all, fill_the_disk]
ON_POSTGRES: list[Fault] = [kill_a_worker, kill_all, stop_postgres, fill_the_disk]


# --- checks ---


def findings(world: World) -> list[str]:
    """What is wrong: sentences. Looks at what is new since the last time."""
    with closing(open_store(world.database)) as store:
        return list(_findings(world, store))


def _findings(world: World, store: Store) -> Iterator[str]:
    told = {c.name: list(c.acknowledged) for c in world.crowd.clients}
    stored = {c.user_id: (c.account_data, c.read_up_to) for c in world.crowd.clients}
    rows = store.read(lambda tx: tx.rows(EVENTS, after=world.checked_up_to))
    for name, events in told.items():
        done = max(world.checked.get(name, 0) - 1, 0)
        yield from _lost_or_out_of_order(store, name, [e.event_id for e in events[done:]])
        world.checked[name] = len(events)
    yield from _doubled(store)
    yield from _broken_chain(world, rows)
    for user_id, (number, read_up_to) in stored.items():
        yield from _forgotten(store, user_id, number, read_up_to)
    if rows:
        world.checked_up_to = rows[-1][0]


EVENTS = (
    "SELECT e.pos, e.event_id, e.room, e.depth, r.version, e.json FROM event e"
    " JOIN room r ON r.room = e.room WHERE e.pos > :after ORDER BY e.pos"
)
POSITIONS = "SELECT event_id, pos FROM event WHERE event_id = ANY(:ids)"
DOUBLED = (
    "SELECT sender, txn_id, COUNT(*) FROM event WHERE txn_id IS NOT NULL"
    " GROUP BY sender, txn_device, txn_id HAVING COUNT(*) > 1"
)
STORED = (
    "SELECT content FROM account_data WHERE user_id = :user_id AND type = 'proof'"
    " UNION ALL SELECT event_id FROM receipts WHERE user_id = :user_id AND type = 'm.read'"
)


def _lost_or_out_of_order(store: Store, name: str, told: list[str]) -> Iterator[str]:
    positions = dict(store.read(lambda tx: tx.rows(POSITIONS, ids=told)))
    last = 0
    for event_id in told:
        at = positions.get(event_id)
        if at is None:
            yield f"{name}: {event_id} was acknowledged and is not there"
        elif at < last:
            yield f"{name}: {event_id} stands before what was acknowledged before it"
        else:
            last = at


def _doubled(store: Store) -> Iterator[str]:
    for sender, txn_id, count in store.read(lambda tx: tx.rows(DOUBLED)):
        yield f"{sender}: {txn_id} is there {count} times"


def _broken_chain(world: World, rows: list[tuple[Any, ...]]) -> Iterator[str]:
    """All events were sent here, one after another: each room is one line, hashed and signed."""
    server = "localhost"
    for _, event_id, room, depth, version, body in rows:
        if depth != world.depths.get(room, 0) + 1:
            yield f"{event_id} has depth {depth} after {world.depths.get(room, 0)}"
        world.depths[room] = depth
        pdu, rules = canonical_json.decode(body), rules_for(version)
        if signatures.event_id(pdu, rules) != event_id:
            yield f"{event_id} has another reference hash"
        if not signatures.content_hash_matches(pdu, rules):
            yield f"{event_id} has another content hash"
        key = signatures.load_signing_key(_key_line(world))
        (key_id,) = signatures.signatures_by(pdu, server)
        signatures.verify_bytes(
            signatures.signed_bytes(pdu, rules),
            signatures.signature_of(pdu, server, key_id),
            key.verify_key,
        )


def _key_line(world: World) -> str:
    (path,) = world.server.folder.glob("*.signing.key")
    return path.read_text(encoding="ascii").splitlines()[0]


def _forgotten(store: Store, user_id: str, number: int, read_up_to: str | None) -> Iterator[str]:
    """Account data and receipts that were acknowledged, or came later, are there."""
    found = [one for (one,) in store.read(lambda tx: tx.rows(STORED, user_id=user_id))]
    numbers = [canonical_json.decode(one)["number"] for one in found if one.startswith("{")]
    if number >= 0 and (not numbers or numbers[0] < number):
        yield f"{user_id}: account data {number} was acknowledged, {numbers} is there"
    if read_up_to is not None and not any(one.startswith("$") for one in found):
        yield f"{user_id}: the receipt on {read_up_to} is not there"


def differences(world: World) -> list[str]:
    """What the command `check` finds, while the server goes on."""
    command = [sys.executable, "-m", "chat.app.homeserver", "check"]
    done = subprocess.run(
        [*command, "-c", world.server.config_path],
        env=world.server.environment,
        cwd=world.server.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"    check: {(done.stdout.splitlines() or [done.stderr])[-1]}", flush=True)
    return [] if done.returncode == 0 else [*done.stdout.splitlines(), done.stderr]


# --- rounds ---


def play(world: World, faults: list[Fault], rounds: int) -> tuple[Counter[str], list[str]]:
    """Let faults happen, each kind in turn; how often each did, and what was found wrong."""
    happened: Counter[str] = Counter()
    wrong: list[str] = []
    for number in range(rounds):
        fault = faults[number % len(faults)]
        time.sleep(WORK_S * random.uniform(0.5, 1.5))
        started_s = time.monotonic()
        before = world.crowd.acknowledged()
        fault(world)
        found = _not_served(world)
        took_s = time.monotonic() - started_s
        found += findings(world)
        if (number + 1) % CHECK_EVERY == 0:
            found += differences(world)
        happened[fault.__name__] += 1
        wrong += found
        print(
            f"round {number + 1:3}: {fault.__name__:14} served again after {took_s:4.1f} s,"
            f" {before} events acknowledged before, {len(found)} findings",
            flush=True,
        )
        for sentence in found[:5]:
            print(f"    {sentence}", flush=True)
    return happened, wrong


def _not_served(world: World) -> list[str]:
    """What keeps a client from being served again; such a server is started anew."""
    try:
        if world.crowd.await_progress(SERVED_AGAIN_S):
            return []
    except Refused as refusal:  # the server forgot what the client builds on
        return [str(refusal)]
    world.server.restart()
    return [f"not served again within {SERVED_AGAIN_S} s"]


@contextmanager
def a_world(kind: str, workers: int) -> Iterator[World]:
    """A server on a small disk, and clients at work."""
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk())
        postgres, database = None, None
        if kind == "postgres":
            postgres = stack.enter_context(durable_postgres(disk.folder))
            database = postgres.database()
        else:
            database = database_config("sqlite3", database=str(disk.folder / "chat.db"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-crash-")))
        server = _server(folder, database, workers)
        server.start()
        stack.callback(lambda: server.process.poll() is None and server.kill())
        crowd = Crowd([server.port], CLIENTS)
        yield World(disk, postgres, server, crowd, database)


def _server(folder: Path, database: Database, workers: int) -> RunningServer:
    section = {"name": database.name, "args": database.args}
    return prepared_server(folder, workers, {"database": section})


def main() -> int:
    """Run the rounds; 0 when what was found is what should be found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2, help="of a server on PostgreSQL")
    parser.add_argument("--early", action="store_true", help="acknowledge before the commit")
    options = parser.parse_args()
    if options.early:
        os.environ[VARIABLE] = "1"
    faults = ON_SQLITE if options.database == "sqlite" else ON_POSTGRES
    if options.early:
        faults = [kill_all] if options.database == "sqlite" else [kill_all, stop_postgres]
    with a_world(options.database, options.workers) as world:
        happened, wrong = play(world, faults, options.rounds)
        wrong += world.crowd.stop()
        wrong += findings(world)
        if not options.early:
            wrong += differences(world)
        total, statuses = world.crowd.acknowledged(), world.crowd.traffic.statuses
    rounds = ", ".join(f"{name} {count}" for name, count in sorted(happened.items()))
    print(f"{options.database}: {options.rounds} rounds ({rounds})")
    print(f"answers: {dict(sorted(statuses.items()))}")
    print(f"{total} events acknowledged, {len(wrong)} findings")
    if options.early:
        print("acknowledged before the commit: " + ("loss found" if wrong else "NOTHING FOUND"))
        return 0 if wrong else 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
