"""Unread counts: what counts, what is read, and that it is what the push rules say.

The model below evaluates the rules of each user for each event, keeps a list, and counts it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.protocol.event import Event
from chat.protocol.push_rules import PushEvent, compile_rules, evaluate
from chat.protocol.room_versions import rules_for
from chat.services import push_rules, receipts, unread
from chat.services.receipts import READ, READ_PRIVATE, Marker
from chat.services.server import Server
from chat.services.unread import Counts
from chat_testing.databases import database_config, statements, upgraded
from chat_testing.people import Person, a_person
from chat_testing.servers import FakeClock, a_server

MAIN = "main"
NOWHERE = {"prev_events": [], "auth_events": [], "depth": 1, "origin_server_ts": 0}
Content = dict[str, Any]
_names = count(1)


def counted(person: Person, room_id: str) -> dict[str, tuple[int, int]]:
    """The counts as the database has them."""
    server = person.server
    room = server.store.read(
        lambda tx: tx.rows("SELECT room FROM room WHERE room_id = :r", r=room_id)
    )
    number = room[0][0]
    found = server.store.read(lambda tx: unread.count(tx, person.id, [number]))[number]
    return {thread: (one.n, one.h) for thread, one in found.items()}


def remembered(person: Person, room_id: str) -> dict[str, tuple[int, int]]:
    """The counts as a sync would have them."""
    server = person.server
    room = server.store.read(
        lambda tx: tx.rows("SELECT room FROM room WHERE room_id = :r", r=room_id)
    )
    number = room[0][0]
    memory, tail = server.sync.unread, server.notifier.tail
    server.notifier.refresh()
    found = server.store.read(lambda tx: unread.counts(tx, memory, tail, person.id, [number]))
    return {thread: (one.n, one.h) for thread, one in found[number].items()}


def text(body: str = "hello", **more: Any) -> Content:
    return {"msgtype": "m.text", "body": body, **more}


def reads(
    person: Person, room: str, event_id: str, thread: str | None = None, kind: str = READ
) -> None:
    receipts.put(person.server, person.caller, room, [Marker(kind, event_id, thread)])


def in_thread(root: str, **more: Any) -> Content:
    return text(**{"m.relates_to": {"rel_type": "m.thread", "event_id": root}}, **more)


def mentioning(*people: Person, **more: Any) -> Content:
    return text(**{"m.mentions": {"user_ids": [one.id for one in people]}}, **more)


@pytest.fixture
def alice(server: Server) -> Person:
    """Has a room."""
    return a_person(server, "alice")


@pytest.fixture
def bob(server: Server) -> Person:
    """Reads it."""
    return a_person(server, "bob")


@pytest.fixture
def room(alice: Person, bob: Person) -> str:
    """A room of both."""
    made = alice.creates()
    bob.joins(made)
    return made


def both(person: Person, room: str) -> dict[str, tuple[int, int]]:
    found = counted(person, room)
    assert remembered(person, room) == found
    return found


def test_messages_count_until_they_are_read(alice: Person, bob: Person, room: str) -> None:
    sent = [alice.says(room, str(number)) for number in range(3)]
    assert both(bob, room) == {MAIN: (3, 0)}
    assert both(alice, room) == {}
    reads(bob, room, sent[1])
    assert both(bob, room) == {MAIN: (1, 0)}
    reads(bob, room, sent[2], kind=READ_PRIVATE)
    assert both(bob, room) == {}
    reads(bob, room, sent[2])
    assert both(bob, room) == {}


def test_what_does_not_notify_does_not_count(alice: Person, bob: Person, room: str) -> None:
    first = alice.says(room, "one")
    alice.sends(room, "m.room.message", {"msgtype": "m.notice", "body": "x"})
    alice.sends(
        room,
        "m.reaction",
        {"m.relates_to": {"rel_type": "m.annotation", "event_id": first, "key": "+"}},
    )
    edit = {"rel_type": "m.replace", "event_id": first}
    alice.sends(room, "m.room.message", text(**{"m.relates_to": edit, "m.new_content": text()}))
    alice.sets(room, "m.room.topic", topic="Tea")
    alice.sends(room, "m.other", {})
    assert both(bob, room) == {MAIN: (1, 0)}
    alice.sends(room, "m.room.encrypted", {"ciphertext": "x"})
    alice.sets(room, "m.room.tombstone", body="moved")
    assert both(bob, room) == {MAIN: (3, 1)}


def test_mentions_are_highlighted(alice: Person, bob: Person, room: str) -> None:
    carol = a_person(alice.server, "carol")
    carol.joins(room)
    alice.sends(room, "m.room.message", mentioning(bob))
    assert (both(bob, room), both(carol, room)) == ({MAIN: (1, 1)}, {MAIN: (1, 0)})
    alice.sends(room, "m.room.message", text(**{"m.mentions": {"room": True}}))
    bob.sends(room, "m.room.message", text(**{"m.mentions": {"room": True}}))
    assert (both(bob, room), both(carol, room)) == ({}, {MAIN: (3, 1)})
    alice.sends(room, "m.room.message", {**mentioning(bob), "msgtype": "m.notice"})
    alice.sends(room, "m.other", mentioning(bob))
    assert both(bob, room) == {MAIN: (1, 1)}


def test_threads_are_counted_and_read_by_themselves(alice: Person, bob: Person, room: str) -> None:
    root = alice.says(room, "root")
    reply = alice.sends(room, "m.room.message", in_thread(root))
    alice.sends(room, "m.room.message", in_thread(root, **{"m.mentions": {"user_ids": [bob.id]}}))
    last = alice.says(room, "main")
    assert both(bob, room) == {MAIN: (2, 0), root: (2, 1)}
    reads(bob, room, last, MAIN)
    assert both(bob, room) == {root: (2, 1)}
    reads(bob, room, reply, root)
    assert both(bob, room) == {root: (1, 1)}
    bob.sends(room, "m.room.message", in_thread(root))
    assert both(bob, room) == {}
    alice.sends(room, "m.room.message", in_thread(root))
    reads(bob, room, alice.says(room, "end"))
    assert both(bob, room) == {}


def test_sending_reads_the_thread(alice: Person, bob: Person, room: str) -> None:
    root = alice.says(room, "root")
    alice.sends(room, "m.room.message", in_thread(root))
    bob.says(room, "I am here")
    assert both(bob, room) == {root: (1, 0)}


def test_a_redacted_event_counts_no_more(alice: Person, bob: Person, room: str) -> None:
    one, two = alice.says(room, "one"), alice.sends(room, "m.room.message", mentioning(bob))
    alice.says(room, "three")
    alice.redacts(room, two)
    assert both(bob, room) == {MAIN: (2, 0)}
    alice.redacts(room, one)
    alice.redacts(room, one)
    assert both(bob, room) == {MAIN: (1, 0)}
    reads(bob, room, alice.says(room, "four"))
    assert both(bob, room) == {}
    alice.says(room, "five")
    assert both(bob, room) == {MAIN: (1, 0)}


def test_who_comes_again_begins_anew(alice: Person, bob: Person, room: str) -> None:
    root = alice.says(room, "root")
    alice.sends(room, "m.room.message", in_thread(root))
    bob.leaves(room)
    alice.says(room, "alone")
    bob.joins(room)
    assert both(bob, room) == {}
    alice.sends(room, "m.room.message", in_thread(root))
    assert both(bob, room) == {root: (1, 0)}


def test_a_new_name_reads_nothing(alice: Person, bob: Person, room: str) -> None:
    alice.says(room, "one")
    bob.sets(room, "m.room.member", bob.id, membership="join", displayname="Bobby")
    assert both(bob, room) == {MAIN: (1, 0)}


def test_a_muted_room_counts_what_came_before_and_mentions(
    alice: Person, bob: Person, room: str
) -> None:
    alice.says(room, "one")
    push_rules.put(alice.server, bob.caller, "room", {"rule_id": room, "actions": []})
    alice.says(room, "two")
    assert both(bob, room) == {MAIN: (1, 0)}
    alice.sends(room, "m.room.message", mentioning(bob))
    assert both(bob, room) == {MAIN: (2, 1)}
    push_rules.delete(alice.server, bob.caller, "room", room)
    last = alice.says(room, "three")
    assert both(bob, room) == {MAIN: (3, 1)}
    reads(bob, room, last)
    assert both(bob, room) == {}


def test_a_muted_room_costs_no_rows(server: Server, alice: Person, bob: Person, room: str) -> None:
    push_rules.put(server, bob.caller, "room", {"rule_id": room, "actions": []})
    for _ in range(3):
        alice.says(room, "x")
    assert server.store.read(lambda tx: tx.rows("SELECT * FROM notice_personal")) == []


def test_what_a_send_costs(server: Server, alice: Person, bob: Person, room: str) -> None:
    alice.says(room, "warm")
    with statements(server.store) as seen:
        alice.says(room, "hello")
    ours = [sql for sql in seen if any(name in sql for name in ("notice", "read_mark", "push_"))]
    assert len(ours) == 2, ours


def test_what_a_delivered_event_costs(
    server: Server, alice: Person, bob: Person, room: str
) -> None:
    people = [bob, *(a_person(server, f"reader{number}") for number in range(3))]
    for person in people[1:]:
        person.joins(room)
    for person in people:
        remembered(person, room)
    alice.says(room, "hello")
    number = server.store.read(lambda tx: tx.rows("SELECT room FROM room"))[0][0]

    def look(person: Person) -> int:
        memory, tail = server.sync.unread, server.notifier.tail
        server.notifier.refresh()
        with statements(server.store) as seen:
            server.store.read(lambda tx: unread.counts(tx, memory, tail, person.id, [number]))
        return len([sql for sql in seen if "SELECT" in sql or "WITH" in sql])

    costs = [look(person) for person in people]
    assert costs[0] <= 2
    assert costs[1:] == [0, 0, 0]


# --- the model ---


@dataclass
class Entry:
    """An event as the model keeps it: what it is to whom."""

    event_id: str
    sender: str
    thread: str
    outcomes: dict[str, tuple[int, int]]


@dataclass
class Model:
    """A room of three people."""

    people: list[Person]
    room: str
    entries: list[Entry] = field(default_factory=list)
    joined: set[str] = field(default_factory=set)
    marks: dict[tuple[str, str], int] = field(default_factory=dict)  # user, thread → place

    def add(self, person: Person, kind: str, content: Content, thread: str) -> None:
        event_id = person.sends(self.room, kind, content)
        self.note(person, event_id, kind, content, thread)

    def note(self, person: Person, event_id: str, kind: str, content: Content, thread: str) -> None:
        pdu = {
            "type": kind,
            "room_id": self.room,
            "sender": person.id,
            "content": content,
            **NOWHERE,
        }
        pushed = PushEvent(
            Event.trusted(event_id, pdu, rules_for("12")),  # type: ignore[arg-type]
            len(self.joined),
            100 if person is self.people[0] else 0,
            lambda _: 50,
        )
        outcomes = {}
        for one in self.people:
            if one.id in self.joined and one is not person:
                rules = compile_rules(push_rules.rules_of(one.server, one.id))
                rule = evaluate(rules, pushed, None)
                if rule is not None and rule.notifies:
                    outcomes[one.id] = (1, int(rule.highlights))
        self.entries.append(Entry(event_id, person.id, thread, outcomes))
        self.marks[person.id, thread] = len(self.entries)

    def counts(self, person: Person) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for place, entry in enumerate(self.entries):
            read = max(
                self.marks.get((person.id, ""), 0), self.marks.get((person.id, entry.thread), 0)
            )
            n, h = entry.outcomes.get(person.id, (0, 0))
            if place >= read and n:
                so_far = found.get(entry.thread, (0, 0))
                found[entry.thread] = so_far[0] + n, so_far[1] + h
        return found


RULES: list[tuple[str, Content]] = [
    ("room", {"actions": []}),
    (
        "content",
        {"rule_id": "tea", "pattern": "tea", "actions": ["notify", {"set_tweak": "highlight"}]},
    ),
    ("override", {"rule_id": "quiet", "actions": [], "conditions": []}),
    ("underride", {"rule_id": "all", "actions": ["notify"], "conditions": []}),
]
MOVES = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "say",
                "say",
                "thread",
                "mention",
                "everybody",
                "notice",
                "react",
                "redact",
                "read",
                "read",
                "read thread",
                "leave",
                "join",
                "rule",
                "drop rule",
                "switch",
                "read all",
            ]
        ),
        st.integers(0, 2),
        st.integers(0, 30),
    ),
    max_size=40,
)


@contextmanager
def a_sqlite_server() -> Iterator[Server]:
    with TemporaryDirectory() as name:
        database = database_config("sqlite3", database=str(Path(name) / "test.db"))
        with upgraded(database) as store:
            made = a_server(store, FakeClock(), Path(name))
            yield made
            made.notifier.close()


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(MOVES)
def test_counts_are_what_the_rules_say(moves: list[tuple[str, int, int]]) -> None:
    with a_sqlite_server() as server:
        people = [a_person(server, f"user{number}") for number in range(3)]
        model = Model(people, people[0].creates())
        for person in people[1:]:
            person.joins(model.room)
        model.joined = {person.id for person in people}
        for name, who, what in moves:
            _play(model, name, people[who], what)
            for person in people:
                if person.id in model.joined:
                    expected = model.counts(person)
                    assert counted(person, model.room) == expected, (name, person.id)
                    assert remembered(person, model.room) == expected, (name, person.id)
        for person in people:
            if person.id in model.joined and model.entries:
                reads(person, model.room, model.people[0].says(model.room, "end"))
                assert both(person, model.room) == {}


def _play(model: Model, name: str, person: Person, what: int) -> None:  # noqa: C901 - a list
    server, room, entries = person.server, model.room, model.entries
    inside = person.id in model.joined
    chosen = entries[what % len(entries)] if entries else None
    other = model.people[what % 3]
    if name == "join" and not inside:
        person.joins(room)
        model.joined.add(person.id)
        model.marks[person.id, ""] = len(entries)
    elif name == "rule":
        kind, rule = RULES[what % len(RULES)]
        push_rules.put(server, person.caller, kind, {"rule_id": room, **rule})
    elif name == "drop rule":
        for kind, rules in push_rules.rules_of(server, person.id).items():
            for rule in rules:
                if not rule["default"]:
                    push_rules.delete(server, person.caller, kind, rule["rule_id"])
    elif name == "switch":
        rule_id = (".m.rule.message", ".m.rule.is_user_mention")[what % 2]
        kind = ("underride", "override")[what % 2]
        push_rules.set_enabled(server, person.caller, kind, rule_id, enabled=what % 4 < 2)
    elif not inside:
        return
    elif name == "leave" and person is not model.people[0]:
        person.leaves(room)
        model.joined.discard(person.id)
    elif name == "say":
        model.add(person, "m.room.message", text("tea" if what % 3 == 0 else "x"), MAIN)
    elif name == "mention":
        model.add(person, "m.room.message", mentioning(other), MAIN)
    elif name == "everybody":
        model.add(person, "m.room.message", text(**{"m.mentions": {"room": True}}), MAIN)
    elif name == "notice":
        model.add(person, "m.room.message", {**mentioning(other), "msgtype": "m.notice"}, MAIN)
    elif chosen is None:
        return
    elif name == "thread":
        root = chosen.event_id if chosen.thread == MAIN else chosen.thread
        if root in {entry.event_id for entry in entries if entry.thread == MAIN}:
            try:
                model.add(person, "m.room.message", in_thread(root, **mentioning(other)), root)
            except Exception as error:
                assert "thread" in str(error)
    elif name == "react":
        relation = {
            "rel_type": "m.annotation",
            "event_id": chosen.event_id,
            "key": str(next(_names)),
        }
        model.add(person, "m.reaction", {"m.relates_to": relation}, chosen.thread)
    elif name == "redact" and (chosen.sender == person.id or person is model.people[0]):
        event_id = person.redacts(room, chosen.event_id)
        model.note(person, event_id, "m.room.redaction", {"redacts": chosen.event_id}, MAIN)
        chosen.outcomes = {}
    elif name in ("read", "read all"):
        place = len(entries) - 1 if name == "read all" else entries.index(chosen)
        kind = (READ, READ_PRIVATE)[what % 2]
        reads(person, room, entries[place].event_id, kind=kind)
        model.marks[person.id, ""] = max(model.marks.get((person.id, ""), 0), place + 1)
    elif name == "read thread":
        reads(person, room, chosen.event_id, chosen.thread)
        key = person.id, chosen.thread
        model.marks[key] = max(model.marks.get(key, 0), entries.index(chosen) + 1)


def test_counts_say_nothing_of_nothing() -> None:
    assert unread.total({}) == Counts(0, 0)
