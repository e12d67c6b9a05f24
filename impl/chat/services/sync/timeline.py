"""The timeline and state of rooms: read for all rooms of an answer together, then shaped.

A `Window` is what a room shows of a span. Where its reader was joined all the time, all receivers
whose requests have the same shape share it, with its events already joined to bytes.

State is told so that a client that knows the state at its token, applies the state section and then
the timeline, knows the room's state at the end of the timeline.
Spec: client-server-api/#syncing
"""

from collections.abc import Collection, Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from chat.protocol.event import StateKey
from chat.protocol.filters import EventFilter, SyncFilter
from chat.protocol.property_paths import select
from chat.services import relations_bundle
from chat.services.relations_bundle import Bundle
from chat.services.rooms import client_events, history
from chat.services.rooms.client_events import ClientEvent, EventCache
from chat.services.rooms.shown import sent_as
from chat.services.sync.query import Query
from chat.services.sync.since import OUTSIDE, Span
from chat.services.sync.visibility import visible
from chat.storage import events, state, sync
from chat.storage.cooperation import in_turns
from chat.storage.engine import Transaction
from chat.storage.events import EventRow
from chat.storage.streams import Kind
from chat.storage.sync import StateEntry, StateSpan, Stretch

DEFAULT_LIMIT = 10  # events of a timeline, where the filter has no limit
ROUNDS = 6  # of looking further back for events that are visible and pass the filter
LARGEST_ROUND = 500  # events of a room
BODY_LIFE_MS = 2_000  # how long the `age` in a joined timeline is true enough
MEMBER = "m.room.member"
# Events after which a room's summary, or whose devices its members follow, may be others.
NAMING = frozenset({MEMBER, "m.room.name", "m.room.canonical_alias", "m.room.encryption"})

if TYPE_CHECKING:
    from chat.services.sync.extras import Facts

_encode = msgspec.json.encode


class Shown(msgspec.Struct, frozen=True, gc=False):
    """An event of an answer. `unsigned`: JSON fields that are the same for everybody, with a
    leading comma each; `pdu`: the form of servers, where the filter asks for it.
    """

    event: ClientEvent
    row: EventRow
    unsigned: bytes = b""
    membership: str | None = None
    pdu: bytes | None = None
    bundle: Bundle | None = None


@dataclass(slots=True)
class Window:
    """The timeline of a room and the state that belongs to it.

    `start` and `high` are positions on the room's main `line` before the first event and at the
    end. `facts` are there for the summary where it may have changed. `members`: membership events
    of the senders at `start`, None while nobody asked for them. `gone`: keys that are no longer in
    the state, where that at the end was asked for.
    """

    room: int
    shown: list[Shown]
    limited: bool
    prev_batch: str
    line: int | None
    start: int
    high: int
    state: list[Shown] = field(default_factory=list)
    gone: list[StateKey] = field(default_factory=list)
    names_changed: bool = False
    shareable: bool = False
    facts: "Facts | None" = None
    members: dict[str, Shown] | None = None
    senders: frozenset[str] = frozenset()
    bodies: dict[tuple[bool, ...], bytes] = field(default_factory=dict)
    bodies_ms: int = 0


# --- reading ---


class _Kept(msgspec.Struct, frozen=True, gc=False):
    """An event that is visible and passes the filter; `before` is the main line's position."""

    row: EventRow
    event: ClientEvent
    membership: str
    before: int


