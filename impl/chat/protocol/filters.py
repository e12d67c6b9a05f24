"""Filters of events, compiled once and matched without looking anything up.

Spec: client-server-api/#filtering
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat.protocol.errors import BadJson
from chat.protocol.globs import Glob
from chat.protocol.property_paths import parse_path


class _Types:
    """A list of event types in which `*` stands for any characters."""

    __slots__ = ("_exact", "_globs")

    def __init__(self, types: list[str]) -> None:
        self._exact = frozenset(one for one in types if "*" not in one)
        self._globs = [Glob(one, wildcards="*") for one in types if "*" in one]

    def __contains__(self, event_type: object) -> bool:
        return event_type in self._exact or any(
            glob.matches(str(event_type)) for glob in self._globs
        )


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to include. An absent list (None) includes everything; exclusions win.

    `limit` is what the client asked for, or None; the server's own bounds are applied elsewhere.
    """

    limit: int | None = None
    types: _Types | None = None
    not_types: _Types | None = None
    senders: frozenset[str] | None = None
    not_senders: frozenset[str] | None = None
    rooms: frozenset[str] | None = None
    not_rooms: frozenset[str] | None = None
    contains_url: bool | None = None
    lazy_load_members: bool = False
    include_redundant_members: bool = False
    unread_thread_notifications: bool = False

    def matches(self, event_type: str, sender: str | None, content: Mapping[str, Any]) -> bool:
        """Whether an event of a room that `matches_room` is included."""
        if self.types is not None and event_type not in self.types:
            return False
        if self.not_types is not None and event_type in self.not_types:
            return False
        if self.senders is not None and sender not in self.senders:
            return False
        if self.not_senders is not None and sender in self.not_senders:
            return False
        return self.contains_url is None or ("url" in content) is self.contains_url

    def matches_room(self, room_id: str) -> bool:
        """Whether events of this room are included at all."""
        if self.rooms is not None and room_id not in self.rooms:
            return False
        return self.not_rooms is None or room_id not in self.not_rooms

    @property
    def includes_all(self) -> bool:
        """Whether no event is left out, so that nothing needs to be matched."""
        choices = (self.types, self.not_types, self.senders, self.not_senders)
        rooms = (self.rooms, self.not_rooms)
        return self.contains_url is None and all(one is None for one in (*choices, *rooms))


@dataclass(frozen=True, slots=True)
class RoomFilter:
    """The part of a sync filter that concerns rooms."""

    rooms: frozenset[str] | None = None
    not_rooms: frozenset[str] | None = None
    include_leave: bool = False
    ephemeral: EventFilter = EventFilter()
    state: EventFilter = EventFilter()
    timeline: EventFilter = EventFilter()
    account_data: EventFilter = EventFilter()

    def matches_room(self, room_id: str) -> bool:
        """Whether the room is included; the four event filters come after this."""
        if self.rooms is not None and room_id not in self.rooms:
            return False
        return self.not_rooms is None or room_id not in self.not_rooms


@dataclass(frozen=True, slots=True)
class SyncFilter:
    """A whole filter, as stored for a user or given inline.

    `event_fields` are the property paths to include in events, or None for all.
    """

    event_fields: tuple[tuple[str, ...], ...] | None = None
    federation_format: bool = False
    presence: EventFilter = EventFilter()
    account_data: EventFilter = EventFilter()
    room: RoomFilter = RoomFilter()


def compile_event_filter(data: Any) -> EventFilter:
    """An event filter, of rooms or not; raises BadJson, naming the field."""
    _check_object(data, "filter")
    types, not_types = _strings(data, "types"), _strings(data, "not_types")
    return EventFilter(
        limit=_limit(data),
        types=None if types is None else _Types(types),
        not_types=None if not_types is None else _Types(not_types),
        senders=_set(data, "senders"),
        not_senders=_set(data, "not_senders"),
        rooms=_set(data, "rooms"),
        not_rooms=_set(data, "not_rooms"),
        contains_url=_flag(data, "contains_url"),
        lazy_load_members=_flag(data, "lazy_load_members") or False,
        include_redundant_members=_flag(data, "include_redundant_members") or False,
        unread_thread_notifications=_flag(data, "unread_thread_notifications") or False,
    )


def compile_sync_filter(data: Any) -> SyncFilter:
    """A whole filter; raises BadJson, naming the field."""
    _check_object(data, "filter")
    fields = _strings(data, "event_fields")
    event_format = data.get("event_format", "client")
    if event_format not in ("client", "federation"):
        raise BadJson("event_format is neither client nor federation")
    return SyncFilter(
        event_fields=None if fields is None else tuple(parse_path(one) for one in fields),
        federation_format=event_format == "federation",
        presence=compile_event_filter(data.get("presence", {})),
        account_data=compile_event_filter(data.get("account_data", {})),
        room=_room_filter(data.get("room", {})),
    )


def _room_filter(data: Any) -> RoomFilter:
    _check_object(data, "room")
    return RoomFilter(
        rooms=_set(data, "rooms"),
        not_rooms=_set(data, "not_rooms"),
        include_leave=_flag(data, "include_leave") or False,
        ephemeral=compile_event_filter(data.get("ephemeral", {})),
        state=compile_event_filter(data.get("state", {})),
        timeline=compile_event_filter(data.get("timeline", {})),
        account_data=compile_event_filter(data.get("account_data", {})),
    )


def _check_object(data: Any, name: str) -> None:
    if not isinstance(data, dict):
        raise BadJson(f"{name} is not an object")


def _strings(data: dict[str, Any], name: str) -> list[str] | None:
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or any(type(one) is not str for one in value):
        raise BadJson(f"{name} is not a list of strings")
    return value


def _set(data: dict[str, Any], name: str) -> frozenset[str] | None:
    value = _strings(data, name)
    return None if value is None else frozenset(value)


def _flag(data: dict[str, Any], name: str) -> bool | None:
    value = data.get(name)
    if value is not None and type(value) is not bool:
        raise BadJson(f"{name} is not true or false")
    return value


def _limit(data: dict[str, Any]) -> int | None:
    value = data.get("limit")
    if value is not None and (type(value) is not int or value < 0):
        raise BadJson("limit is not a number of events")
    return value
