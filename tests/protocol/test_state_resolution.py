"""Spec: the "State resolution" section of room versions 1, 2 and 12; MSC4297 for the resets."""

from collections import Counter
from collections.abc import Collection
from typing import Any

import pytest

from chat.protocol.event import Event, StateKey
from chat.protocol.identifiers import EventId
from chat.protocol.state_resolution import (
    auth_difference_of,
    conflicted_subgraph_of,
    resolve,
)
from chat_testing.protocol_rooms import ALICE, BOB, CHARLIE, Room, make_room

State = dict[StateKey, EventId]
LEVELS, JOIN_RULES = ("m.room.power_levels", ""), ("m.room.join_rules", "")
TOPIC, NAME = ("m.room.topic", ""), ("m.room.name", "")
LATER = [str(number) for number in range(2, 13)]


class Counting:
    """Resolves states of a room, and counts what is asked."""

    def __init__(self, room: Room, states: list[State]) -> None:
        self.room = room
        self.states = states
        self.asked: Counter[str] = Counter()
        keys = {key for state in states for key in state}
        self.conflicted: dict[StateKey, set[EventId | None]] = {
            key: entries for key in keys if len(entries := {state.get(key) for state in states}) > 1
        }

    def event(self, event_id: EventId) -> Event:
        self.asked["event"] += 1
        return self.room.events[event_id]

    def unconflicted(self, key: StateKey) -> EventId | None:
        assert key not in self.conflicted
        self.asked["unconflicted"] += 1
        return self.states[0].get(key)

    def is_rejected(self, event_id: EventId) -> bool:
        self.asked["rejected"] += 1
        return False

    def auth_events(self, event_id: EventId) -> Collection[EventId]:
        return self.room.events[event_id].auth_events

    def auth_difference(self) -> set[EventId]:
        return auth_difference_of([state.values() for state in self.states], self.auth_events)

    def conflicted_subgraph(self) -> set[EventId]:
        ids = {one for entries in self.conflicted.values() for one in entries if one is not None}
        return conflicted_subgraph_of(ids, self.auth_events)

    def resolve(self) -> dict[StateKey, EventId | None]:
        return resolve(
            self.conflicted,
            rules=self.room.rules,
            event=self.event,
            unconflicted=self.unconflicted,
            auth_difference=self.auth_difference,
            conflicted_subgraph=self.conflicted_subgraph,
            is_rejected=self.is_rejected,
        )


def resolved(room: Room, *states: State) -> State:
    """The whole resolved state; the order of the states does not matter."""
    outcomes = []
    for ordered in (list(states), list(reversed(states))):
        changes = Counting(room, ordered).resolve()
        whole = {**ordered[0], **changes}
        outcomes.append({key: event_id for key, event_id in whole.items() if event_id})
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


def a_room(version: str) -> Room:
    """Alice rules, Bob moderates, Charlie is a member."""
    own = {} if version == "12" else {ALICE: 100}
    room = make_room(version).with_member(BOB).with_member(CHARLIE)
    return room.with_levels(users={**own, BOB: 50})


def with_level(room: Room, **users: int) -> dict[str, Any]:
    own = {} if room.rules.version == "12" else {ALICE: 100}
    return {"users": {**own, **{f"@{name}:{name[0]}": level for name, level in users.items()}}}


def test_equal_states_resolve_to_themselves(every_version: str) -> None:
    room = a_room(every_version)
    assert Counting(room, [room.state, dict(room.state)]).resolve() == {}


def test_a_ban_beats_a_topic_set_meanwhile(every_version: str) -> None:
    room = a_room(every_version)
    other = room.fork()
    ban = room.send("m.room.member", ALICE, {"membership": "ban"}, BOB)
    other.send("m.room.topic", BOB, {"topic": "mine"}, "")
    state = resolved(room, room.state, other.state)
    assert state[ban.key] == ban.event_id
    # Version 1 keeps what only one side has; the later algorithms look at the ban first.
    assert (TOPIC in state) == (every_version == "1")


def test_the_later_of_two_topics_wins(every_version: str) -> None:
    room = a_room(every_version)
    other = room.fork()
    room.send("m.room.topic", BOB, {"topic": "one"}, "", ts=10_000_000)
    other.send("m.room.name", ALICE, {"name": "n"}, "")
    late = other.send("m.room.topic", BOB, {"topic": "two"}, "", ts=10_000_001)
    state = resolved(room, room.state, other.state)
    assert state[TOPIC] == late.event_id
    assert NAME in state


