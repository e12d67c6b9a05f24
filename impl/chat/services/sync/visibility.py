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
from chat.storage import events, lines, state, sync
from chat.storage.engine import Transaction
from chat.storage.events import EventRow
from chat.storage.state import Ref
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
    main = {room: line for room, (line, _, _) in sync.main_lines(tx, timelines).items()}
    found: dict[int, str] = {}
    straight = {}
    for room, rows in timelines.items():
        straight[room] = [row for row in rows if row.before_line == main[room]]
        branched = [row for row in rows if row.before_line not in (main[room], None)]
        if branched:
            found |= _visible_on_branches(tx, cache, main[room], branched, keys, member_key)
    straight = {room: rows for room, rows in straight.items() if rows}
    histories = _histories(tx, cache, straight, main, list(keys.values()))
    for room, rows in straight.items():
        settings = histories.get((room, keys.get(HISTORY_VISIBILITY, 0)), _History((), {}))
        members = histories.get((room, keys.get(member_key, 0)), _History((), {}))
        for row in rows:
            membership = _membership_if_visible(row, settings, members, member_key)
            if membership is not None:
                found[row.ev] = membership
    return found


def _histories(
    tx: Transaction,
    cache: EventCache,
    timelines: Mapping[int, Sequence[EventRow]],
    main: Mapping[int, int],
    ks: list[int],
) -> dict[tuple[int, int], _History]:
    spans = [
        StateSpan(
            room,
            main[room],
            min(row.before_pos or 0 for row in rows),
            max(row.head for row in rows),
        )
        for room, rows in timelines.items()
    ]
    entries = sync.histories(tx, spans, [(span.room, k) for span in spans for k in ks])
    numbers = {ev for of_key in entries.values() for _, ev in of_key if ev}
    shown = client_events.load(tx, cache, events.by_numbers(tx, numbers).values())
    return {key: _History(of_key, shown) for key, of_key in entries.items()}


def _visible_on_branches(
    tx: Transaction,
    cache: EventCache,
    main_line: int,
    rows: Sequence[EventRow],
    keys: Mapping[StateKey, int],
    member_key: StateKey,
) -> dict[int, str]:
    """As `visible`, of events of one room whose states lie beside its main line."""
    refs = {Ref(row.before_line or 0, row.before_pos or 0) for row in rows}
    states = lines.gather(tx, rows[0].room, main_line, refs, list(keys.values()))
    numbers = {ev for entries in states.values() for ev in entries.values() if ev}
    numbers |= {row.ev for row in rows if row.state_key is not None}
    shown = client_events.load(tx, cache, events.by_numbers(tx, numbers).values())
    found = {}
    for row in rows:
        before = states[Ref(row.before_line or 0, row.before_pos or 0)]
        setting, member = (
            shown.get(before.get(keys.get(key, 0), 0)) for key in (HISTORY_VISIBILITY, member_key)
        )
        after = shown.get(row.ev)
        membership = _shows(row, member_key, (setting, after), (member, after))
        if membership is not None:
            found[row.ev] = membership
    return found


def _membership_if_visible(
    row: EventRow, settings: _History, members: _History, member_key: StateKey
) -> str | None:
    before = row.before_pos or 0
    return _shows(
        row,
        member_key,
        (settings.at(before), settings.at(row.head)),
        (members.at(before), members.at(row.head)),
    )


def _shows(
    row: EventRow,
    member_key: StateKey,
    settings: tuple[ClientEvent | None, ClientEvent | None],
    members: tuple[ClientEvent | None, ClientEvent | None],
) -> str | None:
    """The user's membership at an event that they may see.

    Of the room's setting and of the user's membership: what there was before, and what after.
    """
    memberships = [_membership(members[0])]
    visibilities = [_visibility(settings[0])]
    if row.state_key is not None:
        # What an event changes counts as it was before or as it is after, whichever shows more.
        if (row.type, row.state_key) == member_key:
            memberships.append(_membership(members[1]))
        elif (row.type, row.state_key) == HISTORY_VISIBILITY:
            visibilities.append(_visibility(settings[1]))
    pairs = product(visibilities, memberships)
    if any(shows(rule, stay, joined_later=True) for rule, stay in pairs):
        return memberships[-1]
    return None


def _membership(event: ClientEvent | None) -> str:
    return (event.membership if event is not None else None) or "leave"


def _visibility(event: ClientEvent | None) -> str:
    return (event.history_visibility if event is not None else None) or "shared"