class _Draft:
    """A window while it is read, from its end backwards."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self.kept: list[_Kept] = []
        self.upto = span.upto
        self.cut: int | None = None
        self.start = 0
        self.high: int | None = None
        self.stepped = False  # the main line moved
        self.own_steps = True  # every step of the main line was that of a kept event
        self.judged = False
        self.closed = False  # what is older is not to be shown
        self.gone: list[EventRow] = []  # what is no longer in the state
        self.names_changed = False

    @property
    def limited(self) -> bool:
        """Whether older events of the span are left out."""
        return self.cut is not None or self.span.gap

    def take(self, timeline: sync.Timeline, kept: Mapping[int, tuple[ClientEvent, str]]) -> None:
        """Take in an older part of the timeline, of which `kept` is to be shown.

        `kept`: event number → the event, and the user's membership at it.
        """
        if self.high is None:
            self.high = timeline.rows[-1].head if timeline.rows else timeline.start
        before, part = timeline.start, []
        for row in timeline.rows:
            if row.ev in kept:
                part.append(_Kept(row, *kept[row.ev], before))
            if row.head != before:
                self.stepped = True
                # Steps that came of resolving branches (main_pos) are nobody's own.
                if row.ev not in kept or row.main_pos or row.after_pos != before + 1:
                    self.own_steps = False
            self.names_changed = self.names_changed or row.type in NAMING
            before = row.head
        self.kept[:0] = part
        self.start, self.cut = timeline.start, timeline.cut
        if timeline.cut is not None:
            self.upto = timeline.cut

    def leave_out_all(self) -> None:
        """The filter wants no events of this room."""
        self.kept, self.cut, self.own_steps = [], None, False

    def trim(self, limit: int) -> None:
        """Leave out the oldest of the kept events until there are no more than `limit`."""
        if len(self.kept) > limit:
            dropped = self.kept[len(self.kept) - limit - 1]
            self.kept = self.kept[len(self.kept) - limit :]
            self.cut = dropped.row.pos
        if self.kept:
            self.start = self.kept[0].before
        elif self.high is not None:
            self.start = self.high


class Reader:
    """Reads windows for one user in one snapshot."""

    def __init__(
        self, tx: Transaction, cache: EventCache, query: Query, ignored: Collection[str], cap: int
    ) -> None:
        self._tx = tx
        self._cache = cache
        self._query = query
        self._user_id = query.caller.user_id
        self._ignored = ignored
        self._timeline = query.filter.room.timeline
        self._state = query.filter.room.state
        self._limit = timeline_limit(query.filter, cap)
        self._all_pass = self._timeline.includes_all and not ignored
        self._all_state = self._state.includes_all

    def windows(
        self, spans: Sequence[Span], heroes: Mapping[int, Sequence[str]]
    ) -> dict[int, Window]:
        """The window of each span, by room. `heroes`: members that clients must know, by room."""
        drafts = {span.room: _Draft(span) for span in spans}
        self._read_timelines(drafts)
        self._add_farewells(drafts)
        lines = self._lines(drafts)
        sections = self._state_sections(drafts, lines, heroes)
        extras = self._extras([kept.row for draft in drafts.values() for kept in draft.kept])
        extras.bundles.update(self._bundles(drafts))
        return {
            room: self._window(draft, lines.get(room), sections.get(room, []), extras)
            for room, draft in drafts.items()
        }

    def _bundles(self, drafts: Mapping[int, "_Draft"]) -> dict[int, Bundle]:
        """The aggregations of events in limited timelines; others are followed by the client."""
        if self._query.filter.federation_format:
            return {}
        limited = [draft for draft in drafts.values() if draft.kept and draft.limited]
        found: dict[int, Bundle] = {}
        for is_joined in (True, False):
            rows = [
                kept.row
                for draft in limited
                for kept in draft.kept
                if (draft.span.end is None and draft.span.farewell is None) is is_joined
            ]
            reader = relations_bundle.Reader(
                frozenset(self._ignored), partial(self._seen, drafts), sees_all=is_joined
            )
            found |= relations_bundle.bundles(self._tx, self._cache, rows, reader, None)
        return found

    def _seen(self, drafts: Mapping[int, "_Draft"], rows: Sequence[EventRow]) -> Collection[int]:
        """Those of events related to ones in the timelines that the user may see now."""
        by_room: dict[int, list[EventRow]] = {}
        for row in rows:
            if row.pos is not None and row.pos <= drafts[row.room].span.upto:
                by_room.setdefault(row.room, []).append(row)
        return visible(self._tx, self._cache, self._user_id, by_room) if by_room else ()

    # timelines

    def _read_timelines(self, drafts: Mapping[int, _Draft]) -> None:
        size = max(1, self._limit if self._all_pass else self._limit * 2)
        open_drafts = list(drafts.values())
        for _ in range(ROUNDS):
            stretches = [Stretch(d.span.room, d.span.after, d.upto) for d in open_drafts]
            found = sync.newest(self._tx, stretches, size)
            memberships = self._memberships(drafts, found)
            kept = self._kept(drafts, found, memberships)
            for room, timeline in found.items():
                rest = _after_hidden_state(timeline, memberships)
                drafts[room].closed = rest is not timeline
                drafts[room].take(rest, kept)
            open_drafts = [
                d
                for d in open_drafts
                if d.cut is not None
                and not d.closed
                and len(d.kept) < self._limit
                and self._wants(d.span.room_id)
            ]
            if not open_drafts:
                break
            size = min(size * 4, LARGEST_ROUND)
        for draft in drafts.values():
            if not self._wants(draft.span.room_id):
                draft.leave_out_all()
            draft.trim(self._limit)

    def _wants(self, room_id: str) -> bool:
        return self._timeline.matches_room(room_id)

    def _kept(
        self,
        drafts: Mapping[int, _Draft],
        found: Mapping[int, sync.Timeline],
        memberships: Mapping[int, str],
    ) -> dict[int, tuple[ClientEvent, str]]:
        rows = [
            row
            for room, one in found.items()
            for row in one.rows
            if row.ev in memberships and not self._was_told(drafts[room].span, row, memberships)
        ]
        loaded = client_events.load(self._tx, self._cache, rows)
        return {
            row.ev: (loaded[row.ev], memberships[row.ev])
            for row in rows
            if self._all_pass or self._passes(loaded[row.ev])
        }

    def _was_told(self, span: Span, row: EventRow, memberships: Mapping[int, str]) -> bool:
        """Whether an event is how the user stayed out of the room, told when it happened."""
        if (row.type, row.state_key) != (MEMBER, self._user_id):
            return False
        return (row.pos or 0) <= span.told and memberships[row.ev] in OUTSIDE

    def _passes(self, event: ClientEvent) -> bool:
        if event.state_key is None and event.sender in self._ignored:
            return False
        return matches(self._timeline, event)

    def _memberships(
        self, drafts: Mapping[int, _Draft], found: Mapping[int, sync.Timeline]
    ) -> dict[int, str]:
        """Event number → the user's membership at it, of the visible ones."""
        memberships = {}
        doubtful = {}
        for room, timeline in found.items():
            span = drafts[room].span
            if span.steady and _is_linear(timeline):
                memberships.update(dict.fromkeys((row.ev for row in timeline.rows), "join"))
                continue
            drafts[room].judged = True
            certain = _certain_memberships(span, timeline.rows)
            memberships |= certain
            if len(certain) < len(timeline.rows):
                doubtful[room] = [row for row in timeline.rows if row.ev not in certain]
        if doubtful:
            memberships |= visible(self._tx, self._cache, self._user_id, doubtful)
        return memberships

    def _add_farewells(self, drafts: Mapping[int, _Draft]) -> None:
        """Show the user's own last event in rooms that they are out of, whatever else is hidden."""
        missing = {}
        for draft in drafts.values():
            row = draft.span.farewell
            if row is not None and all(kept.row.ev != row.ev for kept in draft.kept):
                missing[draft.span.room] = row
        loaded = client_events.load(self._tx, self._cache, missing.values())
        for room, row in missing.items():
            membership = loaded[row.ev].membership or "leave"
            drafts[room].kept.append(_Kept(row, loaded[row.ev], membership, row.before_pos or 0))

    # state

    def _lines(self, drafts: Mapping[int, _Draft]) -> dict[int, tuple[int, int, str]]:
        rooms = [room for room, draft in drafts.items() if self._needs_state(draft)]
        return sync.main_lines(self._tx, rooms) if rooms else {}

    def _needs_state(self, draft: _Draft) -> bool:
        """Whether the timeline alone may not tell the client all that changed of the state."""
        span = draft.span
        if span.farewell is not None and span.end is None:
            return False  # never a member: nothing of the state is theirs to see
        if span.whole or draft.cut is not None:
            return True
        return draft.stepped if self._query.state_after else not draft.own_steps

    def _state_sections(
        self,
        drafts: Mapping[int, _Draft],
        lines: Mapping[int, tuple[int, int, str]],
        heroes: Mapping[int, Sequence[str]],
    ) -> dict[int, list[Shown]]:
        spans = {}
        for room, (line, head, _) in lines.items():
            draft = drafts[room]
            if draft.high is None:  # no event lies in the span
                draft.start = draft.high = head if draft.span.end is None else draft.span.end.head
            spans[room] = StateSpan(room, line, draft.start, draft.high)
        whole = [span for room, span in spans.items() if drafts[room].span.whole]
        changed = [span for room, span in spans.items() if not drafts[room].span.whole]
        since = self._since_tokens(drafts, changed)
        # (room, key number) → main line position of the first change since the token
        firsts = sync.changed_keys(self._tx, since) if since else {}
        entries = self._whole_states(drafts, whole, heroes)
        entries += self._entries_of(since if self._query.state_after else changed, list(firsts))
        return self._sections(drafts, entries, firsts)

    def _since_tokens(
        self, drafts: Mapping[int, _Draft], spans: Sequence[StateSpan]
    ) -> list[StateSpan]:
        """The same spans, each from where the main line stood at the client's token."""
        if not spans:
            return []
        places = {span.room: (span.room, drafts[span.room].span.after) for span in spans}
        lows = sync.heads_at(self._tx, list(places.values()))
        return [span._replace(low=lows[places[span.room]]) for span in spans]

    def _entries_of(
        self, spans: Sequence[StateSpan], keys: Sequence[tuple[int, int]]
    ) -> list[StateEntry]:
        return sync.state_of_keys(self._tx, spans, keys) if keys else []

    def _whole_states(
        self,
        drafts: Mapping[int, _Draft],
        spans: Sequence[StateSpan],
        heroes: Mapping[int, Sequence[str]],
    ) -> list[StateEntry]:
        if not spans:
            return []
        if not self._state.lazy_load_members:
            return sync.whole_state(self._tx, spans)
        users = {
            span.room: {self._user_id, *heroes.get(span.room, ())}
            | {kept.row.sender for kept in drafts[span.room].kept}
            for span in spans
        }
        keys = self._member_keys(users)
        return sync.state_without_members(self._tx, spans) + self._entries_of(spans, list(keys))

    def _member_keys(self, users: Mapping[int, Iterable[str]]) -> dict[tuple[int, int], str]:
        """(room, key number) → user, of the membership keys of users by room."""
        names = {(MEMBER, user_id) for of_room in users.values() for user_id in of_room}
        found = state.find_keys(self._tx, names)
        return {
            (room, found[MEMBER, user_id]): user_id
            for room, of_room in users.items()
            for user_id in of_room
            if (MEMBER, user_id) in found
        }

    def _sections(
        self,
        drafts: Mapping[int, _Draft],
        entries: Sequence[StateEntry],
        firsts: Mapping[tuple[int, int], int],
    ) -> dict[int, list[Shown]]:
        rows = {one.row.ev: one.row for draft in drafts.values() for one in draft.kept}
        numbers = {ev for entry in entries for ev in (entry.low_ev, entry.high_ev) if ev}
        numbers -= rows.keys()
        if numbers:
            rows |= events.by_numbers(self._tx, numbers)
        loaded = client_events.load(self._tx, self._cache, rows.values())
        in_timeline = {room: _keys_of(draft.kept) for room, draft in drafts.items()}
        chosen: dict[int, list[EventRow]] = {}
        for entry in in_turns(entries):
            if self._query.state_after and not entry.high_ev:
                drafts[entry.room].gone.append(rows[entry.low_ev])
                continue
            ev = self._choice(drafts[entry.room], entry, in_timeline[entry.room], firsts, rows)
            if ev and self._tells(drafts[entry.room].span.room_id, loaded[ev]):
                chosen.setdefault(entry.room, []).append(rows[ev])
        for room, of_room in chosen.items():
            chosen[room] = self._newest(of_room)
        extras = self._extras([row for of_room in chosen.values() for row in of_room], state=True)
        return {
            room: [self._shown(row, loaded[row.ev], None, extras) for row in in_turns(of_room)]
            for room, of_room in chosen.items()
        }

    def _newest(self, rows: list[EventRow]) -> list[EventRow]:
        limit = self._state.limit
        if limit is None or len(rows) <= limit:
            return rows
        return sorted(rows, key=lambda row: row.pos or 0)[len(rows) - limit :]

    def _choice(
        self,
        draft: _Draft,
        entry: StateEntry,
        in_timeline: Collection[StateKey],
        firsts: Mapping[tuple[int, int], int],
        rows: Mapping[int, EventRow],
    ) -> int:
        """Which event of an entry to tell; 0 for none."""
        row = rows[entry.high_ev or entry.low_ev]
        if self._query.state_after or (row.type, row.state_key) not in in_timeline:
            return entry.high_ev
        first = firsts.get((entry.room, entry.k))
        # In the timeline, so here only what changed before it.
        return entry.low_ev if first is None or first <= draft.start else 0

    def _tells(self, room_id: str, event: ClientEvent) -> bool:
        if self._all_state:
            return True
        return self._state.matches_room(room_id) and matches(self._state, event)

    def members_at(
        self, windows: Sequence[Window], users: Mapping[int, Collection[str]] | None = None
    ) -> dict[int, dict[str, Shown]]:
        """The membership events of the senders in each window, at the end that is told of.

        `users`: of whom instead, by room.
        """
        lines = sync.main_lines(self._tx, [window.room for window in windows])
        spans = [StateSpan(w.room, lines[w.room][0], w.start, w.high) for w in windows]
        keys = self._member_keys(users or {window.room: window.senders for window in windows})
        entries = self._entries_of(spans, list(keys))
        wanted = {self._told_end(entry): keys[entry.room, entry.k] for entry in entries}
        rows = events.by_numbers(self._tx, wanted)
        loaded = client_events.load(self._tx, self._cache, rows.values())
        found: dict[int, dict[str, Shown]] = {window.room: {} for window in windows}
        extras = self._extras(list(rows.values()), state=True)
        for ev, row in rows.items():
            found[row.room][wanted[ev]] = self._shown(row, loaded[ev], None, extras)
        return found

    def _told_end(self, entry: StateEntry) -> int:
        ends = (entry.low_ev, entry.high_ev)
        first, second = reversed(ends) if self._query.state_after else ends
        return first or second

    # what goes with events

    def _extras(self, rows: Sequence[EventRow], *, state: bool = False) -> "_Extras":
        """What the events refer to; for the state section not what they replaced."""
        replaced = {row.replaces for row in rows if row.replaces and not state}
        redactions = {row.redacted_by for row in rows if row.redacted_by}
        earlier = events.by_numbers(self._tx, replaced) if replaced else {}
        later = events.by_ids(self._tx, redactions) if redactions else {}
        loaded = client_events.load(self._tx, self._cache, [*earlier.values(), *later.values()])
        pdus = {}
        if self._query.filter.federation_format and rows:
            pdus = client_events.load_pdus(self._tx, self._cache, rows)
        return _Extras(loaded, {event.event_id: event for event in loaded.values()}, pdus)

    def _shown(
        self, row: EventRow, event: ClientEvent, membership: str | None, extras: "_Extras"
    ) -> Shown:
        bundle = extras.bundles.get(row.ev)
        if row.replaces is None and row.redacted_by is None and not extras.pdus:
            return Shown(event, row, b"", membership, None, bundle)
        unsigned = b""
        replaced = extras.events.get(row.replaces or 0)
        if replaced is not None:
            unsigned = b',"prev_content":%b,"replaces_state":%b' % (
                replaced.content,
                _encode(replaced.event_id),
            )
        redaction = extras.by_id.get(row.redacted_by or "")
        if redaction is not None:
            unsigned += b',"redacted_because":' + redaction.shown(b"")
        return Shown(event, row, unsigned, membership, extras.pdus.get(row.ev), bundle)

    def _window(
        self,
        draft: _Draft,
        line: tuple[int, int, str] | None,
        section: list[Shown],
        extras: "_Extras",
    ) -> Window:
        shown = [self._shown(one.row, one.event, one.membership, extras) for one in draft.kept]
        span = draft.span
        return Window(
            room=span.room,
            shown=shown,
            limited=draft.limited,
            prev_batch=_prev_batch(draft),
            line=None if line is None else line[0],
            start=draft.start,
            high=draft.high or 0,
            state=section,
            gone=[(row.type, row.state_key or "") for row in draft.gone],
            names_changed=draft.names_changed or draft.cut is not None,
            shareable=span.steady and not span.whole and not draft.judged,
            senders=frozenset(one.event.sender for one in shown),
        )


