"""The writer: linear rooms, batches, repeats, refusals."""

import threading
from dataclasses import replace
from itertools import pairwise

import pytest

from chat.protocol import canonical_json
from chat.protocol.auth_rules import check
from chat.protocol.errors import AuthRefused, EventTooLarge, Forbidden, InvalidParam, NotFound
from chat.protocol.event import Event
from chat.protocol.event_builder import Draft
from chat.protocol.identifiers import RoomId
from chat.protocol.room_versions import rules_for
from chat.services.rooms.writer import Txn
from chat.services.server import Server
from chat.storage import events, rooms, streams
from chat.storage.engine import Store, Transaction
from chat.storage.events import END, START, EventRow
from chat_testing.databases import statements
from chat_testing.rooms import ALICE, BOB, CAROL, a_room, member, say, state

HELLO = Draft(RoomId("!"), ALICE, "m.room.message", {"msgtype": "m.text", "body": "hello"})
TXN = Txn(ALICE, "PHONE", "/send/1", "1")


def timeline(store: Store, room_id: str) -> list[tuple[EventRow, Event]]:
    def work(tx: Transaction) -> list[tuple[EventRow, Event]]:
        room = rooms.get(tx, room_id)
        rows = events.page(tx, room.room, START, END, 1000, backwards=False)
        bodies = events.bodies(tx, [row.ev for row in rows])
        rules = rules_for(room.version)
        return [
            (row, Event.trusted(row.event_id, canonical_json.decode(bodies[row.ev]), rules))
            for row in rows
        ]

    return store.read(work)


@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_events_form_a_line_and_are_authorised_by_the_state_before(
    server: Server, version: str
) -> None:
    room_id = a_room(server, member(BOB, "join"), version=version)
    say(server, room_id, "one")
    say(server, room_id, "two", BOB)
    found = timeline(server.store, room_id)
    assert [event.type for _, event in found] == [
        "m.room.create",
        "m.room.member",
        "m.room.power_levels",
        "m.room.join_rules",
        "m.room.member",
        "m.room.message",
        "m.room.message",
    ]
    standing: dict = {}
    for i, (row, event) in enumerate(found):
        assert event.depth == row.depth == i + 1
        assert event.prev_events == (() if i == 0 else (found[i - 1][1].event_id,))
        assert event.room_id == room_id
        check(event, standing, event.rules)
        if event.is_state:
            standing[event.key] = event
    positions = [row.pos for row, _ in found]
    assert positions == sorted(positions)


def test_the_same_request_sends_once(server: Server) -> None:
    room_id = a_room(server)
    draft = replace(HELLO, room_id=room_id)
    first = server.writer.append(draft, TXN)
    again = server.writer.append(replace(draft, content={"body": "other"}), TXN)
    assert first == again
    assert again.content == HELLO.content
    other_device = server.writer.append(draft, replace(TXN, device_id="LAPTOP"))
    assert other_device != first
    assert len(timeline(server.store, room_id)) == 6


def test_the_same_request_at_the_same_time_sends_once(server: Server) -> None:
    room_id = a_room(server)
    sent: list[str] = []

    def send() -> None:
        draft = replace(HELLO, room_id=room_id)
        sent.append(server.writer.append(draft, TXN).event_id)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == 8
    assert len(set(sent)) == 1


