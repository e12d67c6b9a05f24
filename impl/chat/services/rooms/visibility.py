"""What a user may see of a room: of its state, and of its history.

A page of history is decided from two lists of intervals, the room's history visibility and the
user's memberships, which are read once for the whole page.
Spec: client-server-api/#room-history-visibility
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chat.protocol.errors import Forbidden, NotFound
from chat.services.rooms import client_events
from chat.services.rooms.client_events import EventCache
from chat.storage import events, rooms, state
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


class _Interval:
    """The values of one key of the state over positions of the main line."""

    def __init__(self, entries: list[tuple[int, int]], values: dict[int, str], default: str):
        self._starts = [pos for pos, _ in entries]
        self._values = [values.get(ev, default) for _, ev in entries]

    def at(self, pos: int) -> str:
        """The value at a position."""
        return self._values[bisect_right(self._starts, pos) - 1]


def visible(
    tx: Transaction, cache: EventCache, seen_by: View, rows: Sequence[EventRow]
) -> list[EventRow]:
    """Those of the events of one room that the user may see, in their order."""
    if not rows:
        return []
    judge = _judge(tx, cache, seen_by, rows)
    return [row for row in rows if judge(row)]


def _judge(
    tx: Transaction, cache: EventCache, seen_by: View, rows: Sequence[EventRow]
) -> Callable[[EventRow], bool]:
    room = seen_by.room
    member = ("m.room.member", seen_by.user_id)
    keys = state.find_keys(tx, [HISTORY_VISIBILITY, member])
    low = min(row.before_pos or 0 for row in rows)
    high = max(row.head for row in rows)
    found = state.history(tx, room.room, room.main_line, list(keys.values()), low, high)
    contents = _contents(tx, cache, [ev for entries in found.values() for _, ev in entries])
    nothing = [(low, 0)]
    visibilities = _Interval(
        found.get(keys.get(HISTORY_VISIBILITY, 0), nothing), contents, "shared"
    )
    memberships = _Interval(found.get(keys.get(member, 0), nothing), contents, "leave")
    joined_until = FOREVER
    if seen_by.membership != "join":
        joined_until = _last_joined_until(tx, cache, room, seen_by.user_id)

    def judge(row: EventRow) -> bool:
        if row.before_line != room.main_line or row.before_pos is None:
            return False
        rules = {visibilities.at(row.before_pos)}
        stays = {memberships.at(row.before_pos)}
        # What an event changes counts as it was before or as it is after, whichever shows more.
        if (row.type, row.state_key) == HISTORY_VISIBILITY:
            rules.add(visibilities.at(row.head))
        elif (row.type, row.state_key) == member:
            stays.add(memberships.at(row.head))
        joined_later = row.before_pos < joined_until
        return any(shows(rule, stay, joined_later=joined_later) for rule in rules for stay in stays)

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
