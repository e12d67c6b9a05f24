"""Rule 1: m.room.create."""

from typing import Any

from chat.protocol.auth_rules.numbering import refusal
from chat.protocol.event import Event
from chat.protocol.identifiers import is_user_id
from chat.protocol.room_versions import ROOM_VERSIONS, RoomRules


def check_create(event: Event, rules: RoomRules) -> None:
    """Raises AuthRefused unless the event may create its room."""
    if event.prev_events:  # 1.1
        raise refusal(rules, "create.prev_events", "A create event has no previous events")
    _check_room_id(event, rules)  # 1.2
    version = event.content.get("room_version", rules.version)
    if not isinstance(version, str) or version not in ROOM_VERSIONS:  # 1.3
        raise refusal(rules, "create.room_version", "Unknown room version")
    if not rules.creator_is_sender and "creator" not in event.content:  # 1.4 before v11
        raise refusal(rules, "create.creator", "A create event names the creator")
    if rules.privileged_creators and not _are_user_ids(
        event.content.get("additional_creators", [])
    ):  # 1.4
        message = "additional_creators is not a list of user IDs"
        raise refusal(rules, "create.additional_creators", message)


def _check_room_id(event: Event, rules: RoomRules) -> None:
    if rules.hashed_room_id:
        if "room_id" in event.pdu:
            raise refusal(rules, "create.room_id", "A create event has no room_id")
    elif event.room_id.partition(":")[2] != event.sender.partition(":")[2]:
        raise refusal(rules, "create.room_id", "The room ID is of another server than the sender")


def _are_user_ids(value: Any) -> bool:
    return isinstance(value, list) and all(is_user_id(user_id) for user_id in value)