@pytest.mark.parametrize("version", LATER)
def test_a_demotion_beats_what_the_demoted_did_meanwhile(version: str) -> None:
    room = a_room(version)
    other = room.fork()
    demotion = room.send("m.room.power_levels", ALICE, with_level(room), "")
    other.send("m.room.power_levels", BOB, with_level(room, bob=50, charlie=50), "")
    other.send("m.room.join_rules", BOB, {"join_rule": "invite"}, "")
    state = resolved(room, room.state, other.state)
    assert state[LEVELS] == demotion.event_id
    assert state[JOIN_RULES] == room.state[JOIN_RULES]


def test_version_1_goes_by_depth() -> None:
    room = a_room("1")
    other = room.fork()
    room.send("m.room.message", ALICE, {})
    deeper = room.send("m.room.topic", BOB, {"topic": "one"}, "", ts=1)
    other.send("m.room.topic", BOB, {"topic": "two"}, "", ts=10_000_000)
    assert resolved(room, room.state, other.state)[TOPIC] == deeper.event_id


def test_version_1_drops_what_nobody_may_have_set() -> None:
    room = a_room("1")
    room.with_member(BOB, "leave")
    other = room.fork()
    room.send("m.room.topic", BOB, {"topic": "one"}, "")
    other.send("m.room.topic", BOB, {"topic": "two"}, "")
    assert TOPIC not in resolved(room, room.state, other.state)


@pytest.mark.parametrize("version", LATER)
def test_three_forks(version: str) -> None:
    room = a_room(version)
    forks = [room.fork() for _ in range(3)]
    for number, fork in enumerate(forks):
        fork.with_member(f"@new{number}:n")
        fork.send("m.room.topic", ALICE, {"n": number}, "", ts=10_000_000 + number)
    state = resolved(room, *(fork.state for fork in forks))
    assert state[TOPIC] == forks[2].state[TOPIC]
    for number, fork in enumerate(forks):
        key = ("m.room.member", f"@new{number}:n")
        assert state[key] == fork.state[key]


@pytest.mark.parametrize("version", ["2", "11", "12"])
def test_outdated_join_rules_reset_until_version_12(version: str) -> None:
    """MSC4297, problem A: who set both join rules has left, by both states."""
    room = a_room(version)
    room.with_levels(**with_level(room, bob=100))
    room.send("m.room.join_rules", BOB, {"join_rule": "public"}, "")
    outdated = room.state[JOIN_RULES]
    room.send("m.room.join_rules", BOB, {"join_rule": "invite"}, "")
    room.with_member(BOB, "leave")
    state = resolved(room, room.state, {**room.state, JOIN_RULES: outdated})
    expected = room.state[JOIN_RULES] if version == "12" else None
    assert state.get(JOIN_RULES) == expected


@pytest.mark.parametrize("version", ["2", "11", "12"])
def test_outdated_levels_reset_until_version_12(version: str) -> None:
    """MSC4297, problem B: the promotion between the two levels is in no difference."""
    room = a_room(version)
    room.with_levels(**with_level(room))
    outdated = room.state[LEVELS]
    room.with_levels(**with_level(room, bob=50))
    room.with_levels(sender=BOB, **with_level(room, bob=50, charlie=50))
    room.send("m.room.name", ALICE, {"name": "by the newest levels"}, "")  # on both sides
    state = resolved(room, room.state, {**room.state, LEVELS: outdated})
    assert state[LEVELS] == (room.state[LEVELS] if version == "12" else outdated)


def test_rejected_auth_events_are_no_substitute() -> None:
    """Bob's topic cites a join that was rejected; the state has no membership of his."""
    room = make_room("12")
    levels = room.with_levels(**with_level(room, bob=50)).state[LEVELS]
    bare = room.fork()
    join = room.send("m.room.member", BOB, {"membership": "join"}, BOB)
    topic = room.send("m.room.topic", BOB, {"topic": "x"}, "")
    for rejected, expected in (("nothing", topic.event_id), (join.event_id, None)):
        outcome = resolve(
            {TOPIC: {topic.event_id, None}},
            rules=room.rules,
            event=lambda event_id: room.events[event_id],
            unconflicted=bare.state.get,
            auth_difference=set,
            conflicted_subgraph=set,
            is_rejected=rejected.__eq__,
        )
        assert outcome == {TOPIC: expected}
    assert levels in topic.auth_events


