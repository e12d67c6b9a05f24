"""The format of events and its limits.

Spec: rooms/v1/#event-format … rooms/v12/#event-format, client-server-api/#size-limits
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from chat.protocol import canonical_json
from chat.protocol.errors import EventTooLarge, InvalidEvent, InvalidIdentifier
from chat.protocol.identifiers import parse_event_id, parse_room_id, parse_user_id
from chat.protocol.room_versions import EventIdFormat, RoomRules

if TYPE_CHECKING:
    from chat.protocol.event import Event

MAX_EVENT_BYTES = 65_536
MAX_FIELD_BYTES = 255
MAX_PREV_EVENTS = 20
MAX_AUTH_EVENTS = 10
MAX_TIMESTAMP = 2**63 - 1

_REQUIRED: dict[str, type] = {
    "type": str,
    "sender": str,
    "content": dict,
    "origin_server_ts": int,
    "depth": int,
    "prev_events": list,
    "auth_events": list,
    "hashes": dict,
    "signatures": dict,
}
_OPTIONAL: dict[str, type] = {"state_key": str, "room_id": str, "unsigned": dict}
_SHORT_FIELDS = ("type", "state_key", "sender", "room_id", "event_id")
_JSON_NAMES: dict[type, str] = {
    str: "a string",
    dict: "an object",
    int: "an integer",
    list: "a list",
}


def check(pdu: Any, rules: RoomRules) -> None:
    """Raises InvalidEvent, BadJson or EventTooLarge unless `pdu` is an event of this version."""
    if type(pdu) is not dict:
        raise InvalidEvent("An event is an object")
    check_size(pdu, rules)
    _check_types(pdu, rules)
    _check_numbers(pdu, rules)
    _check_references(pdu, "prev_events", MAX_PREV_EVENTS, rules)
    _check_references(pdu, "auth_events", MAX_AUTH_EVENTS, rules)
    _check_hashes_and_signatures(pdu)
    _check_identifiers(pdu, rules)


def check_size(pdu: Mapping[str, Any], rules: RoomRules) -> int:
    """The bytes of the whole event; raises EventTooLarge, or BadJson if it cannot be encoded."""
    size_bytes = len(canonical_json.encode(pdu, strict=rules.strict_canonical_json))
    if size_bytes > MAX_EVENT_BYTES:
        raise EventTooLarge(f"The event has {size_bytes} bytes; {MAX_EVENT_BYTES} are allowed")
    for name in _SHORT_FIELDS:
        value = pdu.get(name)
        if isinstance(value, str) and len(value.encode()) > MAX_FIELD_BYTES:
            raise EventTooLarge(f"{name} has more than {MAX_FIELD_BYTES} bytes")
    return size_bytes


def stripped_state(events: Iterable["Event"]) -> list[dict[str, Any]]:
    """State events as invites and knocks carry them.

    Spec: client-server-api/#stripped-state
    """
    return [
        {
            "type": event.type,
            "sender": event.sender,
            "state_key": event.state_key,
            "content": event.content,
        }
        for event in events
    ]


def strip_event(event: Any) -> dict[str, Any] | None:
    """One received stripped event cut down to its four keys; None if it is not one."""
    if not isinstance(event, dict) or not isinstance(event.get("content"), dict):
        return None
    names = ("type", "sender", "state_key")
    if any(not isinstance(event.get(name), str) for name in names):
        return None
    return {**{name: event[name] for name in names}, "content": event["content"]}


def _check_types(pdu: dict[str, Any], rules: RoomRules) -> None:
    for name, kind in _REQUIRED.items():
        if name not in pdu:
            raise InvalidEvent(f"{name} is missing")
        _check_type(pdu, name, kind)
    for name, kind in _OPTIONAL.items():
        if name in pdu:
            _check_type(pdu, name, kind)
    if "redacts" in pdu and not rules.redacts_in_content:
        _check_type(pdu, "redacts", str)


def _check_type(pdu: dict[str, Any], name: str, kind: type) -> None:
    if type(pdu[name]) is not kind:
        raise InvalidEvent(f"{name} is not {_JSON_NAMES[kind]}")


def _check_numbers(pdu: dict[str, Any], rules: RoomRules) -> None:
    if not 0 <= pdu["depth"] <= rules.max_depth:
        raise InvalidEvent(f"depth is not between 0 and {rules.max_depth}")
    if not -MAX_TIMESTAMP <= pdu["origin_server_ts"] <= MAX_TIMESTAMP:
        raise InvalidEvent("origin_server_ts is out of range")


def _check_references(pdu: dict[str, Any], name: str, limit: int, rules: RoomRules) -> None:
    references = pdu[name]
    if len(references) > limit:
        raise InvalidEvent(f"{name} has more than {limit} entries")
    for reference in references:
        if rules.hashed_references and not _is_pair(reference):
            raise InvalidEvent(f"{name} has an entry that is not an event ID and its hashes")
        event_id = reference[0] if rules.hashed_references else reference
        if not _is_event_id(event_id):
            raise InvalidEvent(f"{name} has an entry that is not an event ID")


def _is_pair(reference: Any) -> bool:
    return type(reference) is list and len(reference) == 2 and type(reference[1]) is dict


def _is_event_id(value: Any) -> bool:
    return type(value) is str and value.startswith("$") and len(value.encode()) <= MAX_FIELD_BYTES


def _check_hashes_and_signatures(pdu: dict[str, Any]) -> None:
    if type(pdu["hashes"].get("sha256")) is not str:
        raise InvalidEvent("hashes.sha256 is not a string")
    for by_key in pdu["signatures"].values():
        if type(by_key) is not dict or any(type(one) is not str for one in by_key.values()):
            raise InvalidEvent("signatures is not an object of objects of strings")


def _check_identifiers(pdu: dict[str, Any], rules: RoomRules) -> None:
    try:
        parse_user_id(pdu["sender"])
        if rules.event_id_format is EventIdFormat.DOMAIN:
            _check_domain(parse_event_id(pdu.get("event_id", "")), "event_id")
        if "room_id" in pdu:
            _check_room_id(pdu["room_id"], rules)
    except InvalidIdentifier as error:
        raise InvalidEvent(error.message) from None
    # v12+: only the create event has no room_id: it gives the room its ID
    if "room_id" not in pdu and not (rules.hashed_room_id and pdu["type"] == "m.room.create"):
        raise InvalidEvent("room_id is missing")


def _check_room_id(room_id: str, rules: RoomRules) -> None:
    parse_room_id(room_id)
    if not rules.hashed_room_id:
        _check_domain(room_id, "room_id")
    elif ":" in room_id:
        raise InvalidEvent("room_id has a server in a room version without")


def _check_domain(identifier: str, name: str) -> None:
    if ":" not in identifier:
        raise InvalidEvent(f"{name} has no server")
