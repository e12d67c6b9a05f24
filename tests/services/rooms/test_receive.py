"""Events of other servers in a room of ours: ends, gaps, joining from elsewhere, redactions."""

from typing import Any

import pytest

from chat.protocol.errors import NotFound
from chat.protocol.event import Event
from chat.protocol.event_builder import Draft
from chat.protocol.identifiers import RoomId
from chat.protocol.room_versions import rules_for
from chat.protocol.signatures import generate_signing_key
from chat.services.check import differences
from chat.services.rooms import receive
from chat.services.rooms.arrivals import Fate
from chat.services.rooms.merging import MAX_PREV_EVENTS, MERGE
from chat.services.server import Server
from chat.storage import background_updates, events, graph, rooms, state, streams
from chat.storage.engine import Row, Transaction
from chat.storage.events import END, START
from chat_testing.protocol_rooms import SEED, Room
from chat_testing.rooms import ALICE, a_room, member, say
from chat_testing.rooms import state as set_state

DAVE = "@dave:d.example"


def a_shared_room(server: Server, version: str = "12", **more: Any) -> Room:
    """A room of Alice's that Dave of another server has joined, as his server sees it."""
    room_id = a_room(server, member(DAVE, "join"), version=version, **more)
    return as_seen(server, room_id)


def as_seen(server: Server, room_id: str) -> Room:
    def work(tx: Transaction) -> Room:
        room = rooms.get(tx, room_id)
        nodes = graph.nodes(tx, state.current(tx, room.room).values())
        known = [event_of(node.json, node.event_id, room.version) for node in nodes]
        known += [
            event_of(node.json, node.event_id, room.version)
            for node in graph.nodes_by_id(tx, [tip.event_id for tip in room.tips])
        ]
        return Room(
            rules_for(room.version),
            generate_signing_key("1", SEED),
            {one.event_id: one for one in known},
            {one.key: one.event_id for one in known if one.is_state},
            [tip.event_id for tip in room.tips],
            RoomId(room_id),
            max(tip.depth for tip in room.tips),
        )

    return server.store.read(work)


def event_of(text: str, event_id: str, version: str) -> Event:
    from chat.protocol import canonical_json

    return Event.trusted(event_id, canonical_json.decode(text), rules_for(version))


def tips(server: Server, room_id: str) -> list[str]:
    return [tip.event_id for tip in server.store.read(lambda tx: rooms.get(tx, room_id)).tips]


def no_differences(server: Server) -> None:
    assert list(differences(server.store, server.name, [server.key])) == []


def shown(server: Server, room_id: str) -> list[str]:
    def work(tx: Transaction) -> list[str]:
        room = rooms.find(tx, room_id)
        rows = events.page(tx, room, START, END, 1_000, backwards=False)
        return [row.event_id for row in rows]

    return server.store.read(work)


def test_events_continue_the_room_and_wake_followers(server: Server) -> None:
    room = a_shared_room(server)
    before = server.store.read(streams.head)
    one = room.send("m.room.message", DAVE, {"body": "hello"})
    two = room.send("m.room.topic", DAVE, {"topic": "not allowed"}, "")
    outcomes = receive.receive(server, room.room_id, [two, one])
    assert [outcomes[one.event_id].fate, outcomes[two.event_id].fate] == [
        Fate.ACCEPTED,
        Fate.REJECTED,
    ]
    assert tips(server, room.room_id) == [one.event_id]
    assert server.store.read(streams.head) == before + 1
    assert shown(server, room.room_id)[-1] == one.event_id
    assert receive.receive(server, room.room_id, [one])[one.event_id].fate is Fate.KNOWN
    no_differences(server)


def test_a_fork_has_two_ends_until_somebody_speaks(server: Server) -> None:
    room = a_shared_room(server)
    mine = say(server, room.room_id, "mine")
    theirs = room.send("m.room.message", DAVE, {"body": "theirs"})
    receive.receive(server, room.room_id, [theirs])
    assert set(tips(server, room.room_id)) == {mine.event_id, theirs.event_id}
    both = say(server, room.room_id, "both")
    assert set(both.prev_events) == {mine.event_id, theirs.event_id}
    assert tips(server, room.room_id) == [both.event_id]
    no_differences(server)


