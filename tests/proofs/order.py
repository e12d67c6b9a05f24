"""Readers who follow tokens from worker to worker: no change is skipped, none comes twice.

    python tests/proofs/order.py --seconds 20 [--workers 4] [--writers 32] [--readers 200]

Three runs, each with workers of its own on PostgreSQL and with commits that are held back at
random: one as the server is, one in which every third announcement between the workers is lost, and
one with the order of the log switched off, in which skips must be found. Every request is made on a
connection of its own, so a token from one worker is answered by another. In the end the messages of
each reader are compared with the database. The exit status says whether all came out as it should.
"""

import gevent.monkey

gevent.monkey.patch_all()

import argparse  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import random  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from pathlib import Path  # noqa: E402

import gevent  # noqa: E402
import orjson  # noqa: E402
import psycopg2  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.wire import Address, Connection, address_of, request  # noqa: E402
from bench.world import User, World, room_path, sync_target, text  # noqa: E402

from chat.app.unsafe import LOG_VARIABLE  # noqa: E402
from chat.config.model import Database  # noqa: E402
from chat_testing.databases import FAST, running_postgres  # noqa: E402
from chat_testing.running import SHARED_SECRET, RunningServer, running_server  # noqa: E402

ROOMS = 20
PAUSE_S = 1.5  # of each writer between two messages, on average
WAIT_MS = 3_000  # of a long poll; longer than the log is not looked at without announcement
CONNECTIONS = "max_connections=60"
MANY_CONNECTIONS = "max_connections=120"
WAKE_AIM_S = 0.2
FILTER = json.dumps(
    {
        "room": {"timeline": {"limit": 100}, "ephemeral": {"types": []}},
        "presence": {"types": []},
        "account_data": {"types": []},
    }
)
_numbers = itertools.count()


@dataclass
class Room:
    """A room and what was acknowledged in it: event ID → when, by time.monotonic()."""

    room_id: str
    acknowledged: dict[str, float] = field(default_factory=dict)


class Failed(Exception):
    """The server refused what it should do."""


def exchange(address: Address, data: bytes) -> dict:
    """The answer to a request on a connection of its own. Raises Failed unless it is a success."""
    connection = Connection(address)
    try:
        answer = connection.exchange(data)
    finally:
        connection.close()
    if answer.status != 200:
        raise Failed(f"{data[:80]!r}: {answer.status} {answer.body[:200]!r}")
    parsed: dict = orjson.loads(answer.body)
    return parsed


def write(address: Address, user: User, rooms: Sequence[Room], until_s: float) -> None:
    """Send a message to one of the rooms, again and again."""
    while time.monotonic() < until_s:
        gevent.sleep(random.uniform(0, 2 * PAUSE_S))
        room = random.choice(rooms)
        target = room_path(room.room_id, "send", "m.room.message", f"t{next(_numbers)}")
        body = json.dumps(text("order")).encode()
        answer = exchange(address, request("PUT", target, user.token, body))
        room.acknowledged[answer["event_id"]] = time.monotonic()


@dataclass
class Reader:
    """A user who follows the tokens, and what came, by room."""

    user: User
    rooms: list[Room]
    seen: dict[str, list[str]] = field(default_factory=dict)
    arrived: dict[str, tuple[float, float]] = field(default_factory=dict)  # (asked, answered) at
    limited: int = 0
    token: str = ""

    def begin(self, address: Address) -> None:
        """The token from which to follow; what was before does not count."""
        self.token = self._sync(address, 0)["next_batch"]

    def follow(self, address: Address, until_s: float) -> None:
        """Follow until the time is over and nothing more comes."""
        while True:
            over = time.monotonic() > until_s
            asked_s = time.monotonic()
            answer = self._sync(address, WAIT_MS)
            self.token = answer["next_batch"]
            rooms = answer.get("rooms", {}).get("join", {})
            for room_id, room in rooms.items():
                self._take(room_id, room.get("timeline", {"events": []}), asked_s)
            if over and not rooms:
                return

    def _sync(self, address: Address, timeout_ms: int) -> dict:
        target = sync_target(self.token, timeout_ms, FILTER)
        return exchange(address, request("GET", target, self.user.token))

    def _take(self, room_id: str, timeline: dict, asked_s: float) -> None:
        now_s = time.monotonic()
        self.limited += bool(timeline.get("limited"))
        for event in timeline["events"]:
            if event["type"] == "m.room.message":
                self.seen.setdefault(room_id, []).append(event["event_id"])
                self.arrived.setdefault(event["event_id"], (asked_s, now_s))


