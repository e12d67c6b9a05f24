"""Searching the messages, names and topics of rooms.

A search looks at a window: the newest events, WINDOW of them, that have all its words in the
caller's rooms. Of these it keeps what the caller may see, which is what everything in the answer
follows from, the count too: nothing tells of events that are hidden. Tokens name the window and a
place in it; after the last place comes the window before. So each request costs the same, however
many messages there are, and `rank` orders the matches of one window.

Spec: client-server-api/#server-side-search
"""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import msgspec

from chat.protocol.errors import Forbidden, InvalidParam
from chat.protocol.filters import EventFilter, compile_event_filter
from chat.services import relations_bundle
from chat.services.caller import Caller
from chat.services.rooms import client_events, history, shown
from chat.services.rooms.visibility import View, view, visible
from chat.services.server import Server
from chat.storage import events, rooms, search, state
from chat.storage.engine import Transaction
from chat.storage.events import EventRow
from chat.storage.leases import Lease
from chat.storage.state import Ref
from chat.storage.words import folded, words

WINDOW = 500  # matches that one answer is made of
WINDOWS = 5  # looked at where the caller may see nothing of the first ones
MAX_ROOMS = 2_000
MAX_WORDS = 16  # of a search term; further ones are ignored
DEFAULT_LIMIT, MAX_LIMIT = 10, 100
MAX_CONTEXT = 20  # events before or after a result
EVENTS_AT_ONCE = 500  # taken into the index in one transaction
TRANSACTIONS_AT_ONCE = 4  # of the job in one go
NEWEST = 2**63 - 1
_WORD = re.compile(r"\w+")
_encode = msgspec.json.encode


class Surroundings(NamedTuple):
    """How much is wanted around each result."""

    before: int
    after: int
    profiles: bool


Grouping: TypeAlias = Literal["room_id", "sender"]


@dataclass(frozen=True, slots=True)
class Wish:
    """A search: `kinds` are event types, `groups` of "room_id" and "sender"."""

    term: str
    kinds: frozenset[str]
    filter: EventFilter
    by_rank: bool = True
    groups: tuple[Grouping, ...] = ()
    surroundings: Surroundings | None = None
    include_state: bool = False


class Place(msgspec.Struct, array_like=True, frozen=True):
    """What a token says: the window of events below a number, a place in it, and in which group."""

    below_ev: Annotated[int, msgspec.Meta(ge=0, le=NEWEST)] = NEWEST
    offset: Annotated[int, msgspec.Meta(ge=0, le=NEWEST)] = 0
    group: Literal["", "room_id", "sender"] = ""
    value: str = ""


class Hit(NamedTuple):
    """An event that was found and may be seen."""

    row: EventRow
    rank: float


