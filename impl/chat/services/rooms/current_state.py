"""A few entries of a room's current state, as events; for decisions that do not end in an event."""

from collections.abc import Collection

from chat.protocol import canonical_json
from chat.protocol.event import Event, StateKey
from chat.protocol.room_versions import rules_for
from chat.storage import events
from chat.storage.engine import Transaction
from chat.storage.rooms import Room


def events_of(tx: Transaction, room: Room, keys: Collection[StateKey]) -> dict[StateKey, Event]:
    """The current events of these keys; keys without one are absent."""
    rules = rules_for(room.version)
    found = events.in_state(tx, [(room.room, *key) for key in keys])
    return {
        (row.type, row.state_key or ""): Event.trusted(
            row.event_id, canonical_json.decode(body), rules
        )
        for row, body in found
    }
