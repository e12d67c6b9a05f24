"""Reading a room's history: pages, one event, an event with its surroundings.

A token `t<depth>_<pos>` is a point of room order (storage/events.py); sync's tokens `s<pos>` are
understood too, as the point after the last event that the sync could hold.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from chat.protocol.errors import BadJson, Forbidden, InvalidParam, NotFound
from chat.protocol.filters import EventFilter, compile_event_filter
from chat.services import relations_bundle
from chat.services.caller import Caller
from chat.services.rooms import client_events, preferences, shown
from chat.services.rooms.shown import Moment
from chat.services.rooms.visibility import View, memberships_at, view, visible
from chat.services.server import Server
from chat.storage import events, lines, state
from chat.storage.engine import Transaction
from chat.storage.events import END, START, EventRow, Place

MAX_EVENTS = 1_000  # of one page
MAX_READ = 2_000  # events looked at for one page; beyond, the page ends early with a token
EVERYTHING = EventFilter()

_ROOM_TOKEN = re.compile(r"t(-?\d{1,19})_(-?\d{1,19})")
_SYNC_TOKEN = re.compile(r"s(\d{1,18})(?:_\d{1,18}|~\d{1,16}\.\d{1,18})?")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of history. `events` and `state` are JSON; `end` is None where nothing follows."""

    events: list[bytes]
    start: str
    end: str | None
    state: list[bytes]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """An event with those before it, latest first, and those after it; all JSON."""

    event: bytes
    before: list[bytes]
    after: list[bytes]
    start: str
    end: str
    state: list[bytes]


def token(place: Place) -> str:
    """The token of a point of room order."""
    return f"t{place.depth}_{place.pos}"


def just_before(row: EventRow) -> Place:
    """The point right before an event."""
    return Place(row.depth, (row.pos or 0) - 1)


def parse_filter(text: str | None) -> EventFilter:
    """The filter given as JSON. Raises InvalidParam."""
    if not text:
        return EVERYTHING
    try:
        return compile_event_filter(msgspec.json.decode(text))
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise InvalidParam("The filter is not JSON") from error
    except BadJson as error:
        raise InvalidParam(f"The filter is not usable: {error.message}") from error


def messages(
    server: Server,
    caller: Caller,
    room_id: str,
    *,
    backwards: bool,
    start: str | None,
    stop: str | None,
    limit: int,
    event_filter: EventFilter,
) -> Page:
    """A page of history from token `start` towards `stop`.

    Raises Forbidden, InvalidParam for a token that is none.
    Spec: client-server-api/#get_matrixclientv3roomsroomidmessages
    """

    def work(tx: Transaction) -> Page:
        seen_by = view(tx, server.sync.events, caller.user_id, room_id)
        reader = Reader(tx, server, caller, seen_by, event_filter)
        origin, edge = (END, START) if backwards else (START, END)
        first = _place(tx, seen_by, start) if start else origin
        last = _place(tx, seen_by, stop) if stop else edge
        rows, end = reader.page(first, last, min(limit, MAX_EVENTS), backwards=backwards)
        return Page(
            reader.show(rows),
            start or token(first if first != END else reader.newest),
            None if end is None else token(end),
            reader.members_of(rows),
        )

    return server.store.read(work)


def latest(
    tx: Transaction, server: Server, caller: Caller, seen_by: View, limit: int
) -> tuple[list[bytes], str]:
    """The newest visible events as JSON, the newest last, and the token before them."""
    reader = Reader(tx, server, caller, seen_by, EVERYTHING)
    rows, end = reader.page(END, START, min(limit, MAX_EVENTS), backwards=True)
    start = end or (just_before(rows[-1]) if rows else START)
    return reader.show(rows)[::-1], token(start)


def event(server: Server, caller: Caller, room_id: str, event_id: str) -> bytes:
    """One event as JSON. Raises NotFound also for what the caller may not see.

    Spec: client-server-api/#get_matrixclientv3roomsroomideventeventid
    """

    def work(tx: Transaction) -> bytes:
        seen_by, row = visible_event(tx, server, caller, room_id, event_id)
        reader = Reader(tx, server, caller, seen_by, EVERYTHING)
        return reader.show([row])[0]

    try:
        return server.store.read(work)
    except Forbidden:  # here an outsider does not learn whether the event exists
        raise NotFound("There is no such event in this room") from None