@dataclass(frozen=True, slots=True)
class _Extras:
    """Events that others refer to, by number and by ID, and PDUs by number."""

    events: Mapping[int, ClientEvent]
    by_id: Mapping[str, ClientEvent]
    pdus: Mapping[int, bytes]
    bundles: dict[int, Bundle] = field(default_factory=dict)


def timeline_limit(wanted: SyncFilter, cap: int) -> int:
    """How many events a timeline has at most; `cap` is the server's own limit, -1 for none."""
    limit = wanted.room.timeline.limit
    limit = DEFAULT_LIMIT if limit is None else limit
    return limit if cap < 0 else min(limit, cap)


def matches(wanted: EventFilter, event: ClientEvent) -> bool:
    """Whether an event of a room that matches passes a filter."""
    if wanted.includes_all:
        return True
    return wanted.matches(event.type, event.sender, {"url": None} if event.has_url else {})


def _certain_memberships(span: Span, rows: Sequence[EventRow]) -> dict[int, str]:
    """Event number → the user's membership at it, where that needs no look at the room's state."""
    own = span.joined_by
    if own is None:
        return {}
    found = {}
    for row in rows:
        if row.ev == own.ev or (row.before_line == own.before_line and _is_from(row, own)):
            found[row.ev] = "join"
        elif row.type == "m.room.create":
            found[row.ev] = "leave"  # nothing hides it: there is no setting yet
    return found


