"""State resolution 2 and 2.1. Spec: rooms/v2/#state-resolution, rooms/v12/#state-resolution

2.1 differs in two things: it starts from an empty state instead of the unconflicted one, and it
replays the conflicted subgraph too.
"""

from chat.protocol.auth_rules import check
from chat.protocol.auth_rules.selection import POWER_LEVELS
from chat.protocol.errors import AuthRefused
from chat.protocol.event import Event, StateKey
from chat.protocol.identifiers import EventId
from chat.protocol.room_versions import StateResolution
from chat.protocol.state_resolution.lookups import Lookups
from chat.protocol.state_resolution.mainline import mainline_order
from chat.protocol.state_resolution.power_order import is_power_event, power_order, with_ancestors


class Partial:
    """The state under construction: what is resolved so far, on top of the algorithm's start."""

    def __init__(self, lookups: Lookups) -> None:
        self.resolved: dict[StateKey, EventId] = {}
        self._lookups = lookups
        self._starts_empty = lookups.rules.state_resolution is StateResolution.V2_1

    def get(self, key: StateKey) -> EventId | None:
        """The event at this key so far."""
        event_id = self.resolved.get(key)
        if event_id is None and not self._starts_empty:
            return self._lookups.unconflicted(key)
        return event_id

    def apply(self, event: Event) -> None:
        """One step of the iterative auth checks: take the event in if the rules allow it."""
        try:
            check(
                event,
                lambda key: self._authorising(event, key),
                self._lookups.rules,
                signed_by=_verified_on_receipt,
            )
        except AuthRefused:
            return
        self.resolved[event.key] = event.event_id

    def _authorising(self, event: Event, key: StateKey) -> Event | None:
        """The state's event at this key; where it has none, the one that the event cites."""
        event_id = self.get(key)
        if event_id is not None:
            return self._lookups.event(event_id)
        cited = self._lookups.cited(event).get(key)
        return None if cited is None or self._lookups.is_rejected(cited.event_id) else cited


def resolve_v2(
    conflicted: set[EventId],
    auth_difference: set[EventId],
    subgraph: set[EventId],
    lookups: Lookups,
) -> dict[StateKey, EventId | None]:
    """The resolved entry of every conflicted key, and of keys that no state has."""
    full = conflicted | auth_difference
    if lookups.rules.state_resolution is StateResolution.V2_1:
        full |= subgraph
    # Step 1
    power_events = {event_id for event_id in full if is_power_event(lookups.event(event_id))}
    first = with_ancestors(power_events, full, subgraph, lookups)
    partial = Partial(lookups)
    for event in power_order(first, subgraph, lookups):  # step 2
        partial.apply(event)
    # Steps 3 and 4
    power_levels = partial.get(POWER_LEVELS)
    for event in mainline_order(full - first, power_levels, lookups):
        partial.apply(event)
    return _outcome(partial, lookups)


def _outcome(partial: Partial, lookups: Lookups) -> dict[StateKey, EventId | None]:
    """Step 5: what the states agree on stays."""
    outcome: dict[StateKey, EventId | None] = dict.fromkeys(lookups.conflicted)
    for key, event_id in partial.resolved.items():
        if lookups.unconflicted(key) is None:
            outcome[key] = event_id
    return outcome


def _verified_on_receipt(event: Event, server: str) -> bool:
    return True