@dataclass(frozen=True, slots=True)
class Group:
    """The results of a page that have one value in common, and where the group goes on."""

    order: int
    event_ids: list[str]
    next_batch: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of results, each as JSON; `state` is the JSON of states by room ID."""

    results: list[bytes]
    count: int
    highlights: list[str]
    groups: dict[str, dict[str, Group]]
    next_batch: str | None
    state: dict[str, list[bytes]] | None


def filter_of(data: dict[str, Any] | None) -> EventFilter:
    """The filter of a search. Raises BadJson."""
    return compile_event_filter(data or {})


def search_events(server: Server, caller: Caller, wish: Wish, next_batch: str | None) -> Found:
    """A page of what a search finds. Raises InvalidParam for a token that is none.

    Spec: client-server-api/#post_matrixclientv3search
    """
    place = _place(next_batch)
    if "\0" in wish.term:
        raise InvalidParam("NUL is not allowed in a search term")
    terms = list(dict.fromkeys(words(wish.term, MAX_WORDS)))
    if not terms:
        raise InvalidParam("The search term has no word")
    _take_in_missing(server)
    return server.store.read(lambda tx: _Search(tx, server, caller, wish, terms).page(place))


def _place(token: str | None) -> Place:
    if not token:
        return Place()
    try:
        return msgspec.json.decode(urlsafe_b64decode(token), type=Place)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise InvalidParam("next_batch is no token of a search") from error


def _token(place: Place) -> str:
    return urlsafe_b64encode(_encode(place)).decode()


class _Search:
    """One search on its way."""

    def __init__(
        self, tx: Transaction, server: Server, caller: Caller, wish: Wish, terms: list[str]
    ) -> None:
        self._tx = tx
        self._server = server
        self._cache = server.sync.events
        self._caller = caller
        self._wish = wish
        self._terms = terms
        self._views: dict[int, View | None] = {}
        self._rooms = self._searched_rooms()

    def page(self, place: Place) -> Found:
        """The results from a place on."""
        hits, top, below = self._window(place.below_ev)
        for _ in range(WINDOWS):
            if hits or below is None:
                break
            place = Place(below, 0, place.group, place.value)
            hits, top, below = self._window(below)
        place = Place(top, place.offset, place.group, place.value)  # later events are not in it
        if place.group:
            hits = [hit for hit in hits if self._value(hit, place.group) == place.value]
        limit = min(self._wish.filter.limit or DEFAULT_LIMIT, MAX_LIMIT)
        end = place.offset + limit
        page = hits[place.offset : end]
        return Found(
            results=self._results(page),
            count=len(hits),
            highlights=self._highlights(page),
            groups={
                name: self._groups(name, hits, page, place, below) for name in self._wish.groups
            },
            next_batch=_next(place, end, len(hits), below),
            state=self._states(page) if self._wish.include_state else None,
        )

    # what is found

    def _searched_rooms(self) -> dict[int, str]:
        """The rooms, by number, that the caller is or was in, the latest first where too many."""
        members = [
            one
            for one in rooms.memberships(self._tx, self._caller.user_id, ["join", "leave", "ban"])
            if not one.forgotten and self._wish.filter.matches_room(one.room_id)
        ]
        members.sort(key=lambda one: one.pos, reverse=True)
        numbers = {one.room: one.room_id for one in members[:MAX_ROOMS]}
        summaries = rooms.summaries(self._tx, numbers) if numbers else {}
        return {room: numbers[room] for room, one in summaries.items() if not one.encryption}

    def _window(self, below_ev: int) -> tuple[list[Hit], int, int | None]:
        """The visible matches of a window in their order, the number below which all of its events
        are, and that of the next window.
        """
        if not self._rooms or not self._wish.kinds:
            return [], below_ev, None
        ranks = dict(
            search.newest(self._tx, self._terms, self._rooms, self._wish.kinds, below_ev, WINDOW)
        )
        rows = events.by_numbers(self._tx, ranks)
        seen = self._visible([row for row in rows.values() if self._is_wanted(row)])
        hits = [Hit(row, ranks[row.ev]) for row in seen]
        hits.sort(key=self._order(), reverse=True)
        top = max(ranks, default=below_ev - 1) + 1
        return hits, top, min(ranks) if len(ranks) == WINDOW else None

    def _order(self) -> Callable[[Hit], tuple[float, int]]:
        if self._wish.by_rank:
            return lambda hit: (hit.rank, hit.row.pos or 0)
        return lambda hit: (0.0, hit.row.pos or 0)

    def _is_wanted(self, row: EventRow) -> bool:
        return row.room in self._rooms and row.redacted_by is None and row.type in self._wish.kinds

    def _visible(self, rows: Sequence[EventRow]) -> list[EventRow]:
        """Those of the events that the caller may see and the filter lets through."""
        by_room: defaultdict[int, list[EventRow]] = defaultdict(list)
        for row in rows:
            by_room[row.room].append(row)
        seen: list[EventRow] = []
        for room, of_room in by_room.items():
            seen_by = self._view(room)
            if seen_by is not None:
                seen += visible(self._tx, self._cache, seen_by, of_room)
        return [row for row in seen if self._passes(row)]

    def _passes(self, row: EventRow) -> bool:
        wanted, content = self._wish.filter, {}
        if wanted.contains_url is not None:
            event = client_events.load(self._tx, self._cache, [row])[row.ev]
            content = {"url": ""} if event.has_url else {}
        return wanted.matches(row.type, row.sender, content)

    def _view(self, room: int) -> View | None:
        if room not in self._views:
            try:
                self._views[room] = view(
                    self._tx, self._cache, self._caller.user_id, self._rooms[room]
                )
            except Forbidden:  # invited once, and never joined
                self._views[room] = None
        return self._views[room]

    # what is told

    def _results(self, hits: Sequence[Hit]) -> list[bytes]:
        told = self._shown([hit.row for hit in hits])
        results = []
        for hit in hits:
            context = b""
            if self._wish.surroundings is not None:
                context = b',"context":' + self._context(hit.row, self._wish.surroundings)
            results.append(
                b'{"rank":%b,"result":%b%b}' % (_encode(hit.rank), told[hit.row.ev], context)
            )
        return results

    def _shown(self, rows: Iterable[EventRow]) -> dict[int, bytes]:
        by_room: defaultdict[int, list[EventRow]] = defaultdict(list)
        for row in rows:
            by_room[row.room].append(row)
        told: dict[int, bytes] = {}
        for room, of_room in by_room.items():
            seen_by = self._view(room)
            assert seen_by is not None
            bundled = relations_bundle.seen_by(self._tx, self._cache, seen_by, of_room)
            texts = shown.show(
                self._tx, self._cache, self._caller, self._rooms[room], of_room, bundled=bundled
            )
            told |= dict(zip((row.ev for row in of_room), texts, strict=True))
        return told

    def _context(self, row: EventRow, wanted: Surroundings) -> bytes:
        seen_by = self._view(row.room)
        assert seen_by is not None
        before, after, start, end = history.around(
            self._tx,
            self._server,
            self._caller,
            seen_by,
            row,
            min(wanted.before, MAX_CONTEXT),
            min(wanted.after, MAX_CONTEXT),
        )
        told = self._shown([*before, *after])
        fields: dict[str, Any] = {
            "start": start,
            "end": end,
            "events_before": [msgspec.Raw(told[one.ev]) for one in before],
            "events_after": [msgspec.Raw(told[one.ev]) for one in after],
        }
        if wanted.profiles:
            fields["profile_info"] = self._profiles(row, [*before, row, *after])
        return _encode(fields)

    def _profiles(self, row: EventRow, around: Sequence[EventRow]) -> dict[str, dict[str, str]]:
        """How the senders of events appeared when `row` was sent."""
        keys = [("m.room.member", sender) for sender in {one.sender for one in around}]
        ks = state.find_keys(self._tx, keys)
        ref = Ref(row.before_line or 0, row.before_pos or 0)
        evs = state.at(self._tx, row.room, ref, list(ks.values()))
        rows = list(events.by_numbers(self._tx, list(evs.values())).values())
        loaded = client_events.load(self._tx, self._cache, rows)
        return {one.state_key or "": _profile(loaded[one.ev].content) for one in rows}

    def _highlights(self, hits: Sequence[Hit]) -> list[str]:
        """The words of the results that the term found, as they are written there."""
        rows = [hit.row for hit in hits]
        loaded = client_events.load(self._tx, self._cache, rows)
        found: set[str] = set()
        for row in rows:
            text = search.text_of(row.type, msgspec.json.decode(loaded[row.ev].content))
            found.update(word.lower() for word in _WORD.findall(text) if self._is_meant(word))
        return sorted(found)

    def _is_meant(self, word: str) -> bool:
        return folded(word).startswith(tuple(self._terms))

    def _value(self, hit: Hit, group: str) -> str:
        return hit.row.sender if group == "sender" else self._rooms[hit.row.room]

    def _groups(
        self,
        name: Grouping,
        hits: Sequence[Hit],
        page: Sequence[Hit],
        place: Place,
        below: int | None,
    ) -> dict[str, Group]:
        """The groups of a page, in the order of their first results."""
        told: dict[str, list[str]] = {}
        for hit in page:
            told.setdefault(self._value(hit, name), []).append(hit.row.event_id)
        counted: defaultdict[str, int] = defaultdict(int)
        seen: defaultdict[str, int] = defaultdict(int)
        for at, hit in enumerate(hits):
            counted[self._value(hit, name)] += 1
            seen[self._value(hit, name)] += at < place.offset + len(page)
        groups = {}
        for order, (value, event_ids) in enumerate(told.items()):
            inside = Place(place.below_ev, 0, name, value)
            follows = _next(inside, seen[value], counted[value], below)
            groups[value] = Group(order, event_ids, follows)
        return groups

    def _states(self, hits: Sequence[Hit]) -> dict[str, list[bytes]]:
        """The present state, or that when the caller left, of the rooms with results."""
        told = {}
        for room in {hit.row.room for hit in hits}:
            seen_by = self._view(room)
            assert seen_by is not None
            entries = state.at(self._tx, room, seen_by.ref)
            rows = sorted(
                events.by_numbers(self._tx, entries.values()).values(), key=lambda row: row.place
            )
            room_id = self._rooms[room]
            told[room_id] = shown.show_state(self._tx, self._cache, room_id, rows)
        return told


def _next(place: Place, end: int, count: int, below: int | None) -> str | None:
    """The token of what follows after `end` hits of `count`."""
    if end < count:
        return _token(Place(place.below_ev, end, place.group, place.value))
    return None if below is None else _token(Place(below, 0, place.group, place.value))


def _profile(content: bytes) -> dict[str, str]:
    fields = msgspec.json.decode(content)
    return {
        name: fields[name]
        for name in ("displayname", "avatar_url")
        if isinstance(fields.get(name), str)
    }


# --- the index ---


def _take_in_missing(server: Server) -> None:
    """Let the index have what was acknowledged before the search; more than that in the job."""
    if server.store.read(search.is_behind):
        server.store.write(lambda tx: search.take_in(tx, EVENTS_AT_ONCE))


def take_in(server: Server, lease: Lease) -> None:
    """Take events into the index: a job."""

    def work(tx: Transaction) -> bool:
        lease.guard(tx)
        return search.take_in(tx, EVENTS_AT_ONCE)

    for _ in range(TRANSACTIONS_AT_ONCE):
        if not server.store.read(search.is_behind) or not server.store.write(work):
            return
