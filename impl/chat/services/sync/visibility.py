"""Which events of a timeline a user may see.

Spec: client-server-api/#room-history-visibility
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import product

from chat.protocol.event import StateKey
from chat.services.rooms import client_events
from chat.services.rooms.client_events import ClientEvent, EventCache
from chat.services.rooms.visibility import shows
from chat.storage import events, state, sync
from chat.storage.engine import Transaction
from chat.storage.events import EventRow
from chat.storage.sync import StateSpan

HISTORY_VISIBILITY: StateKey = ("m.room.history_visibility", "")


class _History:
    """The entries of one state key by position of the main line."""

    def __init__(
        self, entries: Sequence[tuple[int, int]], shown: Mapping[int, ClientEvent]
    ) -> None:
        self._positions = [pos for pos, _ in entries]
        self._events = [shown.get(ev) for _, ev in entries]

    def at(self, pos: int) -> ClientEvent | None:
        """The entry at a position."""
        place = bisect_right(self._positions, pos) - 1
        return self._events[place] if place >= 0 else None


def visible(
    tx: Transaction, cache: EventCache, user_id: str, timelines: Mapping[int, Sequence[EventRow]]
) -> dict[int, str]:
    """Event number → membership of the user at it, of the events that the user may see.

    For users who are joined to the rooms, or were after all of these events.
    """
    member_key = ("m.room.member", user_id)
    keys = state.find_keys(tx, [HISTORY_VISIBILITY, member_key])
    lines = {room: line for room, (line, _, _) in sync.main_lines(tx, timelines).items()}
    histories = _histories(tx, cache, timelines, lines, list(keys.values()))
    found = {}
    for room, rows in timelines.items():
        settings = histories.get((room, keys.get(HISTORY_VISIBILITY, 0)), _History((), {}))
        members = histories.get((room, keys.get(member_key, 0)), _History((), {}))
        for row in rows:
            membership = _membership_if_visible(row, settings, members, member_key)
            if membership is not None and row.before_line == lines[room]:
                found[row.ev] = membership
    return found


def _histories(
    tx: Transaction,
    cache: EventCache,
    timelines: Mapping[int, Sequence[EventRow]],
    lines: Mapping[int, int],
    ks: list[int],
) -> dict[tuple[int, int], _History]:
    spans = [
        StateSpan(
            room,
            lines[room],
            min(row.before_pos or 0 for row in rows),
            max(row.head for row in rows),
        )
        for room, rows in timelines.items()
    ]
    entries = sync.histories(tx, spans, [(span.room, k) for span in spans for k in ks])
    numbers = {ev for of_key in entries.values() for _, ev in of_key if ev}
    shown = client_events.load(tx, cache, events.by_numbers(tx, numbers).values())
    return {key: _History(of_key, shown) for key, of_key in entries.items()}


def _membership_if_visible(
    row: EventRow, settings: _History, members: _History, member_key: StateKey
) -> str | None:
    before = row.before_pos or 0
    memberships = [_membership(members.at(before))]
    visibilities = [_visibility(settings.at(before))]
    if row.state_key is not None:
        # What an event changes counts as it was before or as it is after, whichever shows more.
        if (row.type, row.state_key) == member_key:
            memberships.append(_membership(members.at(row.head)))
        elif (row.type, row.state_key) == HISTORY_VISIBILITY:
            visibilities.append(_visibility(settings.at(row.head)))
    pairs = product(visibilities, memberships)
    if any(shows(rule, stay, joined_later=True) for rule, stay in pairs):
        return memberships[-1]
    return None


def _membership(event: ClientEvent | None) -> str:
    return (event.membership if event is not None else None) or "leave"


def _visibility(event: ClientEvent | None) -> str:
    return (event.history_visibility if event is not None else None) or "shared"
