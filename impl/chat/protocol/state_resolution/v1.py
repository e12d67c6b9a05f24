"""State resolution of room version 1. Spec: rooms/v1/#state-resolution"""

import hashlib
from collections.abc import Iterable, Mapping

from chat.protocol.auth_rules import check
from chat.protocol.errors import AuthRefused
from chat.protocol.event import Event, StateKey
from chat.protocol.identifiers import EventId
from chat.protocol.state_resolution.lookups import Lookups

_AUTH_TYPES = ("m.room.power_levels", "m.room.join_rules", "m.room.member")

Resolved = dict[StateKey, EventId | None]


def resolve_v1(present: Mapping[StateKey, set[EventId]], lookups: Lookups) -> Resolved:
    """The resolved entry of every key, given the events the states have there."""
    # An event that only some states have is in no conflict: nothing differs from it.
    resolved: Resolved = {key: min(ids) for key, ids in present.items() if len(ids) == 1}
    conflicts = {key: _ordered(ids, lookups) for key, ids in present.items() if len(ids) > 1}
    for auth_type in _AUTH_TYPES:
        # The keys of one type do not see each other's outcome, so their order does not matter.
        resolved |= {
            key: _last_allowed(events, resolved, lookups)
            for key, events in conflicts.items()
            if key[0] == auth_type
        }
    others: Resolved = {
        key: _first_allowed(reversed(events), resolved, lookups)
        for key, events in conflicts.items()
        if key[0] not in _AUTH_TYPES
    }
    return dict.fromkeys(present) | resolved | others


def _ordered(event_ids: set[EventId], lookups: Lookups) -> list[Event]:
    """By ascending depth, then descending SHA-1 of the event ID."""
    by_hash = sorted(map(lookups.event, event_ids), key=_sha1, reverse=True)
    return sorted(by_hash, key=lambda event: event.depth)


def _sha1(event: Event) -> bytes:
    return hashlib.sha1(event.event_id.encode(), usedforsecurity=False).digest()


def _last_allowed(events: list[Event], resolved: Resolved, lookups: Lookups) -> EventId:
    """The first event, replaced by each following one until one is refused."""
    chosen = events[0]
    for event in events[1:]:
        if not _is_allowed(event, {**resolved, chosen.key: chosen.event_id}, lookups):
            break
        chosen = event
    return chosen.event_id


def _first_allowed(events: Iterable[Event], resolved: Resolved, lookups: Lookups) -> EventId | None:
    for event in events:
        if _is_allowed(event, resolved, lookups):
            return event.event_id
    return None


def _is_allowed(event: Event, resolved: Resolved, lookups: Lookups) -> bool:
    def state(key: StateKey) -> Event | None:
        event_id = resolved[key] if key in resolved else lookups.unconflicted(key)
        return None if event_id is None else lookups.event(event_id)

    try:
        check(event, state, lookups.rules, signed_by=_verified_on_receipt)
    except AuthRefused:
        return False
    return True


def _verified_on_receipt(event: Event, server: str) -> bool:
    return True