def context(
    server: Server,
    caller: Caller,
    room_id: str,
    event_id: str,
    limit: int,
    event_filter: EventFilter,
) -> Surroundings:
    """An event and up to `limit` events around it. Raises NotFound as `event`.

    Spec: client-server-api/#get_matrixclientv3roomsroomidcontexteventid
    """

    def work(tx: Transaction) -> Surroundings:
        seen_by, row = visible_event(tx, server, caller, room_id, event_id)
        reader = Reader(tx, server, caller, seen_by, event_filter)
        each = min(limit, MAX_EVENTS) // 2
        place = just_before(row)
        before, start = reader.page(place, START, each, backwards=True)
        after, end = reader.page(row.place, END, each, backwards=False)
        newest = after[-1] if after else row
        return Surroundings(
            event=reader.show([row])[0],
            before=reader.show(before),
            after=reader.show(after),
            start=token(start or (just_before(before[-1]) if before else place)),
            end=token(end or newest.place),
            state=reader.state_at(newest, [*before, row, *after]),
        )

    return server.store.read(work)


def around(
    tx: Transaction,
    server: Server,
    caller: Caller,
    seen_by: View,
    row: EventRow,
    before_limit: int,
    after_limit: int,
) -> tuple[list[EventRow], list[EventRow], str, str]:
    """Visible events before an event, latest first, and after it, and the tokens beyond both."""
    reader = Reader(tx, server, caller, seen_by, EVERYTHING)
    place = just_before(row)
    before, start = reader.page(place, START, min(before_limit, MAX_EVENTS), backwards=True)
    after, end = reader.page(row.place, END, min(after_limit, MAX_EVENTS), backwards=False)
    newest = after[-1] if after else row
    first = start or (just_before(before[-1]) if before else place)
    return before, after, token(first), token(end or newest.place)


def visible_event(
    tx: Transaction, server: Server, caller: Caller, room_id: str, event_id: str
) -> tuple[View, EventRow]:
    """How the caller may see a room, and an event of it. Raises Forbidden, NotFound."""
    seen_by = view(tx, server.sync.events, caller.user_id, room_id)
    row = events.by_id(tx, event_id)
    if row is None or row.room != seen_by.room.room:
        raise NotFound("There is no such event in this room")
    if not visible(tx, server.sync.events, seen_by, [row]):
        raise NotFound("There is no such event in this room")
    return seen_by, row


