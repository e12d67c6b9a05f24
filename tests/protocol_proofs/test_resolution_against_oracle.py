"""Random rooms: the code under test and the oracle agree, whatever the order of the inputs.

200 rooms in CI; 10 000 with CHAT_PROVE=1, and then with a new seed each time.
"""

import os
import random

import oracle
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_rooms import RandomRoom, rooms
from rule_numbers import VERSIONS
from subject import Subject, event_of, rejected_ids

from chat.protocol.event import Event

PROVE = os.environ.get("CHAT_PROVE") == "1"
pytestmark = pytest.mark.timeout(3600 if PROVE else 300)
EXAMPLES = 10_000 if PROVE else 200
ORDERS = 20

thorough = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not PROVE,
    suppress_health_check=[HealthCheck.too_slow],
)
# Versions 2–11 share an algorithm; the others get their fair part.
MIXED = ["1", "12", *VERSIONS, "12", "1"]


def _shuffled_topologically(room: RandomRoom, chance: random.Random) -> list[str]:
    """A random order of the room's events in which auth events come before what cites them."""
    waiting = dict(room.room)
    ordered: list[str] = []
    while waiting:
        free = [
            event_id
            for event_id, event in waiting.items()
            if not set(oracle.auth_ids(event, room.version)) & waiting.keys()
        ]
        chosen = chance.choice(free)
        ordered.append(chosen)
        del waiting[chosen]
    return ordered


def _reordered(
    room: RandomRoom, events: dict[str, Event], chance: random.Random
) -> tuple[list[oracle.StateIds], dict[str, Event]]:
    order = _shuffled_topologically(room, chance)
    place = {event_id: index for index, event_id in enumerate(order)}
    states = [
        dict(sorted(state.items(), key=lambda entry: place[entry[1]])) for state in room.states
    ]
    chance.shuffle(states)
    return states, {event_id: events[event_id] for event_id in order}


@thorough
@given(room=rooms(MIXED), seed=st.integers(0, 2**32))
def test_resolution_agrees_with_the_oracle_in_any_order(room: RandomRoom, seed: int) -> None:
    subject = Subject()
    chance = random.Random(seed)
    events = {event_id: event_of(pdu, room.version) for event_id, pdu in room.room.items()}
    rejected = rejected_ids(room.room)
    expected = oracle.resolve(room.version, room.states, room.room)
    for _ in range(ORDERS):
        states, known = _reordered(room, events, chance)
        assert subject.resolve(room.version, states, known, rejected) == expected


@thorough
@given(room=rooms(list(VERSIONS)))
def test_the_auth_rules_agree_with_the_oracle(room: RandomRoom) -> None:
    subject = Subject()
    servers = ["example.org", "other.net"]
    for attempt in room.attempts:
        event = event_of(attempt.event, room.version)
        state = {key: event_of(pdu, room.version) for key, pdu in attempt.state.items()}
        found = subject.refused_by(event, state, room.version, servers)
        assert found == (None if attempt.verdict.allowed else attempt.verdict.rule)


@thorough
@given(room=rooms(list(VERSIONS[1:])))
def test_auth_difference_and_subgraph_agree_with_the_oracle(room: RandomRoom) -> None:
    subject = Subject()
    events = {event_id: event_of(pdu, room.version) for event_id, pdu in room.room.items()}
    naive = oracle.ResolutionV2(room.version, room.states, room.room)
    _, conflicted = naive.split()
    assert subject.auth_difference(room.states, events) == naive.auth_difference()
    assert subject.resolution.conflicted_subgraph_of(
        conflicted, lambda one: events[one].auth_events
    ) == naive.subgraph(conflicted)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=not PROVE)
@given(room=rooms(list(VERSIONS)))
def test_random_events_cite_the_auth_events_that_selection_names(room: RandomRoom) -> None:
    subject = Subject()
    for attempt in room.attempts:
        event = event_of(attempt.event, room.version)
        keys = subject.auth.auth_keys(
            event.type, event.sender, event.state_key, event.content, event.rules
        )
        assert len(keys) == len(set(keys))
        assert set(keys) == oracle.selected_keys(attempt.event, room.version)