@dataclass
class Outcome:
    """What a run came to."""

    sent: int = 0
    lost: int = 0
    delivered: int = 0
    skipped: int = 0
    repeated: int = 0
    disordered: int = 0
    limited: int = 0
    woken_s: list[float] = field(default_factory=list)

    @property
    def in_order(self) -> bool:
        """Whether every reader had everything once, in the log's order."""
        found = self.lost + self.skipped + self.repeated + self.disordered + self.limited
        return found == 0 and self.delivered > 0

    def line(self) -> str:
        """The outcome in words."""
        woken = sorted(self.woken_s) or [float("nan")]
        p50, p99 = woken[len(woken) // 2], woken[int(len(woken) * 0.99)]
        return (
            f"{self.sent} sent, {self.lost} lost, {self.delivered} delivered,"
            f" {self.skipped} skipped, {self.repeated} repeated, {self.disordered} out of order,"
            f" {self.limited} gaps; from the sender's answer to a waiting reader's:"
            f" p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, at most {woken[-1] * 1000:.0f} ms"
        )


def compare(database: Database, rooms: Sequence[Room], readers: Sequence[Reader]) -> Outcome:
    """The readers' messages beside the database's."""
    with psycopg2.connect(**connection_args(database)) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT r.room_id, e.event_id FROM event e JOIN room r ON r.room = e.room"
            " WHERE e.type = 'm.room.message' ORDER BY e.pos"
        )
        stored: dict[str, list[str]] = {}
        for room_id, event_id in cursor.fetchall():
            stored.setdefault(room_id, []).append(event_id)
    outcome = Outcome(
        sent=sum(len(room.acknowledged) for room in rooms),
        lost=sum(len(room.acknowledged.keys() - stored.get(room.room_id, [])) for room in rooms),
    )
    for reader in readers:
        outcome.limited += reader.limited
        for room in reader.rooms:
            judge(reader, room, stored.get(room.room_id, []), outcome)
    return outcome


def judge(reader: Reader, room: Room, stored: list[str], outcome: Outcome) -> None:
    """Count what one reader had of one room."""
    seen = reader.seen.get(room.room_id, [])
    once = list(dict.fromkeys(seen))
    outcome.delivered += len(once)
    outcome.repeated += len(seen) - len(once)
    outcome.skipped += len(set(stored) - set(once))
    outcome.disordered += once != [event_id for event_id in stored if event_id in set(once)]
    for event_id, acknowledged_s in room.acknowledged.items():
        asked_s, answered_s = reader.arrived.get(event_id, (acknowledged_s, 0.0))
        if asked_s < acknowledged_s:  # it was waiting
            outcome.woken_s.append(max(0.0, answered_s - acknowledged_s))


def connection_args(database: Database) -> dict:
    """What psycopg2 needs."""
    return {name: value for name, value in database.args.items() if not name.startswith("cp_")}


@contextmanager
def faulty(faults: str):
    """Servers that are started meanwhile make these faults."""
    os.environ[LOG_VARIABLE] = faults
    try:
        yield
    finally:
        del os.environ[LOG_VARIABLE]


def run(database: Database, faults: str, options: argparse.Namespace) -> Outcome:
    """Write and follow on a server of its own, and compare."""
    section = {"name": database.name, "args": database.args}
    with faulty(faults), running_server(section, options.workers) as server:
        if faults not in server.log:
            raise Failed("the server does not make the faults that were asked for")
        return load(database, server, options)


def load(database: Database, server: RunningServer, options: argparse.Namespace) -> Outcome:
    """What `run` does once the server answers."""
    address = address_of(server.url)
    world = World(address, SHARED_SECRET)
    writers, readers = (
        world.users(options.writers),
        [Reader(world.new_user(f"reader{n}"), []) for n in range(options.readers)],
    )
    rooms = [Room(world.room([writer])) for writer in writers[:ROOMS]]
    for n, writer in enumerate(writers):
        world.call("POST", room_path(rooms[n % len(rooms)].room_id, "join"), writer)
    for n, reader in enumerate(readers):
        for room in {n % len(rooms), (n * 7 + 3) % len(rooms)}:
            reader.rooms.append(rooms[room])
            world.call("POST", room_path(rooms[room].room_id, "join"), reader.user)
    for reader in readers:
        reader.begin(address)
    until_s = time.monotonic() + options.seconds
    tasks = [
        gevent.spawn(write, address, writer, [rooms[n % len(rooms)]], until_s)
        for n, writer in enumerate(writers)
    ]
    tasks += [gevent.spawn(reader.follow, address, until_s + 2 * PAUSE_S) for reader in readers]
    try:
        gevent.joinall(tasks, raise_error=True)
    finally:
        gevent.killall(tasks)
    world.close()
    return compare(database, rooms, readers)


def main(arguments: Sequence[str]) -> int:
    """All runs; 0 if each came out as it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--writers", type=int, default=32)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--only", choices=("ordered", "dropped", "unordered"))
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the servers end with this process
    runs = {"ordered": "late", "dropped": "late,drop", "unordered": "unordered"}
    wrong = 0
    with running_postgres(FAST.replace(CONNECTIONS, MANY_CONNECTIONS)) as cluster:
        if cluster is None:
            print("PostgreSQL is not installed", file=sys.stderr)
            return 1
        for name, faults in runs.items():
            if options.only in (None, name):
                outcome = run(cluster.new_database(), faults, options)
                as_expected = outcome.skipped > 0 if name == "unordered" else outcome.in_order
                wrong += not as_expected
                print(f"{name}: {outcome.line()} → {'as it should' if as_expected else 'WRONG'}")
                sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
