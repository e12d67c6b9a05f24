"""A room under its lock, with what is known of its current state."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from chat.protocol.event import Event, StateKey
from chat.protocol.room_versions import rules_for
from chat.services.rooms import current_state
from chat.storage import events
from chat.storage.engine import Transaction
from chat.storage.rooms import Room


class Entry(NamedTuple):
    """An entry of the room state, and the number of its event."""

    event: Event
    ev: int


@dataclass(frozen=True, slots=True)
class KnownState:
    """Part of the state of a room at a position of its main line; absent keys are not known.

    `redactions`: how many there had been in the room, for they empty entries.
    """

    head: int
    redactions: int
    entries: Mapping[StateKey, Entry | None]

    def is_of(self, room: Room) -> bool:
        """Whether it is still true: a position identifies the whole state."""
        return (self.head, self.redactions) == (room.head, room.redactions)


class OpenRoom:
    """A room under its lock, as the drafts so far leave it."""

    def __init__(
        self, tx: Transaction, room: Room, known: KnownState | None, *, new: bool = False
    ) -> None:
        self.room = room
        self.rules = rules_for(room.version)
        self.changed: dict[StateKey, Entry | None] = {}  # None: it vanished
        self._tx = tx
        self._new = new  # the database has no state of it
        self._fetched: dict[StateKey, Entry | None] = {}
        self._redactions = room.redactions
        self._known = known.entries if known is not None and known.is_of(room) else {}

    def entry(self, key: StateKey) -> Entry | None:
        """The current entry of a key."""
        for entries in (self.changed, self._known, self._fetched):
            if key in entries:
                return entries[key]
        if self._new:
            return None
        fetch(self._tx, {self: [key]})
        return self._fetched[key]

    def event(self, key: StateKey) -> Event | None:
        """The current event of a key."""
        entry = self.entry(key)
        return None if entry is None else entry.event

    def knows(self, key: StateKey) -> bool:
        """Whether the entry of a key needs no statement."""
        return key in self.changed or key in self._known or key in self._fetched

    def learn(self, key: StateKey, entry: Entry | None) -> None:
        """Note what the database says of a key."""
        self._fetched[key] = entry

    def known(self) -> KnownState | None:
        """What is known now; None if that is what was known before."""
        if not self._fetched and not self.changed:
            return None
        entries = {**self._known, **self._fetched, **self.changed}
        return KnownState(self.room.head, self._redactions, entries)


def fetch(tx: Transaction, wanted: Mapping[OpenRoom, list[StateKey]]) -> None:
    """Learn entries of several rooms by one statement."""
    missing = {
        (room.room.room, *key): room
        for room, keys in wanted.items()
        for key in keys
        if not room.knows(key)
    }
    if not missing:
        return
    found: dict[tuple[int, str, str], Entry] = {}
    for row, body in events.in_state(tx, missing):
        key = (row.room, row.type, row.state_key or "")
        found[key] = Entry(current_state.event_of(row, body, missing[key].rules), row.ev)
    for wanted_key, room in missing.items():
        room.learn(wanted_key[1:], found.get(wanted_key))
