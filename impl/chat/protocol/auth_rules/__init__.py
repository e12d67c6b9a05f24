"""The authorisation rules: whether an event is allowed.

Spec: rooms/v1/#authorisation-rules … rooms/v12/#authorisation-rules

`check` applies the rules that look at the room state; `check_auth_events` applies the rule on
the event's own `auth_events`. A received event passes `check_auth_events` and `check` against
the state made of its auth events, then `check` against the state before it, then `check` against
the current state. What the sender claims about levels, memberships and join rules is read from
the state alone.
"""

from collections.abc import Collection, Mapping

from chat.protocol.auth_rules.create import check_create
from chat.protocol.auth_rules.levels import (
    INFINITE_LEVEL,
    creators_of,
    named_level,
    notification_level,
    power_level_of,
    required_level,
)
from chat.protocol.auth_rules.member import SignedBy, check_member
from chat.protocol.auth_rules.numbering import refusal
from chat.protocol.auth_rules.power_levels import check_power_levels
from chat.protocol.auth_rules.redactions import check_redaction, takes_effect
from chat.protocol.auth_rules.room_state import Lookup, RoomState
from chat.protocol.auth_rules.selection import CREATE, auth_keys
from chat.protocol.auth_rules.third_party import check_third_party_invite
from chat.protocol.errors import NotFound
from chat.protocol.event import Event, StateKey
from chat.protocol.identifiers import EventId
from chat.protocol.room_versions import RoomRules
from chat.protocol.signatures import signatures_by

__all__ = [
    "INFINITE_LEVEL",
    "auth_keys",
    "carries_signature",
    "check",
    "check_auth_events",
    "creators_of",
    "named_level",
    "notification_level",
    "power_level_of",
    "redaction_applies",
    "required_level",
]

State = Mapping[StateKey, Event] | Lookup


def carries_signature(event: Event, server: str) -> bool:
    """Whether the event has a signature of `server`; enough once its signatures are verified."""
    return bool(signatures_by(event.pdu, server))


def check(
    event: Event, state: State, rules: RoomRules, *, signed_by: SignedBy = carries_signature
) -> None:
    """Raises AuthRefused, with the number of the rule, unless `state` allows the event.

    `state` holds accepted events only; of it, the entries of `auth_keys` and the create event
    are looked up. `signed_by(event, server)` answers whether the event is validly signed by the
    server of the user who authorised a restricted join.
    """
    if event.type == "m.room.create":  # 1
        check_create(event, rules)
        return
    room = _room_state(event, state, rules)  # 2
    _check_federation(event, room)  # 4
    if event.type == "m.room.aliases" and rules.aliases_authorised:  # 4 before v6
        _check_aliases(event, rules)
    elif event.type == "m.room.member":  # 5
        check_member(event, room, signed_by)
    else:
        _check_other(event, room)


def check_auth_events(
    event: Event,
    auth_events: Mapping[EventId, Event],
    rules: RoomRules,
    *,
    rejected: Collection[EventId] = frozenset(),
) -> None:
    """Raises AuthRefused unless the event's `auth_events` are the right ones.

    `auth_events` holds each of them by its ID; `rejected` names those that were rejected on
    receipt. Raises NotFound if one is missing. Rule 3 (2 before version 12).
    """
    if event.type == "m.room.create":  # allowed before this rule is reached
        return
    cited = [_cited(event_id, auth_events) for event_id in event.auth_events]
    keys = [(entry.type, entry.state_key) for entry in cited]
    if len(set(keys)) != len(keys):  # 3.1
        raise refusal(rules, "auth_events.duplicate", "Two auth events for the same state")
    wanted = auth_keys(event.type, event.sender, event.state_key, event.content, rules)
    if not set(keys) <= set(wanted):  # 3.2
        raise refusal(rules, "auth_events.selection", "An auth event that is not needed")
    if any(entry.event_id in rejected for entry in cited):  # 3.3
        raise refusal(rules, "auth_events.rejected", "An auth event was rejected")
    if not rules.hashed_room_id and CREATE not in keys:  # 2.4 before v12
        raise refusal(rules, "auth_events.no_create", "The create event is not an auth event")
    if any(entry.room_id != event.room_id for entry in cited):  # 3.4
        raise refusal(rules, "auth_events.other_room", "An auth event of another room")


def redaction_applies(redaction: Event, target: Event, state: State, rules: RoomRules) -> bool:
    """Whether an accepted redaction is applied to its target, in the state it was sent in.

    Spec: rooms/v3/#handling-redactions
    """
    return takes_effect(redaction, target, _room_state(redaction, state, rules))


def _room_state(event: Event, state: State, rules: RoomRules) -> RoomState:
    lookup: Lookup = state.get if isinstance(state, Mapping) else state
    create = lookup(CREATE)
    if rules.hashed_room_id:
        if create is None or create.event_id != f"${event.room_id[1:]}":  # 2
            raise refusal(rules, "room_id", "The room ID is not that of the create event")
    elif create is None:
        raise refusal(rules, "auth_events.no_create", "The room has no create event")
    return RoomState(create, lookup, rules)


def _check_federation(event: Event, room: RoomState) -> None:
    if room.create.content.get("m.federate") is not False:
        return
    if event.sender.partition(":")[2] != room.create.sender.partition(":")[2]:
        raise refusal(room.rules, "federate", "The room is not open to other servers")


def _check_aliases(event: Event, rules: RoomRules) -> None:
    if event.state_key is None:  # 4.1
        raise refusal(rules, "aliases.state_key", "Aliases are state")
    if event.state_key != event.sender.partition(":")[2]:  # 4.2
        raise refusal(rules, "aliases.domain", "Aliases of another server")


def _check_other(event: Event, room: RoomState) -> None:
    """Rules 6 to 10, and 11 of versions 1 and 2."""
    rules = room.rules
    if room.membership(event.sender) != "join":  # 6
        raise refusal(rules, "sender", "The sender is not in the room")
    if event.type == "m.room.third_party_invite":  # 7
        check_third_party_invite(event, room)
        return
    if room.level_to_send(event) > room.level_of(event.sender):  # 8
        raise refusal(rules, "required_level", f"The sender may not send {event.type[:80]}")
    state_key = event.state_key
    if state_key is not None and state_key.startswith("@") and state_key != event.sender:  # 9
        raise refusal(rules, "state_key", "State of another user")
    if event.type == "m.room.power_levels":  # 10
        check_power_levels(event, room)
    elif event.type == "m.room.redaction" and rules.redactions_authorised:  # 11 before v3
        check_redaction(event, room)


def _cited(event_id: EventId, auth_events: Mapping[EventId, Event]) -> Event:
    event = auth_events.get(event_id)
    if event is None:
        raise NotFound(f"Auth event not known: {event_id}")
    return event
