"""How many events a user was notified of and has not read: of each room, and of each thread.

Counted once from the database, then kept up to date by what happens in the room, which is read once
for all its users. So an answer to a sync costs a look into memory.
Spec: client-server-api/#receiving-notifications
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from chat.services.log_tail import Tail
from chat.storage import streams, unread
from chat.storage.caches import Cache, Caches
from chat.storage.engine import Transaction
from chat.storage.streams import Kind
from chat.storage.unread import EVENT, EVERYBODY, MAIN, NOTICE, News, Stored, Timeline

MIB = 1024 * 1024
MAX_NEWS = 500  # that are kept of a room


class Counts(NamedTuple):
    """Unread notifications, and how many of them are highlighted."""

    n: int
    h: int


Unread = Mapping[str, Counts]  # thread → counts; those with nothing are absent
NONE = Counts(0, 0)


def total(of_room: Unread) -> Counts:
    """The counts of all threads together."""
    return Counts(sum(one.n for one in of_room.values()), sum(one.h for one in of_room.values()))


# --- from the database ---


def count(tx: Transaction, user_id: str, rooms: Collection[int]) -> dict[int, Unread]:
    """The counts of rooms, by two statements."""
    return {room: one.counts for room, one in _counted(tx, user_id, rooms, 0).items()}


@dataclass(slots=True)
class Counted:
    """The counts of one user and room up to a position.

    `follows`: what notifies everybody notifies the user, where nothing else is said.
    """

    counts: dict[str, Counts]
    as_of: int
    follows: bool


def _counted(
    tx: Transaction, user_id: str, rooms: Collection[int], head: int
) -> dict[int, Counted]:
    if not rooms:
        return {}
    lines = unread.timelines(tx, user_id, rooms)
    lows: dict[int, int] = {}
    for line in lines:
        lows[line.room] = min(line.read, lows.get(line.room, line.read))
    known = {(line.room, line.thread): line for line in lines}
    sums = {(line.room, line.thread): (line.n, line.h) for line in lines}
    for one in unread.exceptions(tx, user_id, list(lows.items())):
        of_thread = known.get((one.room, one.thread))
        if of_thread is not None and one.pos > of_thread.read:
            n, h = sums[one.room, one.thread]
            more_n, more_h = _difference(one, of_thread)
            sums[one.room, one.thread] = n + more_n, h + more_h
    found = {
        line.room: Counted({}, head, line.upto == unread.FOREVER)
        for line in lines
        if line.thread == MAIN
    }
    for (room, thread), (n, h) in sums.items():
        if n > 0:
            found[room].counts[thread] = Counts(n, max(0, h))
    return found


def _difference(one: Stored, line: Timeline) -> tuple[int, int]:
    """What an exception changes in the counts of its thread."""
    if line.after < one.pos <= line.upto:
        return one.n - one.room_n, one.h - one.room_h
    return one.n, one.h


# --- from memory ---


@dataclass(slots=True)
class _Moment:
    """What an event is to the users of its room."""

    pos: int
    sender: str = ""
    thread: str = ""
    for_all: Counts = NONE
    for_one: dict[str, Counts] = field(default_factory=dict)
    takes_back: bool = False


@dataclass(slots=True)
class _RoomNews:
    """What happened in a room at positions in (after, upto]."""

    after: int
    upto: int
    moments: list[_Moment] = field(default_factory=list)


class UnreadMemory:
    """The counts of users, and what happened lately in rooms."""

    def __init__(self, caches: Caches) -> None:
        self.counted: Cache[tuple[str, int], Counted] = caches.make(
            "unread", 32 * MIB, _size_of_counted
        )
        self.news: Cache[int, _RoomNews] = caches.make("unread_news", 16 * MIB, _size_of_news)


def _size_of_counted(one: Counted) -> int:
    return 150 + 150 * len(one.counts)


def _size_of_news(one: _RoomNews) -> int:
    return 150 + 300 * len(one.moments)


def counts(
    tx: Transaction,
    memory: UnreadMemory,
    tail: Tail,
    user_id: str,
    rooms: Collection[int],
) -> dict[int, Unread]:
    """The counts of rooms that a user is joined to; without a statement where nothing is new.

    They are at least as new as the tail of the log.
    """
    found: dict[int, Unread] = {}
    stale: dict[int, Counted] = {}
    missing = []
    for room in rooms:
        known = memory.counted.get((user_id, room))
        if known is None or _is_void(tail, user_id, room, known):
            missing.append(room)
        elif _has_events(tail, room, known.as_of):
            stale[room] = known
        else:
            found[room] = known.counts
    news = _news(tx, memory, tail, stale)
    for room, known in stale.items():
        if _advance(known, user_id, news[room]):
            memory.counted.put((user_id, room), known)
            found[room] = known.counts
        else:
            missing.append(room)
    if missing:
        fresh = _counted(tx, user_id, missing, streams.head(tx))
        for room, one in fresh.items():
            memory.counted.put((user_id, room), one)
            found[room] = one.counts
    return found


def _is_void(tail: Tail, user_id: str, room: int, known: Counted) -> bool:
    """Whether the user did something since that only the database can tell the effect of."""
    if known.as_of < tail.floor:
        return True
    own = tail.since(user_id, known.as_of)
    if any(
        (change.kind is Kind.ACCOUNT_DATA and change.room is None)
        or (change.kind in (Kind.MEMBERSHIP, Kind.PUSH_COUNTS) and change.room == room)
        for change in own
    ):
        return True
    return any(
        change.kind is Kind.RECEIPT and change.user_id == user_id
        for change in tail.since(room, known.as_of)
    )


def _has_events(tail: Tail, room: int, position: int) -> bool:
    return any(change.kind is Kind.EVENT for change in tail.since(room, position))


def _news(
    tx: Transaction, memory: UnreadMemory, tail: Tail, stale: Mapping[int, Counted]
) -> dict[int, _RoomNews]:
    """What happened in rooms since they were counted, from memory where it is known."""
    found, wanted = {}, {}
    for room, counted in stale.items():
        known = memory.news.get(room)
        if known is None or known.after > counted.as_of:
            known = _RoomNews(counted.as_of, counted.as_of)
        found[room] = known
        if _has_events(tail, room, known.upto):
            wanted[room] = known.upto
    if wanted:
        head = streams.head(tx)
        moments = _moments(unread.news(tx, list(wanted.items())))
        for room in wanted:
            news = _extended(found[room], moments.get(room, []), head)
            found[room] = news
            memory.news.put(room, news)
    return found


def _extended(news: _RoomNews, moments: list[_Moment], head: int) -> _RoomNews:
    known = [*news.moments, *moments]
    after = news.after
    if len(known) > MAX_NEWS:
        after = known[-MAX_NEWS - 1].pos
        known = known[-MAX_NEWS:]
    return _RoomNews(after, head, known)


def _moments(news: Iterable[News]) -> dict[int, list[_Moment]]:
    found: dict[int, dict[int, _Moment]] = {}
    for one in news:
        moment = found.setdefault(one.room, {}).setdefault(one.pos, _Moment(one.pos))
        if one.kind == EVENT:
            moment.sender, moment.takes_back = one.user_id, bool(one.n)
            continue
        moment.thread = one.thread
        if one.kind == NOTICE:
            moment.for_all = Counts(one.n, one.h)
        elif one.user_id == EVERYBODY:
            moment.for_all, moment.for_one = NONE, {}
        else:
            moment.for_one[one.user_id] = Counts(one.n, one.h)
    return {room: list(of_room.values()) for room, of_room in found.items()}


def _advance(known: Counted, user_id: str, news: _RoomNews) -> bool:
    """Bring counts up to date; False where that is not known to be right."""
    if news.after > known.as_of:
        return False
    counts = dict(known.counts)
    start = bisect_right(news.moments, known.as_of, key=attrgetter("pos"))
    for moment in news.moments[start:]:
        if moment.takes_back:
            return False
        if moment.sender == user_id:
            if counts and not moment.thread:
                return False  # it read some thread, which is not known
            counts.pop(moment.thread, None)
            continue
        for_all = moment.for_all if known.follows else NONE
        n, h = moment.for_one.get(user_id, for_all)
        if n:
            so_far = counts.get(moment.thread, NONE)
            counts[moment.thread] = Counts(so_far.n + n, so_far.h + h)
    known.counts, known.as_of = counts, max(known.as_of, news.upto)
    return True