class Reader:
    """Reads a room's history as one user may see it, through a filter.

    `newest` is the point after the first event that a page looked at.
    """

    def __init__(
        self,
        tx: Transaction,
        server: Server,
        caller: Caller,
        seen_by: View,
        event_filter: EventFilter,
    ) -> None:
        self._tx = tx
        self._cache = server.sync.events
        self._caller = caller
        self._view = seen_by
        self._filter = event_filter
        self._now_ms = server.clock.now_ms()
        self._memberships: dict[int, str] = {}
        self._ignored: frozenset[str] | None = None
        self.newest = START

    def page(
        self, start: Place, stop: Place, limit: int, *, backwards: bool
    ) -> tuple[list[EventRow], Place | None]:
        """Up to `limit` visible events, and the point where to go on; None at the end.

        Events that are hidden or filtered out do not end a page.
        """
        found: list[EventRow] = []
        room, read = self._view.room.room, 0
        if not self._filter.matches_room(self._view.room.room_id):
            return [], None
        while len(found) < limit and read < MAX_READ:
            wanted = limit - len(found) + (read > 0) * limit
            rows = events.page(self._tx, room, start, stop, wanted, backwards=backwards)
            if rows and not read:
                self.newest = rows[0].place
            read += len(rows)
            for row in self.chosen(rows):
                found.append(row)
                if len(found) == limit:
                    return found, just_before(row) if backwards else row.place
            if len(rows) < wanted:
                return found, None
            start = just_before(rows[-1]) if backwards else rows[-1].place
        return found, start

    def chosen(self, rows: Sequence[EventRow]) -> list[EventRow]:
        """Those of the events that the user may see, and that pass the filter."""
        seen = memberships_at(self._tx, self._cache, self._view, rows)
        self._memberships |= seen
        rows = [row for row in rows if row.ev in seen and not self._is_ignored(row)]
        if self._filter.includes_all:
            return rows
        has_url = dict.fromkeys((row.ev for row in rows), False)
        if self._filter.contains_url is not None:
            loaded = client_events.load(self._tx, self._cache, rows)
            has_url = {ev: one.has_url for ev, one in loaded.items()}
        return [
            row
            for row in rows
            if self._filter.matches(row.type, row.sender, {"url": ""} if has_url[row.ev] else {})
        ]

    def _is_ignored(self, row: EventRow) -> bool:
        """Whether the user ignores its sender, which hides all but state."""
        if row.state_key is not None or row.sender == self._caller.user_id:
            return False
        return row.sender in self.ignored

    @property
    def ignored(self) -> frozenset[str]:
        """Whom the user ignores."""
        if self._ignored is None:
            self._ignored = preferences.ignored_users(self._tx, self._caller.user_id)
        return self._ignored

    def show(self, rows: Sequence[EventRow]) -> list[bytes]:
        """The events as JSON."""
        strange = [row for row in rows if row.ev not in self._memberships]
        if strange:
            self._memberships |= memberships_at(self._tx, self._cache, self._view, strange)
        moment = Moment(self._now_ms, self._memberships)
        room_id = self._view.room.room_id
        bundled = relations_bundle.seen_by(
            self._tx, self._cache, self._view, rows, lambda: self.ignored
        )
        return shown.show(self._tx, self._cache, self._caller, room_id, rows, moment, bundled)

    def members_of(self, rows: Sequence[EventRow]) -> list[bytes]:
        """With a filter that asks for it, the member events of the senders, as JSON."""
        if not self._filter.lazy_load_members or not rows:
            return []
        newest = max(rows, key=lambda row: row.place)
        return self._members_at(newest, rows)

    def state_at(self, row: EventRow, around: Sequence[EventRow]) -> list[bytes]:
        """The state after an event as JSON; lazily, members are only the senders `around` it."""
        evs = self._entries(row, None).values()
        rows = list(events.by_numbers(self._tx, list(evs)).values())
        if self._filter.lazy_load_members:
            senders = {one.sender for one in around}
            rows = [one for one in rows if one.type != "m.room.member" or one.state_key in senders]
        ordered = sorted(rows, key=lambda one: one.place)
        return shown.show_state(self._tx, self._cache, self._view.room.room_id, ordered)

    def _members_at(self, row: EventRow, around: Sequence[EventRow]) -> list[bytes]:
        keys = [("m.room.member", sender) for sender in {one.sender for one in around}]
        ks = state.find_keys(self._tx, keys).values()
        evs = self._entries(row, list(ks)).values()
        rows = events.by_numbers(self._tx, list(evs)).values()
        ordered = sorted(rows, key=lambda one: one.place)
        return shown.show_state(self._tx, self._cache, self._view.room.room_id, ordered)

    def _entries(self, row: EventRow, ks: list[int] | None) -> dict[int, int]:
        """The state after an event."""
        room, after = self._view.room, row.after
        return {} if after is None else lines.at(self._tx, room.room, room.main_line, after, ks)


def place_of(tx: Transaction, room: int, text: str) -> Place:
    """The point of room order that a token means. Raises InvalidParam."""
    if (found := _ROOM_TOKEN.fullmatch(text)) is not None:
        depth, pos = int(found[1]), int(found[2])
        if max(abs(depth), abs(pos)) > END.depth:
            raise InvalidParam("The token is out of range")
        return Place(depth, pos)
    if (found := _SYNC_TOKEN.fullmatch(text)) is None:
        raise InvalidParam("This is no token that the server gave out")
    upto = int(found[1])
    row = events.last_at(tx, room, upto)
    return START if row is None else Place(row.depth, upto)


def _place(tx: Transaction, seen_by: View, text: str) -> Place:
    return place_of(tx, seen_by.room.room, text)
