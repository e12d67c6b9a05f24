"""A few entries of a room's current state, as events."""

from collections.abc import Collection

from chat.protocol import canonical_json
from chat.protocol.event import Event, StateKey
from chat.protocol.redaction import redact
from chat.protocol.room_versions import RoomRules, rules_for
from chat.storage import events
from chat.storage.engine import Transaction
from chat.storage.events import EventRow
from chat.storage.rooms import Room


def events_of(tx: Transaction, room: Room, keys: Collection[StateKey]) -> dict[StateKey, Event]:
    """The current events of these keys, redacted where they were; keys without one are absent."""
    rules = rules_for(room.version)
    found = events.in_state(tx, [(room.room, *key) for key in keys])
    return {(row.type, row.state_key or ""): event_of(row, body, rules) for row, body in found}


def event_of(row: EventRow, body: str, rules: RoomRules) -> Event:
    """The event of a row and its JSON, redacted where it was."""
    pdu = canonical_json.decode(body)
    if row.redacted_by is not None:
        pdu = redact(pdu, rules)
    return Event.trusted(row.event_id, pdu, rules)