def test_an_event_from_before_a_ban_is_kept_and_not_shown(server: Server) -> None:
    room = a_shared_room(server)
    server.writer.append(Draft(room.room_id, ALICE, "m.room.member", {"membership": "ban"}, DAVE))
    late = room.send("m.room.message", DAVE, {"body": "late"})
    outcome = receive.receive(server, room.room_id, [late])[late.event_id]
    assert outcome.fate is Fate.SOFT_FAILED
    assert late.event_id not in shown(server, room.room_id)
    no_differences(server)


def test_state_of_a_fork_that_wins_becomes_current(server: Server) -> None:
    """Alice's power levels outrank what Dave set by the old ones."""
    room = a_shared_room(server)
    server.writer.append(
        Draft(room.room_id, ALICE, "m.room.power_levels", {"users": {DAVE: 50}}, "")
    )
    room = as_seen(server, room.room_id)
    other = room.fork()
    topic = other.send("m.room.topic", DAVE, {"topic": "of Dave"}, "")
    server.writer.append(Draft(room.room_id, ALICE, "m.room.name", {"name": "of Alice"}, ""))
    receive.receive(server, room.room_id, [topic])
    summary = server.store.read(
        lambda tx: rooms.summaries(tx, [rooms.find(tx, room.room_id)]).popitem()[1]
    )
    assert (summary.name, summary.topic) == ("of Alice", "of Dave")
    no_differences(server)


@pytest.mark.parametrize("version", ["1", "12"])
def test_many_ends_are_joined_by_a_member_of_ours(server: Server, version: str) -> None:
    room = a_shared_room(server, version)
    forks = [
        room.fork().send("m.room.message", DAVE, {"body": str(number)}) for number in range(25)
    ]
    receive.receive(server, room.room_id, forks)
    assert len(tips(server, room.room_id)) <= MAX_PREV_EVENTS
    after = say(server, room.room_id, "after")
    assert len(after.prev_events) <= MAX_PREV_EVENTS
    found = server.store.read(
        lambda tx: tx.row("SELECT count(*) FROM event WHERE type = :kind", kind=MERGE)
    )
    assert found == (2,)
    no_differences(server)


def test_who_may_not_join_ends_still_speaks(server: Server) -> None:
    """Nobody of this server may send the joining event: messages follow the oldest ends."""
    levels = {"users": {DAVE: 100}, "events_default": 50, "events": {"m.room.message": 0}}
    room_id = a_room(server, member(DAVE, "join"), version="11")
    server.writer.append(Draft(room_id, ALICE, "m.room.power_levels", levels, ""))
    room = as_seen(server, room_id)
    forks = [room.fork().send("m.room.message", DAVE, {"body": str(i)}) for i in range(12)]
    receive.receive(server, room_id, forks)
    assert len(tips(server, room_id)) == 12
    said = say(server, room_id, "still here")
    assert list(said.prev_events) == [one.event_id for one in forks[:MAX_PREV_EVENTS]]
    assert tips(server, room_id) == [*(one.event_id for one in forks[10:]), said.event_id]
    no_differences(server)


def test_what_is_missing_is_named(server: Server) -> None:
    room = a_shared_room(server)
    unseen = room.send("m.room.message", DAVE, {"body": "lost"})
    event = room.send("m.room.message", DAVE, {"body": "found"})
    outcome = receive.receive(server, room.room_id, [event])[event.event_id]
    assert (outcome.fate, outcome.missing) == (Fate.PREV_EVENTS_MISSING, (unseen.event_id,))
    entries = list(room.state.values())
    taken = receive.receive(server, room.room_id, [event], {event.event_id: entries})
    assert taken[event.event_id].fate is Fate.ACCEPTED
    missing = server.store.read(lambda tx: graph.missing(tx, rooms.find(tx, room.room_id)))
    assert [one.event_id for one in missing] == [unseen.event_id]
    no_differences(server)
    receive.receive(server, room.room_id, [unseen])
    assert server.store.read(lambda tx: graph.missing(tx, rooms.find(tx, room.room_id))) == []
    assert unseen.event_id not in tips(server, room.room_id)
    no_differences(server)
    with pytest.raises(NotFound):
        receive.receive(server, RoomId("!nowhere:d.example"), [event])


