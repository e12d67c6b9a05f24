"""What a resolution asks of its caller, each question once."""

from collections.abc import Callable

from chat.protocol.auth_rules.selection import CREATE, POWER_LEVELS
from chat.protocol.event import Event, StateKey
from chat.protocol.identifiers import EventId
from chat.protocol.room_versions import RoomRules


class Lookups:
    """The caller's functions with a memory for one resolution."""

    def __init__(
        self,
        rules: RoomRules,
        event: Callable[[EventId], Event],
        unconflicted: Callable[[StateKey], EventId | None],
        is_rejected: Callable[[EventId], bool],
        conflicted: frozenset[StateKey],
    ) -> None:
        self.rules = rules
        self.conflicted = conflicted
        self.is_rejected = is_rejected
        self._event = event
        self._unconflicted = unconflicted
        self._events: dict[EventId, Event] = {}
        self._cited: dict[EventId, dict[StateKey, Event]] = {}
        self._entries: dict[StateKey, EventId | None] = {}

    def event(self, event_id: EventId) -> Event:
        """The event with this ID."""
        event = self._events.get(event_id)
        if event is None:
            event = self._events[event_id] = self._event(event_id)
        return event

    def unconflicted(self, key: StateKey) -> EventId | None:
        """What all states have at this key; None for conflicted keys."""
        if key in self.conflicted:
            return None
        if key not in self._entries:
            self._entries[key] = self._unconflicted(key)
        return self._entries[key]

    def cited(self, event: Event) -> dict[StateKey, Event]:
        """The event's auth events by the entry they set, with the create event of its room."""
        cited = self._cited.get(event.event_id)
        if cited is None:
            cited = {entry.key: entry for entry in map(self.event, event.auth_events)}
            if self.rules.hashed_room_id and event.type != CREATE[0]:
                cited[CREATE] = self.event(EventId(f"${event.room_id[1:]}"))
            self._cited[event.event_id] = cited
        return cited

    def power_parent(self, event: Event) -> Event | None:
        """The power levels among the event's auth events."""
        return self.cited(event).get(POWER_LEVELS)
