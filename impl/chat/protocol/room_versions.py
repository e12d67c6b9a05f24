"""Room versions 1 to 12 as one table of rules: each row is its predecessor plus changes.

Code asks `rules.knocking`, never for a version number. Spec: rooms/
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from chat.protocol.errors import UnsupportedRoomVersion


class EventIdFormat(Enum):
    """How an event's ID comes about."""

    DOMAIN = "$opaque:server, chosen by the sender"  # rooms/v1/#event-ids
    BASE64 = "$ and the reference hash in base64"  # rooms/v3/#event-ids
    URL_SAFE_BASE64 = "$ and the reference hash in URL-safe base64"  # rooms/v4/#event-ids


class StateResolution(Enum):
    """The state resolution algorithms."""

    V1 = "1"
    V2 = "2"
    V2_1 = "2.1"


@dataclass(frozen=True, slots=True)
class RedactionRules:
    """What a redaction keeps: top-level keys, and keys of `content` by event type.

    `None` in `content` keeps everything; a type that is not named keeps nothing.
    `third_party_signed` keeps `content.third_party_invite.signed` of membership events.
    """

    top_level: frozenset[str]
    content: Mapping[str, frozenset[str] | None]
    third_party_signed: bool = False


@dataclass(frozen=True, slots=True)
class RoomRules:
    """Everything in which room versions differ."""

    version: str
    event_id_format: EventIdFormat
    hashed_references: bool  # prev_events and auth_events are [event ID, hashes] pairs
    state_resolution: StateResolution
    redaction: RedactionRules
    auth_rule_list: str  # whose numbered list of authorisation rules applies
    strict_canonical_json: bool = False
    max_depth: int = 2**63 - 1
    enforce_key_validity: bool = False  # signatures by keys past valid_until_ts do not count
    redactions_authorised: bool = True  # m.room.redaction has auth rules of its own
    aliases_authorised: bool = True  # m.room.aliases has auth rules of its own
    notification_levels_checked: bool = False  # power level rules look at `notifications`
    knocking: bool = False
    restricted_joins: bool = False
    knock_restricted_joins: bool = False
    integer_power_levels: bool = False  # neither strings nor floats
    creator_is_sender: bool = False  # the create event's sender, not its content.creator
    redacts_in_content: bool = False
    hashed_room_id: bool = False  # the create event's ID is the room ID, and no auth event
    privileged_creators: bool = False  # creators stand above all power levels


_TOP_LEVEL_V1 = frozenset(
    {
        *("event_id", "type", "room_id", "sender", "state_key", "content", "hashes"),
        *("signatures", "depth", "prev_events", "prev_state", "auth_events", "origin"),
        *("origin_server_ts", "membership"),
    }
)
_POWER_LEVEL_KEYS = frozenset(
    {
        *("ban", "events", "events_default", "kick", "redact", "state_default", "users"),
        "users_default",
    }
)
_REDACTION_V1 = RedactionRules(
    top_level=_TOP_LEVEL_V1,
    content={
        "m.room.member": frozenset({"membership"}),
        "m.room.create": frozenset({"creator"}),
        "m.room.join_rules": frozenset({"join_rule"}),
        "m.room.power_levels": _POWER_LEVEL_KEYS,
        "m.room.aliases": frozenset({"aliases"}),
        "m.room.history_visibility": frozenset({"history_visibility"}),
    },
)
_REDACTION_V6 = replace(
    _REDACTION_V1,
    content={k: v for k, v in _REDACTION_V1.content.items() if k != "m.room.aliases"},
)
_REDACTION_V8 = replace(
    _REDACTION_V6,
    content={**_REDACTION_V6.content, "m.room.join_rules": frozenset({"join_rule", "allow"})},
)
_REDACTION_V9 = replace(
    _REDACTION_V8,
    content={
        **_REDACTION_V8.content,
        "m.room.member": frozenset({"membership", "join_authorised_via_users_server"}),
    },
)
_REDACTION_V11 = replace(
    _REDACTION_V9,
    top_level=_TOP_LEVEL_V1 - {"prev_state", "origin", "membership"},
    content={
        **_REDACTION_V9.content,
        "m.room.create": None,
        "m.room.power_levels": _POWER_LEVEL_KEYS | {"invite"},
        "m.room.redaction": frozenset({"redacts"}),
    },
    third_party_signed=True,
)

V1 = RoomRules(
    version="1",
    event_id_format=EventIdFormat.DOMAIN,
    hashed_references=True,
    state_resolution=StateResolution.V1,
    redaction=_REDACTION_V1,
    auth_rule_list="1",
)
V2 = replace(V1, version="2", state_resolution=StateResolution.V2)
V3 = replace(
    V2,
    version="3",
    auth_rule_list="3",
    event_id_format=EventIdFormat.BASE64,
    hashed_references=False,
    redactions_authorised=False,
)
V4 = replace(V3, version="4", event_id_format=EventIdFormat.URL_SAFE_BASE64)
V5 = replace(V4, version="5", enforce_key_validity=True)
V6 = replace(
    V5,
    version="6",
    auth_rule_list="6",
    redaction=_REDACTION_V6,
    strict_canonical_json=True,
    max_depth=2**53 - 1,
    aliases_authorised=False,
    notification_levels_checked=True,
)
V7 = replace(V6, version="7", auth_rule_list="7", knocking=True)
V8 = replace(V7, version="8", auth_rule_list="8", redaction=_REDACTION_V8, restricted_joins=True)
V9 = replace(V8, version="9", redaction=_REDACTION_V9)
V10 = replace(
    V9,
    version="10",
    auth_rule_list="10",
    integer_power_levels=True,
    knock_restricted_joins=True,
)
V11 = replace(
    V10,
    version="11",
    auth_rule_list="11",
    redaction=_REDACTION_V11,
    creator_is_sender=True,
    redacts_in_content=True,
)
V12 = replace(
    V11,
    version="12",
    auth_rule_list="12",
    state_resolution=StateResolution.V2_1,
    hashed_room_id=True,
    privileged_creators=True,
)

ROOM_VERSIONS: dict[str, RoomRules] = {
    rules.version: rules for rules in (V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12)
}


def rules_for(version: object) -> RoomRules:
    """The rules of a room version; raises UnsupportedRoomVersion."""
    rules = ROOM_VERSIONS.get(version) if isinstance(version, str) else None
    if rules is None:
        shown = ascii(version[:40]) if isinstance(version, str) else type(version).__name__
        raise UnsupportedRoomVersion(f"Unknown room version: {shown}")
    return rules