def test_mainline_orders_by_the_levels_an_event_cites() -> None:
    """A topic sent under newer levels wins over one of a later time under older levels."""
    room = a_room("11")
    other = room.fork()
    old = other.send("m.room.topic", BOB, {"topic": "old"}, "", ts=99_000_000)
    room.with_levels(**with_level(room, bob=50, charlie=1))
    new = room.send("m.room.topic", BOB, {"topic": "new"}, "", ts=10_000_000)
    both = room.fork()
    outdated = {**both.state, TOPIC: old.event_id}
    assert resolved(room, both.state, outdated)[TOPIC] == new.event_id


def test_events_without_levels_come_first_in_the_mainline() -> None:
    room = make_room("11")
    early = room.send("m.room.topic", ALICE, {"topic": "early"}, "", ts=99_000_000)
    outdated = dict(room.state)
    room.with_levels(**with_level(room))
    late = room.send("m.room.topic", ALICE, {"topic": "late"}, "", ts=10_000_000)
    state = resolved(room, room.state, {**room.state, TOPIC: early.event_id})
    assert state[TOPIC] == late.event_id
    assert TOPIC in outdated


@pytest.mark.parametrize("version", LATER)
def test_a_long_history_of_levels_is_read_only_as_far_as_needed(version: str) -> None:
    room = a_room(version)
    for number in range(60):
        room.with_levels(**with_level(room, bob=50, charlie=number))
    other = room.fork()
    room.send("m.room.topic", BOB, {"topic": "one"}, "")
    other.send("m.room.topic", BOB, {"topic": "two"}, "")
    counting = Counting(room, [room.state, other.state])
    assert counting.resolve()[TOPIC] == other.state[TOPIC]
    assert counting.asked["event"] < 15


# ── look-ups ─────────────────────────────────────────────────────────────────────────────────


def crowded(room: Room, members: int) -> None:
    """Members nobody looks at: events of their own, but not signed one by one."""
    model = room.event(
        room.draft("m.room.member", "@m:m", {"membership": "join"}, state_key="@m:m")
    )
    for number in range(members):
        user = f"@member{number}:m"
        pdu = {**model.pdu, "sender": user, "state_key": user}
        event = Event.trusted(EventId(f"$member{number}:m"), pdu, room.rules)
        room.events[event.event_id] = event
        room.state[event.key] = event.event_id


def fork_with_ten_conflicts(version: str, members: int) -> Counting:
    room = a_room(version)
    crowded(room, members)
    other = room.fork()
    for branch, ts in ((room, 10_000_000), (other, 20_000_000)):
        for number in range(7):
            branch.send("org.example.state", ALICE, {"ts": ts}, str(number), ts=ts + number)
        branch.with_member(CHARLIE, "leave")
        branch.send("m.room.topic", BOB, {"ts": ts}, "", ts=ts)
        branch.with_levels(**with_level(room, bob=50, charlie=ts // 10_000_000))
    return Counting(room, [room.state, other.state])


def test_look_ups_are_few_and_do_not_grow_with_the_members(every_version: str) -> None:
    counts = []
    for members in (100, 1000):
        counting = fork_with_ten_conflicts(every_version, members)
        assert len(counting.conflicted) == 10
        outcome = counting.resolve()
        assert all(outcome[key] is not None for key in counting.conflicted)
        counts.append(counting.asked)
    assert counts[0] == counts[1]
    assert 0 < counts[0].total() <= 50 * 10


# ── the sets ─────────────────────────────────────────────────────────────────────────────────

GRAPH = {"c": "", "a": "c", "p": "ca", "b": "cp", "q": "cap", "t": "cbq", "u": "cbp"}


def cited(name: EventId) -> list[EventId]:
    return [EventId(one) for one in GRAPH[name]]


@pytest.mark.parametrize(
    ("states", "difference"),
    [
        (["t", "t"], ""),
        (["t", "u"], "q"),
        (["t", "a"], "apbq"),
        (["tu", "u"], "q"),
        (["b", "a", "q"], "ap"),
        (["t"], ""),
        ([], ""),
    ],
)
def test_auth_difference(states: list[str], difference: str) -> None:
    found = auth_difference_of([[EventId(n) for n in state] for state in states], cited)
    assert found == set(difference)


@pytest.mark.parametrize(
    ("conflicted", "subgraph"),
    [("ta", "tabqp"), ("tu", "tu"), ("q", "q"), ("up", "upb"), ("", "")],
)
def test_conflicted_subgraph(conflicted: str, subgraph: str) -> None:
    assert conflicted_subgraph_of([EventId(n) for n in conflicted], cited) == set(subgraph)
