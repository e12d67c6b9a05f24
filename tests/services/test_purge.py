"""Rooms that end leave nothing behind; early history goes, and what remains is right."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

from chat.protocol.errors import NotFound
from chat.protocol.identifiers import RoomId
from chat.protocol.room_versions import rules_for
from chat.protocol.signatures import generate_signing_key
from chat.services import purge
from chat.services.check import differences
from chat.services.rooms import history, membership, receive
from chat.services.server import Server
from chat.storage import purge as stored
from chat.storage.engine import Store
from chat.storage.leases import Lease
from chat.storage.schema import metadata
from chat_testing.callers import a_user
from chat_testing.people import Person, a_person
from chat_testing.protocol_rooms import SEED, Room
from chat_testing.rooms import ALICE, say
from chat_testing.servers import FakeClock, a_server

DAVE = "@dave:d.example"
DAY_S = 86_400
REFERENCES = {"room", "ev", "line", "k", "room_id", "main_line"}


# --- which table belongs to a room how ---


def test_every_table_that_refers_to_rooms_says_how_it_goes_with_them() -> None:
    said = {
        *stored.tables_by_room(),
        *stored.BY_EVENT,
        *stored.BY_LINE,
        *stored.BY_ROOM_ID,
        *stored.SHARED,
        *stored.PASSING,
        *stored.OWN,
    }
    refer = {t.name for t in metadata.tables.values() if REFERENCES & set(t.columns.keys())}
    assert refer - said == set()


def orphans(server: Server) -> dict[str, int]:
    """Rows that refer to a room, event or line that is not there, by table and column."""
    targets = {
        "room": "SELECT room FROM room",
        "ev": "SELECT ev FROM event",
        "k": "SELECT k FROM state_key",
        "line": "SELECT main_line FROM room UNION SELECT line FROM state_line",
        "room_id": "SELECT room_id FROM room",
    }
    found = {}
    for table, (column, target) in itertools.product(metadata.tables.values(), targets.items()):
        if column not in table.columns or table.name in stored.PASSING:
            continue
        sql = (
            f"SELECT COUNT(*) FROM {table.name} WHERE {column} IS NOT NULL"
            f" AND {column} <> {'0' if column != 'room_id' else repr('')}"
            f" AND {column} NOT IN ({target})"
        )
        (count,) = server.store.read(lambda tx, sql=sql: tx.row(sql))
        if count:
            found[f"{table.name}.{column}"] = count
    return found


def sound(server: Server) -> bool:
    """Whether nothing refers to what is not there, and `check` finds no difference."""
    found = list(differences(server.store, server.name, [server.key]))
    assert found == []
    return orphans(server) == {}


# --- rooms that end ---


def lease_of(server: Server, name: str) -> Lease:
    server.leases.take_part([name])
    server.leases.renew()
    lease = server.leases.held(name)
    assert lease is not None
    return lease


def purge_rooms(server: Server) -> None:
    for _ in range(20):
        purge.rooms_that_ended(server, lease_of(server, "purge rooms"))


def a_lively_room(alice: Person, bob: Person) -> str:
    """A room with something in as many tables as a few calls can reach."""
    server = alice.server
    room_id = alice.creates(alias_name="lively", published=True, name="Lively")
    bob.joins(room_id)
    root = alice.says(room_id, "a root with words to be found")
    thread = {"rel_type": "m.thread", "event_id": root}
    for number in range(5):
        bob.sends(room_id, "m.room.message", {"body": str(number), "m.relates_to": thread})
        alice.sets(room_id, "m.room.topic", topic=f"topic {number}")
    edit = {"rel_type": "m.replace", "event_id": root}
    alice.sends(room_id, "m.room.message", {"body": "*", "m.relates_to": edit})
    alice.redacts(room_id, alice.says(room_id, "wrong"))
    fill(server, room_id, alice)
    return room_id


def fill(server: Server, room_id: str, alice: Person) -> None:
    """A row of the room in each table that has none yet."""

    def work(tx: Any) -> None:
        room, line = tx.row("SELECT room, main_line FROM room WHERE room_id = :id", id=room_id)
        (ev,) = tx.row("SELECT MAX(ev) FROM event WHERE room = :room", room=room)
        known = {"room": room, "ev": ev, "line": line, "room_id": room_id, "user_id": alice.id}
        for table in metadata.tables.values():
            names = set(table.columns.keys())
            if table.name in (*stored.PASSING, *stored.SHARED, *stored.OWN, "event"):
                continue
            if not {"room", "ev", "room_id"} & names:
                continue
            where = next(f"{name} = :{name}" for name in ("room", "ev", "room_id") if name in names)
            if tx.rows(f"SELECT 1 FROM {table.name} WHERE {where}", **_needed(where, known)):
                continue
            needed = [
                column
                for column in table.columns
                if column.name in known or (not column.nullable and column.server_default is None)
            ]
            values = [known.get(c.name, 1 if c.type.python_type is int else "x") for c in needed]
            tx.insert(table.name, [c.name for c in needed], [values])

    server.store.write(work)


def _needed(where: str, known: dict[str, Any]) -> dict[str, Any]:
    name = where.split(maxsplit=1)[0]
    return {name: known[name]}


def in_tables(server: Server, room: int) -> set[str]:
    """The tables in which a room has rows, by its number."""
    return {
        table.name
        for table in metadata.tables.values()
        if "room" in table.columns
        and table.name not in stored.PASSING
        and server.store.read(
            lambda tx, table=table: tx.rows(
                f"SELECT 1 FROM {table.name} WHERE room = :room", room=room
            )
        )
    }


def number_of(server: Server, room_id: str) -> int:
    found = server.store.read(
        lambda tx: tx.row("SELECT room FROM room WHERE room_id = :id", id=room_id)
    )
    return int(found[0])


def test_a_room_that_everybody_forgot_leaves_nothing(server: Server, clock: FakeClock) -> None:
    alice, bob = a_person(server, "alice"), a_person(server, "bob")
    other = alice.creates()
    before = orphans(server)
    room_id = a_lively_room(alice, bob)
    room = number_of(server, room_id)
    everywhere = set(stored.tables_by_room()) | {"event", "room"}
    assert in_tables(server, room) >= everywhere
    for person in (alice, bob):
        person.leaves(room_id)
        membership.forget(server, person.caller, room_id)
    clock.advance(seconds=27 * DAY_S)
    purge_rooms(server)
    assert "event" in in_tables(server, room)
    clock.advance(seconds=2 * DAY_S)
    purge_rooms(server)
    assert in_tables(server, room) == set()
    assert before == {} and sound(server)
    assert alice.syncs()["join"].keys() == {other}
    alice.says(other, "still here")


def test_a_room_to_which_somebody_came_back_stays(server: Server, clock: FakeClock) -> None:
    alice, bob = a_person(server, "alice"), a_person(server, "bob")
    room_id = alice.creates()
    alice.leaves(room_id)
    membership.forget(server, alice.caller, room_id)
    bob.joins(room_id)
    clock.advance(seconds=40 * DAY_S)
    purge_rooms(server)
    bob.says(room_id, "it is still there")
    assert sound(server)


def test_a_room_that_one_has_not_forgotten_stays(server: Server, clock: FakeClock) -> None:
    alice, bob = a_person(server, "alice"), a_person(server, "bob")
    room_id = alice.creates()
    bob.joins(room_id)
    alice.leaves(room_id)
    membership.forget(server, alice.caller, room_id)
    bob.leaves(room_id)
    clock.advance(seconds=40 * DAY_S)
    purge_rooms(server)
    assert history.event(server, bob.caller, room_id, last_event(server, room_id))


def last_event(server: Server, room_id: str) -> str:
    found = server.store.read(
        lambda tx: tx.row(
            "SELECT event_id FROM event e JOIN room r ON r.room = e.room WHERE room_id = :id"
            " ORDER BY pos DESC LIMIT 1",
            id=room_id,
        )
    )
    return str(found[0])


# --- early history ---


def purge_history(server: Server) -> None:
    for _ in range(20):
        purge.early_history(server, lease_of(server, "purge history"))


def test_history_before_an_event_goes_and_the_rest_is_right(
    server: Server, clock: FakeClock
) -> None:
    alice, bob = a_person(server, "alice"), a_person(server, "bob")
    room_id = alice.creates(name="Named early")
    bob.joins(room_id)
    early = [alice.says(room_id, f"early {number}") for number in range(30)]
    alice.sets(room_id, "m.room.topic", topic="first")
    alice.sets(room_id, "m.room.topic", topic="second")
    bob.syncs()
    alice.syncs()
    middle = alice.says(room_id, "the first that stays")
    late = [alice.says(room_id, f"late {number}") for number in range(5)]
    alice.sets(room_id, "m.room.topic", topic="third")
    state_before = state_at(server, room_id, alice)
    purge.history_before(server, room_id, middle)
    purge_history(server)
    assert state_at(server, room_id, alice) == state_before
    shown = ids_backwards(server, alice, room_id)
    assert shown[-6:] == [*reversed(late), middle] and set(early).isdisjoint(shown)
    answer = bob.syncs()["join"][room_id]["timeline"]
    assert [one["event_id"] for one in answer["events"]][:6] == [middle, *late]
    fresh = bob.asks()["join"][room_id]
    names = [one["content"].get("name") for one in fresh["state"]["events"]]
    assert "Named early" in names
    topic = alice.sets(room_id, "m.room.topic", topic="fourth")
    assert topic and bob.says(room_id, "it goes on")
    with pytest.raises(NotFound):
        history.event(server, alice.caller, room_id, early[0])
    assert sound(server)


def state_at(server: Server, room_id: str, person: Person) -> Any:
    rows = server.store.read(
        lambda tx: tx.rows(
            "SELECT n.k, e.event_id, e.json FROM state_now n JOIN event e ON e.ev = n.ev"
            " JOIN room r ON r.room = n.room WHERE r.room_id = :id ORDER BY n.k",
            id=room_id,
        )
    )
    assert rows
    return rows


def ids_backwards(server: Server, person: Person, room_id: str) -> list[str]:
    """All events that /messages shows, newest first."""
    found: list[str] = []
    start = None
    while True:
        page = history.messages(
            server,
            person.caller,
            room_id,
            backwards=True,
            start=start,
            stop=None,
            limit=10,
            event_filter=history.EVERYTHING,
        )
        found += [json.loads(one)["event_id"] for one in page.events]
        start = page.end
        if start is None:
            return found


def test_what_led_to_the_first_state_goes(server: Server) -> None:
    alice = a_person(server, "alice")
    room_id = alice.creates()
    for number in range(50):
        alice.sets(room_id, "m.room.topic", topic=str(number))
    middle = alice.says(room_id, "here")
    purge.history_before(server, room_id, middle)
    purge_history(server)
    topics = server.store.read(
        lambda tx: tx.rows("SELECT event_id FROM event WHERE type = 'm.room.topic'")
    )
    assert len(topics) == 1
    assert sound(server)


def test_the_last_event_stays(server: Server) -> None:
    alice = a_person(server, "alice")
    room_id = alice.creates()
    last = alice.says(room_id, "last")
    server.store.write(lambda tx: stored.cut(tx, number_of(server, room_id), 1_000_000))
    purge_history(server)
    assert ids_backwards(server, alice, room_id) == [last]
    assert alice.says(room_id, "one more")
    assert sound(server)


@pytest.mark.parametrize(
    ("policy", "asked", "lifetime_s"),
    [
        ({}, 3600, 3600),
        ({"allowed_lifetime_min": "1d"}, 3600, DAY_S),
        ({"allowed_lifetime_max": "30m"}, 3600, 1800),
        ({"default_policy": {"max_lifetime": "2h"}}, None, 7200),
        ({}, None, None),
    ],
)
def test_messages_live_as_long_as_the_policy_says(
    store: Store, clock: FakeClock, tmp_path: Path, policy: Any, asked: Any, lifetime_s: Any
) -> None:
    server = a_server(store, clock, tmp_path, retention={"enabled": True, **policy})
    alice = a_person(server, "alice")
    room_id = alice.creates()
    if asked is not None:
        alice.sets(room_id, "m.room.retention", max_lifetime=asked * 1000)
    old = alice.says(room_id, "old")
    clock.advance(seconds=600)
    new, last = alice.says(room_id, "new"), alice.says(room_id, "last")
    expiry = purge.Expiry(server)
    for seconds in ((lifetime_s or 10 * DAY_S) - 601, 2):
        assert old in ids_backwards(server, alice, room_id)
        clock.advance(seconds=seconds)
        expiry.step(lease_of(server, "expire messages"))
        purge_history(server)
    shown = ids_backwards(server, alice, room_id)
    assert (old in shown) == (lifetime_s is None)
    assert {new, last} <= set(shown)
    server.notifier.close()


class ForkedRoom:
    """A room of Dave's server that Alice joins, with messages and state on two branches."""

    def __init__(self, server: Server, chance: random.Random) -> None:
        self.server, self.chance = server, chance
        room = Room(rules_for("11"), generate_signing_key("1", SEED))
        room.room_id = RoomId("!of-dave:d.example")
        room.send("m.room.create", DAVE, {"room_version": "11"}, "")
        room.with_member(DAVE)
        room.send("m.room.power_levels", DAVE, {"users": {DAVE: 100}}, "")
        room.send("m.room.join_rules", DAVE, {"join_rule": "public"}, "")
        before = [room.events[one] for one in room.state.values()]
        join = room.send("m.room.member", ALICE, {"membership": "join"}, ALICE)
        receive.import_room(server, room.room_id, "11", join, before, before)
        self.room_id = room.room_id
        self.branches = [room, room.fork()]

    def act(self) -> None:
        """Alice or Dave says something, or Dave changes state on one of the branches."""
        body = {"body": str(self.chance.random())}
        branch = self.chance.choice(self.branches)
        match self.chance.randrange(4):
            case 0:
                say(self.server, self.room_id, body["body"], ALICE)
                return
            case 1:
                event = branch.send("m.room.topic", DAVE, {"topic": body["body"]}, "")
            case 2:
                event = branch.send("m.room.name", DAVE, {"name": body["body"]}, "")
            case _:
                event = branch.send("m.room.message", DAVE, body)
        receive.receive(self.server, self.room_id, [event])

    def depths(self) -> list[int]:
        """Of all events that are part of the graph."""
        number = number_of(self.server, self.room_id)
        rows = self.server.store.read(
            lambda tx: tx.rows(
                "SELECT depth FROM event WHERE room = :room AND outlier = 0", room=number
            )
        )
        return [depth for (depth,) in rows]


