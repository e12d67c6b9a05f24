"""Power levels as the rules read them.

Spec: client-server-api/#mroompower_levels, server-server-api/#definitions
"""

import math
import re
from typing import Any

from chat.protocol.event import Event
from chat.protocol.room_versions import RoomRules

INFINITE_LEVEL = math.inf  # of the creators, from version 12 on

DEFAULTS: dict[str, int] = {
    "users_default": 0,
    "events_default": 0,
    "state_default": 50,
    "ban": 50,
    "redact": 50,
    "kick": 50,
    "invite": 0,
}
NOTIFICATION_DEFAULT = 50

_INTEGER_TEXT = re.compile(r"[ \t\n\r\f\v]*([+-]?[0-9]{1,1000})[ \t\n\r\f\v]*")


def read_level(value: Any, rules: RoomRules) -> int | None:
    """A power level as a version writes it; None for what is none.

    Before version 10 strings of digits count, and floats, cut at the point.
    Spec: rooms/v1/#deprecated-event-content-schemas
    """
    if type(value) is int:
        return value
    if rules.integer_power_levels:
        return None
    if type(value) is float and math.isfinite(value):
        return int(value)
    if type(value) is str and (match := _INTEGER_TEXT.fullmatch(value)):
        return int(match[1])
    return None


def creators_of(create: Event, rules: RoomRules) -> list[str]:
    """The users who count as creators of the room."""
    if not rules.creator_is_sender:
        creator = create.content.get("creator")
        return [creator] if isinstance(creator, str) else []
    if not rules.privileged_creators:
        return [create.sender]
    named = create.content.get("additional_creators")
    return [
        create.sender,
        *(named if isinstance(named, list) else ()),
    ]  # else the create event was refused


def power_level_of(
    user_id: str, power_levels: Event | None, create: Event, rules: RoomRules
) -> float:
    """The level of a user; INFINITE_LEVEL for creators from version 12 on."""
    if rules.privileged_creators and user_id in creators_of(create, rules):
        return INFINITE_LEVEL
    if power_levels is None:
        is_creator = not rules.privileged_creators and user_id in creators_of(create, rules)
        return 100 if is_creator else 0
    users = power_levels.content.get("users")
    if isinstance(users, dict) and user_id in users:
        level = read_level(users[user_id], rules)
        if level is not None:
            return level
    return named_level("users_default", power_levels, rules)


def named_level(name: str, power_levels: Event | None, rules: RoomRules) -> int:
    """The level for `ban`, `invite`, `kick`, `redact` or one of the defaults."""
    if power_levels is not None:
        level = read_level(power_levels.content.get(name), rules)
        if level is not None:
            return level
    return DEFAULTS[name]


def required_level(
    event_type: str, power_levels: Event | None, rules: RoomRules, *, is_state: bool
) -> int:
    """The level that sending such an event takes."""
    if power_levels is not None:
        events = power_levels.content.get("events")
        if isinstance(events, dict) and event_type in events:
            level = read_level(events[event_type], rules)
            if level is not None:
                return level
    return named_level("state_default" if is_state else "events_default", power_levels, rules)


def notification_level(key: str, power_levels: Event | None, rules: RoomRules) -> int:
    """The level that triggering a notification of this kind takes, for instance `room`."""
    if power_levels is not None:
        notifications = power_levels.content.get("notifications")
        if isinstance(notifications, dict):
            level = read_level(notifications.get(key), rules)
            if level is not None:
                return level
    return NOTIFICATION_DEFAULT