def _is_from(row: EventRow, own: EventRow) -> bool:
    return row.before_pos is not None and row.before_pos >= own.head


def _after_hidden_state(timeline: sync.Timeline, seen: Container[int]) -> sync.Timeline:
    """The part of a timeline after the last state event that its reader may not see.

    `seen`: the events that they may see. So the state at the start has what was changed unseen.
    """
    for place in range(len(timeline.rows) - 1, -1, -1):
        row = timeline.rows[place]
        if row.state_key is not None and row.ev not in seen:
            return sync.Timeline(timeline.rows[place + 1 :], row.pos, row.head)
    return timeline


def _is_linear(timeline: sync.Timeline) -> bool:
    """Whether each event stands on the whole room as it was left by the one before it."""
    head = timeline.start
    for row in timeline.rows:
        if row.before_pos != head or row.before_line != timeline.rows[0].before_line:
            return False
        head = row.head
    return True


def _keys_of(kept: Sequence[_Kept]) -> set[StateKey]:
    return {(one.row.type, one.row.state_key) for one in kept if one.row.state_key is not None}


def _prev_batch(draft: _Draft) -> str:
    if draft.kept:
        return history.token(history.just_before(draft.kept[0].row))
    return f"s{draft.cut if draft.cut is not None else draft.upto}"