def test_a_room_joined_elsewhere_and_its_past(server: Server) -> None:
    """A room of Dave's: its state comes whole, its history later, from before."""
    room = a_remote_room(11)
    past = [room.send("m.room.message", DAVE, {"body": str(i)}) for i in range(5)]
    room.send("m.room.topic", DAVE, {"topic": "tea"}, "")
    before = [room.events[one] for one in room.state.values()]
    join = room.send("m.room.member", ALICE, {"membership": "join"}, ALICE)
    outcome = receive.import_room(server, room.room_id, "11", join, before, before)
    assert outcome.fate is Fate.ACCEPTED, outcome
    no_differences(server)
    head = server.store.read(streams.head)
    local = server.store.read(lambda tx: rooms.local_member(tx, ALICE, room.room_id))
    assert local.membership == "join"
    say(server, room.room_id, "hello")
    at_first = [one for one in before if one.type != "m.room.topic"]
    chunk = [*past, room.events[room.state["m.room.topic", ""]]]
    entries = {past[0].event_id: [one.event_id for one in at_first]}
    taken = receive.backfill(server, room.room_id, chunk, entries)
    assert {one.fate for one in taken.values()} == {Fate.ACCEPTED}
    assert server.store.read(streams.head) == head + 1
    in_order = shown(server, room.room_id)
    assert in_order[:7] == [*(one.event_id for one in chunk), join.event_id]
    no_differences(server)


def a_remote_room(version: int) -> Room:
    rules = rules_for(str(version))
    room = Room(rules, generate_signing_key("1", SEED))
    room.room_id = RoomId("!of-dave:d.example")
    room.send("m.room.create", DAVE, {"room_version": str(version)}, "")
    room.with_member(DAVE)
    room.send("m.room.power_levels", DAVE, {"users": {DAVE: 100}}, "")
    room.send("m.room.join_rules", DAVE, {"join_rule": "public"}, "")
    return room


@pytest.mark.parametrize("late", [False, True])
def test_redactions_find_their_event_in_either_order(server: Server, *, late: bool) -> None:
    room = a_shared_room(server)
    event = room.send("m.room.message", DAVE, {"body": "oops"})
    redaction = room.send("m.room.redaction", DAVE, {"redacts": event.event_id})
    stranger = room.send("m.room.redaction", DAVE, {"redacts": room.state["m.room.create", ""]})
    if late:
        entries = {redaction.event_id: list(room.state.values())}
        receive.receive(server, room.room_id, [redaction], entries)
        receive.receive(server, room.room_id, [event])
    else:
        receive.receive(server, room.room_id, [event, redaction])
    receive.receive(server, room.room_id, [stranger])
    found = server.store.read(
        lambda tx: events.by_ids(tx, [event.event_id, room.state["m.room.create", ""]])
    )
    assert found[event.event_id].redacted_by == redaction.event_id
    assert found[room.state["m.room.create", ""]].redacted_by is None
    no_differences(server)