def test_many_senders_keep_one_line(server: Server) -> None:
    room_ids = [a_room(server, member(BOB, "join")) for _ in range(2)]

    def talk(sender: str) -> None:
        for i in range(10):
            say(server, room_ids[i % 2], f"{sender} {i}", sender)

    threads = [threading.Thread(target=talk, args=(who,)) for who in (ALICE, BOB) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for room_id in room_ids:
        found = [event for _, event in timeline(server.store, room_id)]
        assert len(found) == 5 + 30
        for before, event in pairwise(found):
            assert event.prev_events == (before.event_id,)


def test_a_refused_draft_leaves_the_batch_alone(server: Server) -> None:
    room_id = a_room(server)
    outcomes: dict[str, object] = {}
    held = threading.Event()

    def send(sender: str) -> None:
        try:
            outcomes[sender] = say(server, room_id, "hello", sender)
        except Exception as error:
            outcomes[sender] = error

    def hold(_lookup: object) -> None:
        held.wait(5)

    first = threading.Thread(
        target=server.writer.append, args=(replace(HELLO, room_id=room_id), None, hold)
    )
    first.start()
    while not server.writer._gathering._led:
        pass
    threads = [threading.Thread(target=send, args=(who,)) for who in (ALICE, BOB)]
    for thread in threads:
        thread.start()
    while server.writer._gathering.waiting < 2:
        pass
    held.set()
    for thread in [first, *threads]:
        thread.join()
    assert isinstance(outcomes[ALICE], Event)
    assert isinstance(outcomes[BOB], AuthRefused)
    assert len(timeline(server.store, room_id)) == 6


def test_strangers_are_refused_and_unknown_rooms_not_found(server: Server) -> None:
    room_id = a_room(server)
    with pytest.raises(AuthRefused):
        say(server, room_id, "hello", BOB)
    with pytest.raises(NotFound):
        say(server, "!nowhere:a.example", "hello")


@pytest.mark.parametrize(
    ("draft", "refusal"),
    [
        (replace(HELLO, content={"body": "x" * 70_000}), EventTooLarge),
        (replace(HELLO, type="m.\0"), InvalidParam),
        (replace(HELLO, state_key="\0"), InvalidParam),
        (replace(HELLO, type="x" * 256), EventTooLarge),
    ],
    ids=["too large", "NUL in type", "NUL in state key", "long type"],
)
def test_hostile_drafts_are_refused(server: Server, draft: Draft, refusal: type) -> None:
    room_id = a_room(server)
    with pytest.raises(refusal):
        server.writer.append(replace(draft, room_id=room_id))
    assert len(timeline(server.store, room_id)) == 4


def test_content_with_nul_and_odd_text_comes_back_as_it_was(server: Server) -> None:
    room_id = a_room(server)
    body = "nul \0 quote ' percent % colon :x backslash \\ emoji 😀"
    say(server, room_id, body)
    assert timeline(server.store, room_id)[-1][1].content["body"] == body


def test_state_set_to_what_it_is_changes_nothing(server: Server) -> None:
    room_id = a_room(server)
    name = replace(state("m.room.name", {"name": "tea"}), room_id=room_id)
    first = server.writer.append(name)
    assert server.writer.append(name) == first
    other = server.writer.append(replace(name, content={"name": "coffee"}))
    assert other != first
    rows = [row for row, _ in timeline(server.store, room_id)]
    assert rows[-1].replaces == rows[-2].ev


def test_a_check_under_the_lock_may_refuse(server: Server) -> None:
    room_id = a_room(server)

    def refuse(lookup) -> None:
        assert lookup(("m.room.member", ALICE)).content["membership"] == "join"
        assert lookup(("m.room.member", BOB)) is None
        raise Forbidden("not today")

    with pytest.raises(Forbidden, match="not today"):
        server.writer.append(replace(HELLO, room_id=room_id), None, refuse)


def test_all_or_none(server: Server) -> None:
    room_id = a_room(server)
    drafts = [replace(HELLO, room_id=room_id), member(BOB, "join"), member(CAROL, "ban", BOB)]
    with pytest.raises(AuthRefused):
        server.writer.append_all(drafts)
    assert len(timeline(server.store, room_id)) == 4


def test_a_failing_companion_undoes_the_room(server: Server) -> None:
    before = server.store.read(streams.head)

    def refuse(tx: Transaction, room: rooms.Room) -> None:
        assert rooms.find(tx, room.room_id) == room.room
        raise Forbidden("alias taken")

    drafts = [
        Draft(None, ALICE, "m.room.create", {"room_version": "12"}, ""),
        member(ALICE, "join"),
    ]
    with pytest.raises(Forbidden):
        server.writer.append_all(drafts, refuse)
    assert server.store.read(streams.head) == before
    assert server.store.read(lambda tx: tx.row("SELECT count(*) FROM room")) == (0,)


def test_derived_tables_follow_the_state(server: Server) -> None:
    room_id = a_room(
        server,
        state("m.room.name", {"name": "Tea\0"}),
        member(BOB, "invite", ALICE),
        member(CAROL, "join"),
        member(CAROL, "leave"),
    )

    def work(tx: Transaction):
        room = rooms.find(tx, room_id)
        return (
            rooms.summaries(tx, [room])[room],
            rooms.local_users(tx, room),
            rooms.local_users(tx, room, "invite"),
            rooms.memberships(tx, CAROL),
        )

    summary, joined, invited, of_carol = server.store.read(work)
    assert (summary.joined, summary.invited, summary.name) == (1, 1, "Tea")
    assert summary.join_rule == "public"
    assert (joined, invited) == ([ALICE], [BOB])
    assert [(one.membership, one.room_id) for one in of_carol] == [("leave", room_id)]


def test_redactions_mark_their_target(server: Server) -> None:
    room_id = a_room(server, member(BOB, "join"))
    mine, hers = say(server, room_id, "bob's", BOB), say(server, room_id, "alice's")

    def redact(sender: str, target: Event) -> Event:
        draft = Draft(room_id, sender, "m.room.redaction", {}, redacts=target.event_id)
        return server.writer.append(draft)

    by_bob = redact(BOB, mine)
    with pytest.raises(Forbidden):
        redact(BOB, hers)
    marks = {row.event_id: row.redacted_by for row, _ in timeline(server.store, room_id)}
    assert marks[mine.event_id] == by_bob.event_id
    assert marks[hers.event_id] is None
    by_alice = redact(ALICE, hers)
    marks = {row.event_id: row.redacted_by for row, _ in timeline(server.store, room_id)}
    assert marks[hers.event_id] == by_alice.event_id


def test_what_is_remembered_is_forgotten_when_the_state_changes(server: Server) -> None:
    room_id = a_room(server, member(BOB, "join"))
    say(server, room_id, "in", BOB)
    server.writer.append(replace(member(BOB, "ban", ALICE), room_id=room_id))
    with pytest.raises(AuthRefused):
        say(server, room_id, "out", BOB)


def test_a_second_writer_sees_the_state_of_the_first(server: Server) -> None:
    """Two writers on one database stand for two workers."""
    room_id = a_room(server, member(BOB, "join"))
    other = type(server.writer)(server.store, server.name, server.key, server.clock, server.caches)
    draft = Draft(room_id, BOB, "m.room.message", {"body": "hello"})
    other.append(draft)
    server.writer.append(replace(member(BOB, "ban", ALICE), room_id=room_id))
    with pytest.raises(AuthRefused):
        other.append(draft)


def test_a_send_costs_a_fixed_number_of_statements(server: Server) -> None:
    room_id = a_room(server)
    say(server, room_id, "warm")
    with statements(server.store) as seen:
        server.writer.append(replace(HELLO, room_id=room_id), TXN)
    assert len(seen) <= 10, seen


def test_a_batch_costs_as_many_statements_as_one_draft(server: Server) -> None:
    room_ids = [a_room(server, member(BOB, "join")) for _ in range(3)]
    for room_id in room_ids:
        say(server, room_id, "warm", BOB)
        say(server, room_id, "warm")
    held, group = threading.Event(), 12
    first = threading.Thread(
        target=server.writer.append,
        args=(replace(HELLO, room_id=room_ids[0]), None, lambda _: held.wait(5)),
    )
    first.start()
    while not server.writer._gathering._led:
        pass
    threads = [
        threading.Thread(target=say, args=(server, room_ids[i % 3], str(i), (ALICE, BOB)[i % 2]))
        for i in range(group)
    ]
    for thread in threads:
        thread.start()
    while server.writer._gathering.waiting < group:
        pass
    with statements(server.store) as seen:
        held.set()
        for thread in [first, *threads]:
            thread.join()
    # the rest of the first transaction, then one for all the others
    assert len(seen) <= 5 + 8, seen