# --- shaping ---


def shared_key(span: Span, query: Query, ignored: frozenset[str], cap: int) -> Hashable | None:
    """What windows of the same content have in common; None where a window is not to be shared."""
    if span.changes is None or span.whole or not span.steady:
        return None
    positions = [change.pos for change in span.changes if change.kind is Kind.EVENT]
    if not positions:
        return None
    wanted = query.filter
    return (
        span.room,
        positions[0],
        positions[-1],
        wanted.room.timeline,
        wanted.room.state,
        wanted.federation_format,
        query.state_after,
        cap,
        ignored,
    )


def timeline_json(window: Window, query: Query, now_ms: int) -> bytes:
    """The `timeline` of a room."""
    limited = b"true" if window.limited else b"false"
    return b'{"events":[%b],"limited":%b,"prev_batch":%b}' % (
        events_json(window, query, now_ms),
        limited,
        _encode(window.prev_batch),
    )


def events_json(window: Window, query: Query, now_ms: int) -> bytes:
    """The events of a timeline, with commas between them."""
    caller = query.caller
    plain = query.filter.event_fields is None
    if plain and caller.user_id not in window.senders and window.shareable:
        if now_ms - window.bodies_ms > BODY_LIFE_MS:
            window.bodies.clear()
            window.bodies_ms = now_ms
        wrote = _wrote_in_threads(window, caller.user_id)
        if wrote not in window.bodies:
            window.bodies[wrote] = _joined_events(window.shown, query, now_ms)
        return window.bodies[wrote]
    return _joined_events(window.shown, query, now_ms)


