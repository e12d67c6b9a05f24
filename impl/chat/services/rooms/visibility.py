"""What a user may see of a room: of its state, and of its history.

A page of history is decided from two lists of intervals, the room's history visibility and the
user's memberships, which are read once for the whole page.
Spec: client-server-api/#room-history-visibility
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from operator import itemgetter

from chat.protocol.errors import Forbidden, NotFound
from chat.protocol.event import StateKey
from chat.services.rooms import client_events
from chat.services.rooms.client_events import EventCache
from chat.storage import events, lines, rooms, state
from chat.storage.engine import Transaction
from chat.storage.events import EventRow
from chat.storage.rooms import Room
from chat.storage.state import Ref

HISTORY_VISIBILITY = ("m.room.history_visibility", "")
FOREVER = 2**31


@dataclass(frozen=True, slots=True)
class View:
    """A room as one user may see it.

    `head`: the position of the state that they see: of today, or of when they left.
    """

    room: Room
    user_id: str
    membership: str
    head: int

    @property
    def is_current(self) -> bool:
        """Whether the state of today is shown."""
        return self.head == self.room.head

    @property
    def ref(self) -> Ref:
        """The state that is shown."""
        return Ref(self.room.main_line, self.head)


def view(tx: Transaction, cache: EventCache, user_id: str, room_id: str) -> View:
    """How a user may see a room: as a member, as a former one, or as anybody may.

    Raises Forbidden for everybody else, NotFound for rooms that are not known here.
    """
    seen = rooms.seen(tx, user_id, room_id)
    if seen is None:
        raise NotFound("There is no such room")
    room, member, membership = seen.room, seen.member, seen.membership
    if membership == "join" or seen.history_visibility == "world_readable":
        return View(room, user_id, membership, room.head)
    if member is None or member.forgotten or membership not in ("leave", "ban"):
        raise Forbidden("You are not in this room")
    left = _last_joined_until(tx, cache, room, user_id)
    if left == 0:
        raise Forbidden("You have never been in this room")
    return View(room, user_id, membership, left)


def _last_joined_until(tx: Transaction, cache: EventCache, room: Room, user_id: str) -> int:
    """The position of the step that ended a user's last stay; 0 if they never were in the room."""
    member = ("m.room.member", user_id)
    k = state.find_keys(tx, [member]).get(member)
    if k is None:
        return 0
    entries = state.history(tx, room.room, room.main_line, [k], 0, room.head)[k]
    memberships = _contents(tx, cache, [ev for _, ev in entries])
    for (pos, _), (_, before) in zip(reversed(entries), reversed(entries[:-1]), strict=False):
        if memberships.get(before) == "join":
            return pos
    return 0


def _contents(tx: Transaction, cache: EventCache, evs: Sequence[int]) -> dict[int, str]:
    """The membership, or history visibility, that state events set, by number.

    Redactions leave both, so what was read once stays true.
    """
    found = {ev: cache.settings[ev] for ev in evs if ev in cache.settings}
    missing = [ev for ev in evs if ev and ev not in found]
    if missing:
        rows = list(events.by_numbers(tx, missing).values())
        for ev, event in client_events.load(tx, cache, rows).items():
            found[ev] = event.membership or event.history_visibility or ""
            cache.note_setting(ev, found[ev])
    return {ev: value for ev, value in found.items() if value}


Entry = Callable[[Ref, int], int]


def entries_around(
    tx: Transaction, room: int, main_line: int, rows: Iterable[EventRow], ks: Sequence[int]
) -> Entry:
    """A look-up of what keys hold in the states before and after events, 0 for nothing.

    One statement; two more where an event lies beside the main line.
    """
    refs = {ref for row in rows for ref in (row.before, row.after) if ref is not None}
    if any(ref.line != main_line for ref in refs):
        found = lines.gather(tx, room, main_line, refs, ks)
        return lambda ref, k: found[ref].get(k, 0)
    low, high = min(ref.pos for ref in refs), max(ref.pos for ref in refs)
    histories = state.history(tx, room, main_line, ks, low, high)

    def entry(ref: Ref, k: int) -> int:
        entries = histories.get(k, [(low, 0)])
        return entries[bisect_right(entries, ref.pos, key=itemgetter(0)) - 1][1]

    return entry


def visible(
    tx: Transaction, cache: EventCache, seen_by: View, rows: Sequence[EventRow]
) -> list[EventRow]:
    """Those of the events of one room that the user may see, in their order."""
    seen = memberships_at(tx, cache, seen_by, rows)
    return [row for row in rows if row.ev in seen]


def memberships_at(
    tx: Transaction, cache: EventCache, seen_by: View, rows: Sequence[EventRow]
) -> dict[int, str]:
    """Event number → the user's membership once the event was in, of those that they may see."""
    placed = [row for row in rows if row.before is not None and row.pos is not None]
    if not placed:  # hidden ones have no position
        return {}
    judge = _judge(tx, cache, seen_by, placed)
    found = ((row.ev, judge(row)) for row in placed)
    return {ev: membership for ev, membership in found if membership is not None}


def _judge(
    tx: Transaction, cache: EventCache, seen_by: View, rows: Sequence[EventRow]
) -> Callable[[EventRow], str | None]:
    room = seen_by.room
    member = ("m.room.member", seen_by.user_id)
    found = state.find_keys(tx, [HISTORY_VISIBILITY, member])
    keys = {key: found.get(key, 0) for key in (HISTORY_VISIBILITY, member)}
    entry = entries_around(tx, room.room, room.main_line, rows, list(found.values()))
    refs = {ref for row in rows for ref in (row.before, row.after) if ref is not None}
    evs = {entry(ref, k) for ref in refs for k in found.values()}
    contents = _contents(tx, cache, [ev for ev in evs if ev])
    joined_until = FOREVER
    if seen_by.membership != "join":
        joined_until = _last_joined_until(tx, cache, room, seen_by.user_id)

    def values(row: EventRow, key: StateKey, default: str) -> list[str]:
        """What an event changes counts as it was before or as it is after, what shows more."""
        around = (row.before, row.after) if (row.type, row.state_key) == key else (row.before,)
        return [contents.get(entry(ref, keys[key]), default) for ref in around if ref is not None]

    def judge(row: EventRow) -> str | None:
        rules = values(row, HISTORY_VISIBILITY, "shared")
        stays = values(row, member, "leave")
        then = row.before_pos if row.before_line == room.main_line else row.head
        joined_later = (then or 0) < joined_until
        pairs = product(rules, stays)
        is_shown = any(shows(rule, stay, joined_later=joined_later) for rule, stay in pairs)
        return stays[-1] if is_shown else None

    return judge


def shows(rule: str, membership: str, *, joined_later: bool) -> bool:
    """Whether a history visibility shows an event to whoever had a membership at that time.

    `joined_later`: whether they were joined to the room then or at any time after.
    """
    if membership == "join" or rule == "world_readable":
        return True
    if rule == "invited":
        return membership == "invite" and joined_later
    return rule != "joined" and joined_later  # "shared", as is whatever is not understood