CORRUPTIONS = [
    ("UPDATE room_summary SET joined = joined + 1", "joined"),
    ("UPDATE room_summary SET topic = 'other'", "summary"),
    ("UPDATE local_member SET membership = 'leave'", "membership"),
    ("UPDATE room SET tips = '[]'", "ends"),
    ("UPDATE event SET json = replace(json, 'hello', 'hullo')", "hash"),
    ("UPDATE event SET sender = '@x:y'", "columns"),
    ("UPDATE event SET before_pos = before_pos - 1 WHERE before_pos > 4", "state"),
    ("UPDATE event SET pos = pos + 1000", "beyond"),
    ("UPDATE event SET pos = 3 WHERE pos > 2", "position 3"),
    ("DELETE FROM event WHERE type = 'm.room.join_rules'", "missing"),
    ("UPDATE event_auth SET auth = ev", "auth events"),
    ("DELETE FROM state_now WHERE mem = 2", "current"),
    ("UPDATE state_now SET mem = 0", "membership is noted"),
    ("UPDATE state_log SET pos = pos + 1", "history"),
    ("INSERT INTO event_missing (event_id, ev, room) SELECT event_id, ev + 1, room FROM event", ""),
]


@pytest.mark.parametrize(("statement", "said"), CORRUPTIONS)
def test_check_finds(server: Server, statement: str, said: str) -> None:
    room_id = a_room(server, set_state("m.room.topic", {"topic": "tea"}))
    say(server, room_id, "hello")
    say(server, room_id, "hello again")
    no_differences(server)
    server.store.write(lambda tx: tx.do(statement))
    found = [one.what for one in differences(server.store, server.name, [server.key])]
    assert any(said in what for what in found), found
    assert found


# --- rooms as the first schema left them: nothing is stored of their events' auth events ---

STORED_AUTH = "SELECT ev, k, depth, auth FROM event_auth ORDER BY ev"


def age(server: Server) -> list[Row]:
    """Make all rooms old; what was stored."""

    def work(tx: Transaction) -> list[Row]:
        stored = tx.rows(STORED_AUTH)
        tx.do("DELETE FROM event_auth")
        tx.do("DELETE FROM auth_live")
        tx.do("UPDATE room SET auth_pos = 0")
        return stored

    server.writer._auth_depths.clear()  # as of a server that has just started
    return server.store.write(work)


@pytest.mark.parametrize("version", ["1", "11", "12"])
def test_old_rooms_are_resolved(server: Server, version: str) -> None:
    room = a_shared_room(server, version=version)
    levels = {"users": {DAVE: 50} | ({} if version == "12" else {ALICE: 100})}
    server.writer.append(Draft(room.room_id, ALICE, "m.room.power_levels", levels, ""))
    topic = as_seen(server, room.room_id).send("m.room.topic", DAVE, {"topic": "of Dave"}, "")
    server.writer.append(Draft(room.room_id, ALICE, "m.room.topic", {"topic": "of Alice"}, ""))
    age(server)
    outcome = receive.receive(server, room.room_id, [topic])[topic.event_id]
    assert (outcome.fate, outcome.reason) == (Fate.ACCEPTED, "")
    assert set(tips(server, room.room_id)) >= {topic.event_id}
    server.writer.append(Draft(room.room_id, ALICE, "m.room.name", {"name": "joined"}, ""))
    no_differences(server)


def test_depths_go_on_where_nothing_is_stored(server: Server) -> None:
    room = a_shared_room(server)
    depth = max(row[2] for row in age(server))
    server.writer.append(Draft(room.room_id, ALICE, "m.room.topic", {"topic": "new"}, ""))
    (row,) = server.store.read(lambda tx: tx.rows(STORED_AUTH))
    assert 1 < row[2] <= depth + 1


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_what_is_missing_is_stored_by_and_by(server: Server, size: int) -> None:
    for version in ("1", "12"):
        a_shared_room(server, version=version)
    stored = age(server)
    schedule = "INSERT INTO background_update (name, number) VALUES ('auth_events', 2)"
    server.store.write(lambda tx: tx.do(f"{schedule} ON CONFLICT DO NOTHING"))
    batches = 0
    while server.store.write(
        lambda tx: background_updates.run_batch(tx, "auth_events", graph.fill_auth, size)
    ):
        batches += 1
    assert server.store.read(lambda tx: tx.rows(STORED_AUTH)) == stored
    assert batches >= len(stored) // size
    names = {update.name for update in server.store.read(background_updates.pending)}
    assert "auth_events" not in names
