"""The events that relate to an event, a page at a time.

Spec: client-server-api/#relationships-api
"""

from dataclasses import dataclass

from chat.services.caller import Caller
from chat.services.rooms import history
from chat.services.rooms.history import Reader, just_before, place_of, token
from chat.services.server import Server
from chat.storage import relations
from chat.storage.engine import Transaction
from chat.storage.events import END, START, EventRow, Place
from chat.storage.relations import Wanted

DEFAULT_LIMIT = 50
MAX_LIMIT = 1_000
MAX_READ = 2_000  # events looked at for one page; beyond, the page ends early with a token
MAX_LEVELS = 3


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for: relations of an event, from token `start` towards `stop`."""

    event_id: str
    rel_type: str | None
    event_type: str | None
    start: str | None
    stop: str | None
    limit: int | None
    backwards: bool
    recurse: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Related events as JSON; tokens are None where nothing follows, or precedes."""

    events: list[bytes]
    next_batch: str | None
    prev_batch: str | None
    levels: int | None


def page(server: Server, caller: Caller, room_id: str, ask: Ask) -> Page:
    """A page of the related events that the caller may see.

    Raises Forbidden, InvalidParam for a token that is none, NotFound for an event that the caller
    cannot see.
    """

    def work(tx: Transaction) -> Page:
        seen_by, _ = history.visible_event(tx, server, caller, room_id, ask.event_id)
        reader = Reader(tx, server, caller, seen_by, history.EVERYTHING)
        room = seen_by.room
        origin, edge = (END, START) if ask.backwards else (START, END)
        first = place_of(tx, room.room, ask.start) if ask.start else origin
        last = place_of(tx, room.room, ask.stop) if ask.stop else edge
        levels = MAX_LEVELS if ask.recurse else 1
        wanted = Wanted(room.room, ask.event_id, ask.rel_type, ask.event_type, levels)
        if room.related:
            rows, end = _read(tx, reader, wanted, first, last, ask)
        else:
            rows, end = [], None
        return Page(
            reader.show(rows),
            None if end is None else token(end),
            ask.start or None,
            levels if ask.recurse else None,
        )

    return server.store.read(work)


def _read(
    tx: Transaction, reader: Reader, wanted: Wanted, start: Place, stop: Place, ask: Ask
) -> tuple[list[EventRow], Place | None]:
    """Up to `limit` visible events, and the point where to go on; None at the end."""
    limit = min(DEFAULT_LIMIT if ask.limit is None else ask.limit, MAX_LIMIT)
    found: list[EventRow] = []
    read = 0
    while len(found) < limit and read < MAX_READ:
        rows = relations.page(tx, wanted, start, stop, limit + 1, backwards=ask.backwards)
        read += len(rows)
        for row in reader.chosen(rows):
            if len(found) == limit:
                last = found[-1]
                return found, just_before(last) if ask.backwards else last.place
            found.append(row)
        if len(rows) <= limit:
            return found, None
        start = just_before(rows[-1]) if ask.backwards else rows[-1].place
    return found, start
