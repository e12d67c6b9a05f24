"""The event, as every layer handles it."""

from typing import Any, TypeAlias

import msgspec

from chat.protocol import event_format, signatures
from chat.protocol.identifiers import EventId, RoomId, UserId
from chat.protocol.room_versions import RoomRules

StateKey: TypeAlias = tuple[str, str]  # (type, state_key)


class Event(msgspec.Struct, frozen=True, eq=False):
    """One event of a room; two are equal when their IDs are.

    `pdu` is the event as it travels between servers in its room version: without `event_id` from
    version 3 on, and without the `room_id` of a create event from version 12 on. Neither the
    event nor its `pdu` may be changed.
    """

    event_id: EventId
    room_id: RoomId
    type: str
    state_key: str | None
    sender: UserId
    content: dict[str, Any]
    depth: int
    origin_server_ts: int
    prev_events: tuple[EventId, ...]
    auth_events: tuple[EventId, ...]
    pdu: dict[str, Any]
    rules: RoomRules

    @classmethod
    def trusted(cls, event_id: EventId, pdu: dict[str, Any], rules: RoomRules) -> "Event":
        """An event that was checked before, for instance a stored one; nothing is checked again."""
        prev_events, auth_events = pdu["prev_events"], pdu["auth_events"]
        if rules.hashed_references:
            prev_events = [reference[0] for reference in prev_events]
            auth_events = [reference[0] for reference in auth_events]
        room_id = pdu.get("room_id")
        return cls(
            event_id,
            RoomId("!" + event_id[1:]) if room_id is None else room_id,
            pdu["type"],
            pdu.get("state_key"),
            pdu["sender"],
            pdu["content"],
            pdu["depth"],
            pdu["origin_server_ts"],
            tuple(prev_events),
            tuple(auth_events),
            pdu,
            rules,
        )

    @property
    def is_state(self) -> bool:
        """Whether this is a state event."""
        return self.state_key is not None

    @property
    def key(self) -> StateKey:
        """The entry of the room state that a state event sets; only for state events."""
        assert self.state_key is not None
        return self.type, self.state_key

    @property
    def redacts(self) -> EventId | None:
        """The event that a redaction redacts: top-level before version 11, then in `content`."""
        holder = self.content if self.rules.redacts_in_content else self.pdu
        target = holder.get("redacts")
        return EventId(target) if isinstance(target, str) else None

    @property
    def unsigned(self) -> dict[str, Any]:
        """What servers added without signing it."""
        unsigned: dict[str, Any] = self.pdu.get("unsigned", {})
        return unsigned

    def __repr__(self) -> str:
        return f"<Event {self.event_id} {self.type} {self.state_key!r} by {self.sender}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and other.event_id == self.event_id

    def __hash__(self) -> int:
        return hash(self.event_id)


def parse_event(pdu: Any, rules: RoomRules) -> Event:
    """An event as received, checked against the format of its room version.

    Raises InvalidEvent, BadJson or EventTooLarge (first of the checks performed on receipt of a
    PDU). Signatures, content hash and authorisation are the caller's next steps.
    """
    event_format.check(pdu, rules)
    return Event.trusted(signatures.event_id(pdu, rules), pdu, rules)