def _wrote_in_threads(window: Window, user_id: str) -> tuple[bool, ...]:
    """All in which the timeline of a shared window differs from reader to reader."""
    threads = [one.bundle.thread for one in window.shown if one.bundle is not None]
    return tuple(user_id in thread.writers for thread in threads if thread is not None)


def state_json(shown: Sequence[Shown], query: Query, now_ms: int) -> bytes:
    """The `state` or `state_after` of a room."""
    return b'{"events":[%b]}' % _joined_events(shown, query, now_ms)


def state_events_json(shown: Sequence[Shown], query: Query, now_ms: int) -> bytes:
    """Events of the state, with commas between them."""
    return _joined_events(shown, query, now_ms)


def _joined_events(shown: Sequence[Shown], query: Query, now_ms: int) -> bytes:
    return b",".join([_event_json(one, query, now_ms) for one in in_turns(shown)])


def _event_json(one: Shown, query: Query, now_ms: int) -> bytes:
    if one.pdu is not None:
        return _selected(one.pdu, query.filter.event_fields)
    row, caller = one.row, query.caller
    unsigned = b'"age":%d%b' % (max(0, now_ms - row.origin_server_ts), one.unsigned)
    if one.membership is not None:
        unsigned += b',"membership":' + _encode(one.membership)
    if named := sent_as(row, caller):
        unsigned += b"," + named
    if one.bundle is not None:
        unsigned += b"," + one.bundle.shown(caller.user_id)
    return _selected(one.event.shown(unsigned), query.filter.event_fields)


def _selected(event: bytes, fields: Sequence[tuple[str, ...]] | None) -> bytes:
    if fields is None:
        return event
    return _encode(select(msgspec.json.decode(event), list(fields)))
