"""The code under test, as the proofs call it: the one place that knows its interface.

A `Subject` holds the modules it was made with, so that the mutation check can make one from
mutated modules while all others are shared.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from chat.protocol.errors import AuthRefused
from chat.protocol.event import Event
from chat.protocol.room_versions import rules_for

Pdu = dict[str, Any]
Key = tuple[str, str]
StateIds = dict[Key, str]


def event_of(pdu: Pdu, version: str) -> Event:
    """The Event of a rendered one, which travels without `event_id` from version 3 on."""
    dropped = {"rejected"} if int(version) <= 2 else {"rejected", "event_id"}
    travelling = {name: value for name, value in pdu.items() if name not in dropped}
    return Event.trusted(pdu["event_id"], travelling, rules_for(version))


def rejected_ids(room: Mapping[str, Pdu]) -> frozenset[str]:
    """The events marked as rejected on receipt."""
    return frozenset(event_id for event_id, pdu in room.items() if pdu.get("rejected"))


class Subject:
    """Authorisation and state resolution of `chat.protocol` as now importable."""

    def __init__(self) -> None:
        self.auth: Any = importlib.import_module("chat.protocol.auth_rules")
        self.resolution: Any = importlib.import_module("chat.protocol.state_resolution")

    def refused_by(
        self, event: Event, state: Mapping[Key, Event], version: str, signed_by: list[str]
    ) -> str | None:
        """The number of the rule that refuses the event in this state; None if it is allowed."""
        try:
            self.auth.check(
                event,
                state,
                rules_for(version),
                signed_by=lambda _, server: server in signed_by,
            )
        except AuthRefused as refusal:
            return refusal.rule
        return None

    def auth_events_refused_by(
        self, event: Event, cited: list[Event], version: str, rejected: frozenset[str]
    ) -> str | None:
        """The number of the rule that refuses the event's `auth_events`; None if they pass."""
        known = {one.event_id: one for one in cited}
        try:
            self.auth.check_auth_events(event, known, rules_for(version), rejected=rejected)
        except AuthRefused as refusal:
            return refusal.rule
        return None

    def resolve(
        self,
        version: str,
        states: list[StateIds],
        room: Mapping[str, Event],
        rejected: frozenset[str] = frozenset(),
        on_lookup: Callable[[Any], None] = lambda _: None,
    ) -> StateIds:
        """The whole resolved state; `on_lookup` hears of every event and entry looked up."""
        keys = dict.fromkeys(key for state in states for key in state)
        conflicted = {
            key: [state.get(key) for state in states]
            for key in keys
            if len({state.get(key) for state in states}) > 1
        }

        asked: set[Any] = set()

        def once(question: Any) -> Any:
            assert question not in asked, f"asked twice for {question}"
            asked.add(question)
            on_lookup(question)
            return question

        def unconflicted(key: Key) -> str | None:
            assert key not in conflicted, f"asked for the conflicted key {key}"
            return states[0].get(once(key))

        outcome = self.resolution.resolve(
            conflicted,
            rules=rules_for(version),
            event=lambda event_id: room[once(event_id)],
            unconflicted=unconflicted,
            auth_difference=lambda: self.auth_difference(states, room),
            conflicted_subgraph=lambda: self.subgraph(conflicted, room),
            is_rejected=rejected.__contains__,
        )
        assert outcome.keys() >= conflicted.keys(), "a conflicted key is missing from the answer"
        common = {key: value for key, value in states[0].items() if key not in conflicted}
        assert not common.keys() & outcome.keys(), "an agreed entry is in the answer"
        return {**common, **{key: value for key, value in outcome.items() if value is not None}}

    def auth_difference(self, states: list[StateIds], room: Mapping[str, Event]) -> set[str]:
        """The auth difference of whole states."""
        found: set[str] = self.resolution.auth_difference_of(
            [state.values() for state in states], lambda one: room[one].auth_events
        )
        return found

    def subgraph(self, conflicted: Mapping[Key, Any], room: Mapping[str, Event]) -> set[str]:
        """The conflicted subgraph of the events at these keys."""
        ids = {value for values in conflicted.values() for value in values if value is not None}
        found: set[str] = self.resolution.conflicted_subgraph_of(
            ids, lambda one: room[one].auth_events
        )
        return found
