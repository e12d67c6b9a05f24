"""Rule 10: m.room.power_levels."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from chat.protocol.auth_rules.levels import DEFAULTS, creators_of, read_level
from chat.protocol.auth_rules.numbering import refusal
from chat.protocol.auth_rules.room_state import RoomState
from chat.protocol.event import Event
from chat.protocol.identifiers import is_user_id
from chat.protocol.room_versions import RoomRules


class _Change(NamedTuple):
    """One entry that differs; None stands for no entry."""

    name: str
    current: int | None
    new: int | None


def check_power_levels(event: Event, state: RoomState) -> None:
    """Raises AuthRefused unless the sender may set these power levels."""
    rules, content = state.rules, event.content
    if rules.integer_power_levels:
        _check_integers(content, rules)
    _check_users(content, rules)
    if rules.privileged_creators:
        _check_creators(content, state)
    if state.power_levels is None:  # 10.5
        return
    level = state.level_of(event.sender)
    previous = state.power_levels.content
    _check_properties(previous, content, level, rules)
    _check_events(previous, content, level, rules)
    _check_user_changes(event, previous, level, rules)


def _check_integers(content: dict[str, Any], rules: RoomRules) -> None:
    for name in DEFAULTS:
        if name in content and type(content[name]) is not int:  # 10.1
            raise refusal(rules, "levels.integers", f"{name} is not an integer")
    for name in ("events", "notifications"):
        if name in content and not _is_map_of_levels(content[name], rules):  # 10.2
            raise refusal(rules, "levels.maps", f"{name} is not an object of integers")


def _check_users(content: dict[str, Any], rules: RoomRules) -> None:
    users = content.get("users", {})
    if not _is_map_of_levels(users, rules) or not all(map(is_user_id, users)):  # 10.3
        raise refusal(rules, "levels.users", "users is not an object of user IDs and levels")


def _check_creators(content: dict[str, Any], state: RoomState) -> None:
    users = content.get("users", {})
    if any(creator in users for creator in creators_of(state.create, state.rules)):  # 10.4
        raise refusal(state.rules, "levels.creators", "Creators have no entry in users")


def _check_properties(
    previous: dict[str, Any], content: dict[str, Any], level: float, rules: RoomRules
) -> None:
    for change in _changes(previous, content, DEFAULTS, rules):  # 10.6
        if change.current is not None and change.current > level:  # 10.6.1
            message = f"{change.name} is above the sender's level"
            raise refusal(rules, "levels.property_current", message)
        if change.new is not None and change.new > level:  # 10.6.2
            message = f"{change.name} would be above the sender's level"
            raise refusal(rules, "levels.property_new", message)


def _check_events(
    previous: dict[str, Any], content: dict[str, Any], level: float, rules: RoomRules
) -> None:
    maps = ("events", "notifications") if rules.notification_levels_checked else ("events",)
    changes = [change for name in maps for change in _map_changes(previous, content, name, rules)]
    for change in changes:  # 10.7
        if change.current is not None and change.current > level:  # 10.7.1
            message = f"The level of {change.name[:80]} is above the sender's"
            raise refusal(rules, "levels.events_current", message)
    for change in changes:  # 10.8
        if change.new is not None and change.new > level:  # 10.8.1
            message = f"The level of {change.name[:80]} would be above the sender's"
            raise refusal(rules, "levels.events_new", message)


def _check_user_changes(
    event: Event, previous: dict[str, Any], level: float, rules: RoomRules
) -> None:
    changes = _map_changes(previous, event.content, "users", rules)
    for change in changes:  # 10.9
        is_own = change.name == event.sender
        if not is_own and change.current is not None and change.current >= level:  # 10.9.1
            message = f"The level of {change.name} is not below the sender's"
            raise refusal(rules, "levels.users_current", message)
    for change in changes:  # 10.10
        if change.new is not None and change.new > level:  # 10.10.1
            message = f"The level of {change.name} would be above the sender's"
            raise refusal(rules, "levels.users_new", message)


def _map_changes(
    previous: dict[str, Any], content: dict[str, Any], name: str, rules: RoomRules
) -> list[_Change]:
    current, new = _map(previous, name), _map(content, name)
    return _changes(current, new, current.keys() | new.keys(), rules)


def _changes(
    current: dict[str, Any], new: dict[str, Any], names: Iterable[str], rules: RoomRules
) -> list[_Change]:
    """What is added, changed or removed; "50" and 50 are the same level."""
    both = (
        _Change(name, read_level(current.get(name), rules), read_level(new.get(name), rules))
        for name in names
    )
    return [change for change in both if change.current != change.new]


def _map(content: dict[str, Any], name: str) -> dict[str, Any]:
    value = content.get(name)
    return value if isinstance(value, dict) else {}


def _is_map_of_levels(value: Any, rules: RoomRules) -> bool:
    return isinstance(value, dict) and all(
        read_level(level, rules) is not None for level in value.values()
    )
