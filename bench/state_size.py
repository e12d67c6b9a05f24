"""What the state of rooms costs: members × changes × forks, in bytes and in time.

    python -m bench.state_size [--members 10000] [--database sqlite|postgres]

Rooms are filled through the storage functions that the writer and arrivals use, without signatures:
what is measured is what is kept and read. Three rooms: with half of the members, with all, and a
third of 50 000 members for the reads; at last rooms in which everything forks.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from chat.config.load import parse
from chat.protocol import canonical_json
from chat.protocol.event import StateKey
from chat.protocol.identifiers import EventId
from chat.protocol.room_versions import rules_for
from chat.services.rooms import chains
from chat.services.rooms.chains import AuthGraph
from chat.services.rooms.resolution import Known, Resolver
from chat.storage import events, graph, lines, rooms, state
from chat.storage.engine import Store, Transaction, open_store
from chat.storage.events import EventRow
from chat.storage.graph import AuthNode
from chat.storage.migrations import upgrade
from chat.storage.state import Ref, Step
from chat_testing.databases import running_postgres

CHANGES = 2_000
FORKS = 50
READ_MEMBERS = 50_000
ALL_FORKS = (2_500, 5_000, 10_000)
STATE_TABLES = ("state_now", "state_log", "state_line")
AUTH_TABLES = ("event_auth", "auth_live")
REPEATS = 20
CREATE: StateKey = ("m.room.create", "")


class Filled(NamedTuple):
    """A room, the references of the states that it went through, and its forks' ends."""

    room: rooms.Room
    refs: list[Ref]
    forks: list[Ref]
    state_event_bytes: int


class Filler:
    """Fills one room; events have the size and the auth events of real ones."""

    def __init__(self, tx: Transaction, name: str) -> None:
        self.tx = tx
        made = rooms.create(tx, name, "11")
        assert made is not None
        self.room = made
        self.ks: dict[StateKey, int] = {}
        self.evs: dict[StateKey, int] = {}
        self.nodes: dict[int, AuthNode] = {}
        self.bytes = 0
        self._rows: list[EventRow] = []
        self._bodies: list[str] = []
        self._pos = 0

    def event(self, key: StateKey, content: dict[str, Any], cited: Sequence[StateKey]) -> int:
        """A new state event with the current entries of `cited` as its auth events."""
        (ev,) = self.tx.numbers("ev", 1)
        auth = tuple(self.evs[one] for one in cited if one in self.evs)
        if key not in self.ks:
            self.ks |= state.intern(self.tx, [key])
        depth = 1 + max((self.nodes[one].depth for one in auth), default=0)
        self.nodes[ev] = AuthNode(ev, self.ks[key], depth, auth)
        self._pos += 1
        body = self._body(ev, key, content, auth)
        self.bytes += len(body)
        self._bodies.append(body)
        self._rows.append(self._row(ev, key))
        return ev

    def _body(self, ev: int, key: StateKey, content: dict[str, Any], auth: Sequence[int]) -> str:
        pdu = {
            "auth_events": [_event_id(one) for one in auth],
            "content": content,
            "depth": self._pos,
            "hashes": {"sha256": "h" * 43},
            "origin_server_ts": 1_700_000_000_000 + self._pos,
            "prev_events": [_event_id(ev - 1)],
            "room_id": self.room.room_id,
            "sender": _sender(key),
            "signatures": {"a.example": {"ed25519:key": "s" * 86}},
            "state_key": key[1],
            "type": key[0],
        }
        return canonical_json.encode(pdu).decode()

    def _row(self, ev: int, key: StateKey) -> EventRow:
        return EventRow(
            ev=ev,
            event_id=_event_id(ev),
            room=self.room.room,
            pos=None,
            depth=self._pos,
            type=key[0],
            state_key=key[1],
            sender=_sender(key),
            origin_server_ts=1_700_000_000_000,
            before_line=self.room.main_line,
            before_pos=self.room.head,
            **dict.fromkeys(EventRow._fields[11:]),
        )

    def step(self, key: StateKey, content: dict[str, Any], cited: Sequence[StateKey]) -> Ref:
        """A state event that becomes current."""
        ev = self.event(key, content, cited)
        self.evs[key] = ev
        self.room = self.room._replace(head=self.room.head + 1)
        number, line, head = self.room.room, self.room.main_line, self.room.head
        mem = state.mem_of(key[0], content)
        state.advance(self.tx, [Step(number, line, head, self.ks[key], ev, mem)])
        return Ref(line, head)

    def fork(self, base: Ref, key: StateKey, cited: Sequence[StateKey]) -> Ref:
        """A state event beside the history of the current state."""
        ev = self.event(key, {"topic": "fork"}, cited)
        return lines.branch(self.tx, self.room.room, self.room.main_line, base, {self.ks[key]: ev})

    def flush(self) -> None:
        """Write the events."""
        positions = [row.depth + row.room * 1_000_000 for row in self._rows]
        events.append(self.tx, self._rows, self._bodies, positions)
        graph.add_auth(self.tx, [self.nodes[row.ev] for row in self._rows])
        rooms.move(self.tx, [self.room])
        self._rows, self._bodies = [], []