@pytest.mark.parametrize("seed", range(6))
def test_a_room_with_forks_stays_sound_whatever_is_cut_off(server: Server, seed: int) -> None:
    chance = random.Random(seed)
    alice = Person(server, a_user(server, "alice"))
    room = ForkedRoom(server, chance)
    for _ in range(3):
        for _ in range(12):
            room.act()
        before, state = (
            ids_backwards(server, alice, room.room_id),
            state_at(server, room.room_id, alice),
        )
        depth = chance.choice(room.depths())
        number = number_of(server, room.room_id)
        server.store.write(lambda tx, depth=depth, room=number: stored.cut(tx, room, depth))
        purge_history(server)
        after = ids_backwards(server, alice, room.room_id)
        assert [one for one in before if one in after] == after
        assert state_at(server, room.room_id, alice) == state
        assert sound(server)


def test_what_related_to_early_events_goes_with_them(server: Server) -> None:
    alice = a_person(server, "alice")
    room_id = alice.creates()
    root = alice.says(room_id, "root")

    def reply() -> str:
        relation = {"rel_type": "m.thread", "event_id": root}
        return alice.sends(room_id, "m.room.message", {"body": "x", "m.relates_to": relation})

    early = [reply() for _ in range(3)]
    alice.sends(
        room_id,
        "m.reaction",
        {"m.relates_to": {"rel_type": "m.annotation", "event_id": early[0], "key": "+"}},
    )
    purge.history_before(server, room_id, alice.says(room_id, "the first that stays"))
    reply()
    purge_history(server)
    assert sound(server)
    count = "SELECT t.replies, m.replies FROM thread t JOIN thread_member m ON m.room = t.room"
    assert server.store.read(lambda tx: tx.rows(count)) == [(1, 1)]
