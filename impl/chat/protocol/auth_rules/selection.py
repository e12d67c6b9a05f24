"""Which entries of the room state authorise an event.

Spec: server-server-api/#auth-events-selection
"""

from collections.abc import Mapping
from typing import Any

from chat.protocol.event import StateKey
from chat.protocol.room_versions import RoomRules

CREATE: StateKey = ("m.room.create", "")
POWER_LEVELS: StateKey = ("m.room.power_levels", "")
JOIN_RULES: StateKey = ("m.room.join_rules", "")

_NEEDS_JOIN_RULES = ("join", "invite", "knock")


def auth_keys(
    event_type: str,
    sender: str,
    state_key: str | None,
    content: Mapping[str, Any],
    rules: RoomRules,
) -> list[StateKey]:
    """The keys whose current events, where there are any, are the event's `auth_events`.

    From version 12 on the create event is not among them: the room ID implies it.
    """
    if event_type == "m.room.create":
        return []
    member: StateKey = ("m.room.member", sender)
    keys = [POWER_LEVELS, member] if rules.hashed_room_id else [CREATE, POWER_LEVELS, member]
    if event_type == "m.room.member" and state_key is not None:
        keys += [key for key in _member_keys(state_key, content, rules) if key != member]
    return keys


def _member_keys(target: str, content: Mapping[str, Any], rules: RoomRules) -> list[StateKey]:
    membership = content.get("membership")
    keys: list[StateKey] = [("m.room.member", target)]
    if membership in _NEEDS_JOIN_RULES:
        keys.append(JOIN_RULES)
    if membership == "invite":
        token = third_party_token(content)
        if token is not None:
            keys.append(("m.room.third_party_invite", token))
    if membership == "join" and rules.restricted_joins:
        authoriser = content.get("join_authorised_via_users_server")
        if isinstance(authoriser, str) and authoriser != target:
            keys.append(("m.room.member", authoriser))
    return keys


def third_party_token(content: Mapping[str, Any]) -> str | None:
    """`third_party_invite.signed.token` of a membership event's content, where it is a string."""
    invite = content.get("third_party_invite")
    signed = invite.get("signed") if isinstance(invite, dict) else None
    token = signed.get("token") if isinstance(signed, dict) else None
    return token if isinstance(token, str) else None