def _event_id(ev: int) -> EventId:
    return EventId(f"${ev:043d}")


def _sender(key: StateKey) -> str:
    return key[1] if key[0] == "m.room.member" else "@user0:a.example"


def member(number: int) -> StateKey:
    """The key of a member."""
    return "m.room.member", f"@user{number}:a.example"


LEVELS: StateKey = ("m.room.power_levels", "")
RULES: StateKey = ("m.room.join_rules", "")
TOPIC: StateKey = ("m.room.topic", "")
BASIC = (CREATE, LEVELS, member(0))


def found_room(filler: Filler, members: int) -> None:
    """Create a room, and let members join."""
    filler.step(CREATE, {"room_version": "11"}, ())
    filler.step(member(0), {"membership": "join"}, (CREATE,))
    filler.step(LEVELS, {"users": {"@user0:a.example": 100}}, (CREATE, member(0)))
    filler.step(RULES, {"join_rule": "public"}, BASIC)
    for number in range(1, members):
        content = {"membership": "join", "displayname": f"User {number}"}
        filler.step(member(number), content, (CREATE, LEVELS, RULES))


def change_room(filler: Filler, members: int, changes: int, forks: int) -> Filled:
    """Then the changes: members who rename themselves, a topic now and then, forks."""
    refs, ends = [], []
    for number in range(changes):
        who = member(1 + number * 7 % (members - 1))
        if number % 10:
            content = {"membership": "join", "displayname": f"Renamed {number}"}
            refs.append(filler.step(who, content, (CREATE, LEVELS, who, RULES)))
        else:
            refs.append(filler.step(TOPIC, {"topic": f"Topic {number}"}, BASIC))
        if number % (changes // forks) == 0:
            ends.append(filler.fork(refs[max(0, len(refs) - 5)], TOPIC, BASIC))
    filler.flush()
    return Filled(filler.room, refs, ends, filler.bytes)


# --- measuring ---


def size_bytes(store: Store, tables: Sequence[str]) -> int:
    """The bytes of tables with their indexes."""
    return store.read(lambda tx: sum(_table_bytes(store, tx, table) for table in tables))


def _table_bytes(store: Store, tx: Transaction, table: str) -> int:
    of_table = "SELECT name FROM sqlite_master WHERE tbl_name = :name"
    sql = f"SELECT sum(pgsize) FROM dbstat WHERE aggregate = 1 AND name IN ({of_table})"
    if not store.exclusive:
        sql = "SELECT pg_total_relation_size(CAST(:name AS regclass))"
    row = tx.row(sql, name=table)
    assert row is not None
    return int(row[0] or 0)


def median_ms(work: Callable[[int], object]) -> float:
    """The median wall time of a piece of work, done some times."""
    taken = []
    for number in range(REPEATS):
        started = time.perf_counter()
        work(number)
        taken.append(time.perf_counter() - started)
    return sorted(taken)[REPEATS // 2] * 1_000


def report_size(store: Store, members: int) -> bool:
    """The size of two rooms, one with twice the members of the other; whether it is as it must."""
    added = []
    ok = True
    print("members  changes  forks   state events   state tables   ratio   added by the changes")
    for count in (members // 2, members):
        begun = size_bytes(store, STATE_TABLES)
        filler = store.write(partial(_founded, members=count))
        before = size_bytes(store, STATE_TABLES)
        filled = store.write(partial(_changed, filler=filler, members=count))
        after = size_bytes(store, STATE_TABLES)
        added.append(after - before)
        ratio = (after - begun) / filled.state_event_bytes
        ok = ok and ratio <= 3
        print(
            f"{count:7}  {CHANGES:7}  {FORKS:5}   {filled.state_event_bytes:12,}"
            f"   {after - begun:12,}   {ratio:5.2f}   {after - before:12,}"
        )
    growth = added[1] / added[0]
    print(f"twice the members: the changes add {growth:.2f} times the bytes (aim: 0.90 to 1.10)")
    return ok and 0.9 <= growth <= 1.1


def _founded(tx: Transaction, members: int) -> Filler:
    filler = Filler(tx, f"!members{members}:a.example")
    found_room(filler, members)
    filler.flush()
    return filler


def _changed(tx: Transaction, filler: Filler, members: int) -> Filled:
    filler.tx = tx
    return change_room(filler, members, CHANGES, FORKS)


def report_reads(store: Store) -> bool:
    """The times of reads in a large room; whether they are as they must be."""
    filler = store.write(lambda tx: _founded(tx, READ_MEMBERS))
    filled = store.write(lambda tx: _changed(tx, filler, READ_MEMBERS))
    number, line, refs = filled.room.room, filled.room.main_line, filled.refs
    keys = [filler.ks[member(i)] for i in range(5)]

    def reads(work: Callable[[Transaction, int], object]) -> float:
        return median_ms(lambda i: store.read(lambda tx: work(tx, i)))

    auth = size_bytes(store, AUTH_TABLES)
    edges = store.read(lambda tx: sum(len(node.auth) for node in _all_nodes(tx)))
    started = time.perf_counter()
    store.write(lambda tx: chains.catch_up(tx, filled.room, AuthGraph(tx)))
    first_ms = (time.perf_counter() - started) * 1_000
    found = {
        "one key before an event": (
            reads(lambda tx, i: lines.at(tx, number, line, refs[i * 50], [keys[i % 5]])), 5.0
        ),
        "one key on a branch": (
            reads(lambda tx, i: lines.at(tx, number, line, filled.forks[i], [keys[i % 5]])), 5.0
        ),
        f"whole state, {READ_MEMBERS} members": (
            reads(lambda tx, i: lines.at(tx, number, line, refs[i * 50])), 400.0
        ),
        "difference over 50 changes": (
            reads(lambda tx, i: lines.difference(tx, number, line, refs[i], refs[i + 49])),
            None,
        ),
        "auth chain of the state": (reads(lambda tx, i: _chain(tx, filled)), None),
        "auth chain difference, 10 conflicts": (
            reads(lambda tx, i: _chain_difference(tx, filled, i)), 20.0
        ),
    }  # fmt: skip
    ok = auth / edges <= 40
    print(f"\nauth edges: {edges}, {auth / edges:.1f} bytes each (aim: 40)")
    print(f"citations counted the first time: {first_ms:.0f} ms, then as the state changes")
    for what, (taken_ms, aim_ms) in found.items():
        ok = ok and (aim_ms is None or taken_ms <= aim_ms)
        print(f"{what:40} {taken_ms:8.2f} ms" + (f"   (aim: {aim_ms:g})" if aim_ms else ""))
    return ok


def _all_nodes(tx: Transaction) -> Iterator[AuthNode]:
    evs = [ev for (ev,) in tx.rows("SELECT ev FROM event_auth")]
    for start in range(0, len(evs), 5_000):
        yield from graph.auth(tx, evs[start : start + 5_000]).values()


def _chain(tx: Transaction, filled: Filled) -> int:
    auth = AuthGraph(tx)
    current = graph.auth_of_current(tx, filled.room.room)
    auth.learn(current.values())
    return len(chains.whole(auth, list(current)))


def _chain_difference(tx: Transaction, filled: Filled, number: int) -> int:
    """Of two states that lie ten changes apart."""
    room = filled.room
    old, new = filled.refs[-20 - number], filled.refs[-10 - number]
    head = Ref(room.main_line, room.head)
    found = lines.gather(tx, room.room, room.main_line, [old, new, head])
    auth = AuthGraph(tx)
    citations = chains.of_current(tx, room, auth)
    differing = [k for k, ev in found[old].items() if ev != found[new][k]]
    shared = {k: 0 if k in differing else ev for k, ev in found[old].items()}
    gone = [ev for k, ev in found[head].items() if ev and shared[k] != ev]
    come = [ev for k, ev in shared.items() if ev and found[head][k] != ev]
    citations.move(gone, come)
    sides = [{found[ref][k] for k in differing if found[ref][k]} for ref in (old, new)]
    return len(chains.difference(auth, citations, sides))


def report_forks(store: Store) -> bool:
    """A room in which every state event is a fork: resolving stays linear; whether it does."""
    print("\nevery event a fork, each resolved with the current state:")
    per_fork = []
    for count in ALL_FORKS:
        started = time.perf_counter()
        store.write(partial(_fork_all, forks=count))
        taken_ms = (time.perf_counter() - started) * 1_000
        per_fork.append(taken_ms / count)
        print(f"{count:7} forks  {taken_ms:10.0f} ms   {per_fork[-1]:.2f} ms each")
    return per_fork[-1] <= 1.5 * per_fork[0]


def _fork_all(tx: Transaction, forks: int) -> None:
    filler = Filler(tx, f"!forks{forks}:a.example")
    found_room(filler, 20)
    base = Ref(filler.room.main_line, filler.room.head)
    for number in range(forks):
        filler.step(TOPIC, {"topic": f"main {number}"}, BASIC)
        end = filler.fork(base, TOPIC, BASIC)
        filler.flush()
        known = Known(tx, rules_for("11"))
        head = Ref(filler.room.main_line, filler.room.head)
        Resolver(tx, filler.room, known).resolve([head, end])
        base = head


@contextmanager
def database(kind: str) -> Iterator[Store]:
    """An empty database."""
    with tempfile.TemporaryDirectory(prefix="chat-state-") as folder:
        if kind == "sqlite":
            section = {"name": "sqlite3", "args": {"database": str(Path(folder) / "state.db")}}
            yield from _opened(section)
            return
        with running_postgres() as cluster:
            if cluster is None:
                sys.exit("PostgreSQL is not installed")
            made = cluster.new_database()
            yield from _opened({"name": made.name, "args": dict(made.args)})


def _opened(section: dict[str, Any]) -> Iterator[Store]:
    config = parse({"server_name": "a.example", "database": section}, Path())[0]
    store = open_store(config.database)
    try:
        upgrade(store)
        yield store
    finally:
        store.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where an aim is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.state_size", description=__doc__)
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    options = parser.parse_args(arguments)
    with database(options.database) as store:
        results = [report_size(store, options.members), report_reads(store), report_forks(store)]
    print("\nall aims are met" if all(results) else "\nan aim is missed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
