"""What is told of the rooms that a request asks about.

Each room becomes a `Task`, which says what is to be read of it, and then a `Result`: the JSON of
the room, where there is something to tell, and how it stands with the connection from then on.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from chat.protocol.filters import EventFilter, RoomFilter, SyncFilter
from chat.services.rooms import client_events
from chat.services.server import Server
from chat.services.sync import extras, since, timeline, windows
from chat.services.sync.extras import Facts
from chat.services.sync.query import Query, Token
from chat.services.sync.since import Plan, Span
from chat.services.sync.sliding.connections import Known
from chat.services.sync.sliding.room_list import Chosen, Relevant, summaries
from chat.services.sync.sliding.wish import MEMBER, RoomWish, Wish
from chat.services.sync.timeline import Shown, Window
from chat.services.unread import Counts, total
from chat.storage import events, sliding, state, sync
from chat.storage.engine import Transaction
from chat.storage.rooms import LocalMember
from chat.storage.sliding import Place, Sent
from chat.storage.streams import Kind

ROOMS_AT_ONCE = 40
# What moves a room up in a client's list. Spec: MSC4186, `bump_stamp`
BUMPS = frozenset(
    {
        "m.room.create",
        "m.room.message",
        "m.room.encrypted",
        "m.sticker",
        "m.call.invite",
        "m.poll.start",
        "m.beacon_info",
    }
)
OUTSIDE = frozenset({"invite", "knock"})
NAME, AVATAR = ("m.room.name", ""), ("m.room.avatar", "")

_encode = msgspec.json.encode


class Task(msgspec.Struct, frozen=True):
    """What is to be told of a room.

    `span` is what to read of it, None for nothing; `initial`: the client does not know the room;
    `expanded`: it is to get more of the timeline than it has.
    """

    member: LocalMember
    wish: RoomWish
    sent: Sent | None
    span: Span | None = None
    initial: bool = False
    expanded: bool = False
    stripped: bool = False


@dataclass(slots=True)
class Result:
    """What became of tasks.

    `bodies`: the JSON of rooms by ID; `sent`: how rooms stand with the connection now, where that
    is new; `spans`: what was looked at, with the timelines; `members`: whose membership events go
    out, as (room, user ID).
    """

    bodies: dict[str, bytes] = field(default_factory=dict)
    sent: dict[int, Sent] = field(default_factory=dict)
    configs: list[str] = field(default_factory=list)
    spans: dict[int, Span] = field(default_factory=dict)
    timelines: dict[int, Collection[str]] = field(default_factory=dict)
    members: list[tuple[int, str]] = field(default_factory=list)
    gaps: set[int] = field(default_factory=set)


class Telling:
    """Tells of the rooms of one request."""

    def __init__(
        self,
        tx: Transaction,
        server: Server,
        wish: Wish,
        known: Known,
        plan: Plan,
        chosen: Chosen,
    ) -> None:
        self._tx = tx
        self._server = server
        self._wish = wish
        self._known = known
        self._plan = plan
        self._chosen = chosen
        self._user_id = wish.caller.user_id
        self._now_ms = server.clock.now_ms()
        self._spans = {span.room: span for span in plan.joined}
        self._result = Result(configs=list(known.configs))
        self._numbers: dict[int, int] = {}  # by the wish's identity

    def tell(self) -> Result:
        """Everything that is new of these rooms."""
        tasks = [
            self._task(room, relevant)
            for room, relevant in self._chosen.rooms.items()
            if not self._is_quiet(room, relevant)
        ]
        tasks = self._with_left(tasks)
        for few in _few(tasks):
            self._tell_of(few)
        self._leave_behind()
        return self._result

    # what to do

    def _is_quiet(self, room: int, relevant: Relevant) -> bool:
        """Whether it is clear at once that there is nothing to tell of a room: mostly so."""
        sent = self._known.rooms.get(room)
        return (
            sent is not None
            and sent.upto is None
            and self._plan.own is not None
            and room not in self._spans
            and relevant.member.pos <= self._plan.since
            and relevant.wish.limit <= sent.limit
            and sent.config == self._number(relevant.wish)
            and sent.is_dm == (relevant.member.room_id in self._chosen.marks.direct)
        )

    def _number(self, wish: RoomWish) -> int:
        """The number of what a wish asks of the state; most rooms share one wish."""
        number = self._numbers.get(id(wish))
        if number is None:
            configs, text = self._result.configs, wish.required.text()
            if text not in configs:
                configs.append(text)
            number = self._numbers[id(wish)] = configs.index(text)
        return number

    def _task(self, room: int, relevant: Relevant) -> Task:
        member, wish = relevant.member, relevant.wish
        sent = self._known.rooms.get(room)
        task = Task(member, wish, sent)
        if member.membership != "join":
            is_new = sent is None or member.pos > self._upto(sent)
            if member.membership in OUTSIDE:
                return replace(task, stripped=is_new, initial=is_new)
            return replace(task, initial=is_new)  # see _with_left
        if sent is None or not self._was_there(member, sent):
            return replace(task, span=self._fresh(member), initial=True)
        if wish.limit > sent.limit:
            return replace(task, span=self._fresh(member), expanded=True)
        span = self._span(member, sent)
        if not self._known.config(sent.config).covers(wish.required):
            return replace(task, span=replace(span, whole=True))
        return replace(task, span=span)

    def _upto(self, sent: Sent) -> int:
        return self._plan.since if sent.upto is None else sent.upto

    def _was_there(self, member: LocalMember, sent: Sent) -> bool:
        """Whether the user has been joined ever since the client was told of the room."""
        if member.pos <= self._upto(sent):
            return True
        span = self._spans.get(member.room)
        return sent.upto is None and span is not None and span.steady

    def _fresh(self, member: LocalMember) -> Span:
        # `joined_by` is filled in for all of them together.
        return Span(member.room, member.room_id, 0, self._plan.head, whole=True)

    def _span(self, member: LocalMember, sent: Sent) -> Span:
        tail, after = self._server.notifier.tail, self._upto(sent)
        known = tail.floor <= after and self._plan.head <= tail.position
        changes = tail.since(member.room, after, self._plan.head) if known else None
        place = self._chosen.places.get(member.room)
        if place is not None and place.event <= after and place.receipt <= after:
            changes = changes or ()
        return Span(
            member.room, member.room_id, after, self._plan.head, steady=True, changes=changes
        )

    def _with_left(self, tasks: list[Task]) -> list[Task]:
        """The tasks, with the spans of rooms that the user is out of."""
        left = [
            task
            for task in tasks
            if task.initial and task.span is None and task.member.membership not in OUTSIDE
        ]
        sinces = {
            task.member.room: 0 if task.sent is None else self._upto(task.sent) for task in left
        }
        stays = since.stays(self._tx, self._server, self._user_id, sinces)
        spans = {
            task.member.room: since.left_span(
                task.member, stays[task.member.room], sinces[task.member.room]
            )
            for task in left
        }
        return [
            replace(task, span=spans[task.member.room], initial=task.sent is None)
            if task.member.room in spans
            else task
            for task in tasks
        ]

    # rooms, a few at a time

    def _tell_of(self, tasks: Sequence[Task]) -> None:
        tasks = self._with_joins(tasks)
        found = self._windows(tasks)
        members = self._lazy_members(tasks, found)
        stripped = extras.stripped_states(
            self._tx, self._server, [task.member for task in tasks if task.stripped]
        )
        told = _Few(self._tx, self._server, self._plan, tasks, found, self._chosen.places)
        for task in tasks:
            room = task.member.room
            window = found.get(room)
            body = (
                _stripped_json(task, stripped[room])
                if task.stripped
                else self._body(task, window, members.get(room, []), told)
            )
            if body is not None:
                self._result.bodies[task.member.room_id] = body
            if task.span is not None:
                self._result.spans[room] = task.span
            if window is not None:
                self._result.timelines[room] = [one.event.event_id for one in window.shown]
            self._note(task, window)

    def _with_joins(self, tasks: Sequence[Task]) -> Sequence[Task]:
        fresh = {
            task.member.ev
            for task in tasks
            if task.span is not None and task.member.membership == "join" and not task.span.after
        }
        if not fresh:
            return tasks
        rows = events.by_numbers(self._tx, fresh)
        return [
            replace(task, span=replace(task.span, joined_by=rows[task.member.ev]))
            if task.span is not None and task.member.ev in fresh
            else task
            for task in tasks
        ]

    def _query(self, wish: RoomWish) -> Query:
        wanted = _filter(wish.limit, lazy=not wish.required.wants_all_members)
        token = Token(self._plan.since, self._plan.since) if self._plan.since else None
        return Query(self._wish.caller, token, wanted, state_after=True)

    def _windows(self, tasks: Sequence[Task]) -> dict[int, Window]:
        ignored = self._plan.user.ignored
        groups: dict[tuple[int, bool], list[Task]] = {}
        for task in tasks:
            if task.span is not None:
                key = (task.wish.limit, task.wish.required.wants_all_members)
                groups.setdefault(key, []).append(task)
        found: dict[int, Window] = {}
        for group in groups.values():
            spans = [task.span for task in group if task.span is not None]
            query = self._query(group[0].wish)
            found |= windows.read(self._tx, self._server, query, ignored, spans)
        return found

    # members

    def _lazy_members(
        self, tasks: Sequence[Task], found: Mapping[int, Window]
    ) -> dict[int, list[Shown]]:
        """The membership events that the timelines need and `Window.state` does not have."""
        missing: dict[int, Collection[str]] = {}
        for task in tasks:
            window = found.get(task.member.room)
            if window is None or not task.wish.required.lazy:
                continue
            needed = _needed(window)
            has = {one.event.state_key or "" for one in window.state if one.event.type == MEMBER}
            told: Collection[str] = needed
            if self._starts_anew(task, window):
                self._result.gaps.add(task.member.room)
                unknown = needed - has
            else:
                told = needed | has
                unknown = frozenset(one for one in needed - has if not self._is_known(task, one))
            self._result.members += [(task.member.room, one) for one in told]
            if unknown:
                missing[task.member.room] = unknown
        if not missing:
            return {}
        query = self._query(tasks[0].wish)
        reader = windows.reader(self._tx, self._server, query, self._plan.user.ignored)
        asked = [found[room] for room in missing]
        return {
            room: list(told.values()) for room, told in reader.members_at(asked, missing).items()
        }

    def _starts_anew(self, task: Task, window: Window) -> bool:
        assert task.span is not None
        return task.span.whole or window.limited

    def _is_known(self, task: Task, user_id: str) -> bool:
        return self._known.members.has(task.member.room, user_id, self._plan.since)

    def _state(self, task: Task, window: Window, members: Sequence[Shown]) -> list[Shown]:
        """The state to tell: what was asked for, and the members that are wanted anyway."""
        required = task.wish.required
        needed: frozenset[str] = _needed(window) if required.lazy else frozenset()
        every_change = required.lazy and not self._starts_anew(task, window)
        chosen = [
            one
            for one in window.state
            if required.wants(one.event.type, one.event.state_key or "")
            or (
                one.event.type == MEMBER and (every_change or (one.event.state_key or "") in needed)
            )
        ]
        return [*chosen, *members, *self._farewell(task, window)]

    def _gone(self, task: Task, window: Window) -> list[bytes]:
        """Stubs of what is no longer in the state. Spec: MSC4186, `StateStub`"""
        required = task.wish.required
        return [
            _encode({"type": kind, "state_key": state_key})
            for kind, state_key in window.gone
            if required.wants(kind, state_key) or (required.lazy and kind == MEMBER)
        ]

    def _farewell(self, task: Task, window: Window) -> list[Shown]:
        """The user's own membership event in a room of whose state nothing else is theirs to see.

        Clients look for it in the state only.
        """
        own = (MEMBER, self._user_id)
        if window.state or task.member.membership == "join" or not task.wish.required.wants(*own):
            return []
        return [one for one in window.shown if (one.event.type, one.event.state_key) == own][-1:]

    # the JSON of a room

    def _body(
        self, task: Task, window: Window | None, members: Sequence[Shown], told: "_Few"
    ) -> bytes | None:
        fields: dict[str, bytes] = {}
        if window is not None:
            self._add_events(fields, task, window, members)
        if not (fields or task.initial or self._marks_differ(task) or self._may_have_read(task)):
            return None
        if window is not None:
            self._add_names(fields, task, window, told)
        self._add_plain(fields, task, window, told)
        return _object(fields)

    def _is_direct(self, task: Task) -> bool:
        return task.member.room_id in self._chosen.marks.direct

    def _marks_differ(self, task: Task) -> bool:
        return task.sent is not None and task.sent.is_dm != self._is_direct(task)

    def _may_have_read(self, task: Task) -> bool:
        """Whether the user's own receipts may have changed the numbers of unread notifications."""
        span = task.span
        return (
            span is not None
            and task.member.membership == "join"
            and span.has_receipt_of(self._user_id)
        )

    def _add_events(
        self, fields: dict[str, bytes], task: Task, window: Window, members: Sequence[Shown]
    ) -> None:
        query = self._query(task.wish)
        section = self._state(task, window, members)
        state = [timeline.state_events_json(section, query, self._now_ms)] if section else []
        state += self._gone(task, window)
        if not (window.shown or state or window.limited or task.initial):
            return
        if state:
            fields["required_state"] = b"[%b]" % b",".join(state)
        if window.shown:
            shown = timeline.events_json(window, query, self._now_ms)
            fields["timeline"] = b"[%b]" % shown
            fields["num_live"] = b"%d" % self._live(window)
            fields["prev_batch"] = _encode(window.prev_batch)
        elif window.limited:
            fields["prev_batch"] = _encode(window.prev_batch)
        if window.limited:
            fields["limited"] = b"true"

    def _live(self, window: Window) -> int:
        since = self._plan.since
        return sum((one.row.pos or 0) > since for one in window.shown) if since else 0

    def _add_names(
        self, fields: dict[str, bytes], task: Task, window: Window, told: "_Few"
    ) -> None:
        named = {(one.event.type, one.event.state_key): one for one in window.state}
        for name, key, place in (("name", NAME, "name"), ("avatar", AVATAR, "url")):
            if key in named:
                value = _text_of(named[key].event.content, place)
                if value or not task.initial:
                    fields[name] = _encode(value)
        summary = told.summaries.get(task.member.room)
        if summary is None:
            return
        fields["joined_count"] = b"%d" % summary.joined
        fields["invited_count"] = b"%d" % summary.invited
        if not summary.name:
            fields["heroes"] = b"[%b]" % b",".join(told.heroes.get(task.member.room, []))

    def _add_plain(
        self, fields: dict[str, bytes], task: Task, window: Window | None, told: "_Few"
    ) -> None:
        if task.initial:
            fields["initial"] = b"true"
        if task.expanded:
            fields["unstable_expanded_timeline"] = b"true"
        fields["membership"] = _encode(task.member.membership)
        if self._is_direct(task):
            fields["is_dm"] = b"true"
        elif self._marks_differ(task):
            fields["is_dm"] = b"false"
        stamp = told.bump(task, window)
        if stamp:
            fields["bump_stamp"] = b"%d" % stamp
        unread = told.unread.get(task.member.room)
        if unread is not None:
            fields["notification_count"] = b"%d" % unread.n
            fields["highlight_count"] = b"%d" % unread.h

    # how the rooms stand with the connection now

    def _note(self, task: Task, window: Window | None) -> None:
        sent, limit = task.sent, task.wish.limit
        if sent is not None and not (task.initial or task.expanded):
            limit = limit if window is not None and window.limited else sent.limit
        now = Sent(None, limit, self._number(task.wish), self._is_direct(task))
        if now != sent and (sent is not None or task.initial):
            self._result.sent[task.member.room] = now

    def _leave_behind(self) -> None:
        """Note of rooms that are no longer asked for up to where the client knows them."""
        since, own = self._plan.since, self._plan.own
        marked = {
            change.room for change in own or () if change.kind is Kind.ACCOUNT_DATA and change.room
        }
        for room, sent in self._known.rooms.items():
            if sent.upto is not None or room in self._chosen.rooms:
                continue
            place = self._chosen.places.get(room)
            member = self._chosen.known.members.get(room)
            if (
                own is None
                or room in marked
                or (place is not None and max(place) > since)
                or (member is not None and member.pos > since)
            ):
                self._result.sent[room] = sent._replace(upto=since)


class _Few:
    """What is looked up for a few rooms together."""

    def __init__(
        self,
        tx: Transaction,
        server: Server,
        plan: Plan,
        tasks: Sequence[Task],
        found: Mapping[int, Window],
        places: Mapping[int, Place],
    ) -> None:
        self._tx = tx
        self._plan = plan
        self._found = found
        here = [task for task in tasks if task.member.membership == "join"]
        renamed = [task for task in here if self._is_renamed(task)]
        numbers = [task.member.room for task in renamed]
        self.summaries = summaries(tx, server, numbers, places, plan.head)
        nameless = {
            room: facts
            for room in numbers
            if not self.summaries[room].name
            and (facts := found[room].facts) is not None
            and facts.names is not None
        }
        user_id = renamed[0].member.user_id if renamed else ""
        self.heroes = _heroes(tx, server, nameless, user_id)
        self._bumps = self._read_bumps(here)
        self.unread = _unread(tx, server, here)

    def _is_renamed(self, task: Task) -> bool:
        window = self._found.get(task.member.room)
        if window is None:
            return False
        return task.initial or task.expanded or window.names_changed

    def _read_bumps(self, here: Sequence[Task]) -> dict[int, int]:
        unknown = []
        for task in here:
            window = self._found.get(task.member.room)
            if window is None or _last_bump(window):
                continue
            if task.initial or task.expanded or window.limited:
                unknown.append(task.member.room)
        return sliding.bumps(self._tx, unknown, self._plan.head) if unknown else {}

    def bump(self, task: Task, window: Window | None) -> int:
        """The room's `bump_stamp`; 0 where it has not changed."""
        if task.member.membership != "join":
            return task.member.pos
        last = 0 if window is None else _last_bump(window)
        return last or self._bumps.get(task.member.room, 0)


def _unread(tx: Transaction, server: Server, here: Sequence[Task]) -> dict[int, Counts]:
    """The numbers of unread notifications of rooms in which they may have changed."""
    spans = [task.span for task in here if task.span is not None]
    if not spans:
        return {}
    counted = extras.unread_counts(tx, server, here[0].member.user_id, spans)
    return {room: total(of_room) for room, of_room in counted.items()}


def _last_bump(window: Window) -> int:
    for one in reversed(window.shown):
        if one.event.type in BUMPS:
            return one.row.pos or 0
    return 0


def _heroes(
    tx: Transaction, server: Server, nameless: Mapping[int, Facts], user_id: str
) -> dict[int, list[bytes]]:
    """The `heroes` of rooms without a name, as JSON."""
    wanted = {room: facts.heroes(user_id) for room, facts in nameless.items()}
    names = {(MEMBER, hero) for heroes in wanted.values() for hero in heroes}
    if not names:
        return {}
    keys = state.find_keys(tx, names)
    pairs = [(room, keys[MEMBER, hero]) for room, heroes in wanted.items() for hero in heroes]
    rows = sync.current_of_keys(tx, pairs)
    shown = client_events.load(tx, server.sync.events, rows)
    told = {(row.room, row.state_key): _hero(shown[row.ev].content, row.state_key) for row in rows}
    return {
        room: [told[room, hero] for hero in heroes if (room, hero) in told]
        for room, heroes in wanted.items()
    }


def _text_of(content: bytes, place: str) -> str | None:
    """A text in the content of an event; None where there is none, or an empty one."""
    value = msgspec.json.decode(content).get(place)
    return value if isinstance(value, str) and value else None


class _Profile(msgspec.Struct):
    """What of a membership event's content names a member."""

    displayname: object = None
    avatar_url: object = None


def _hero(content: bytes, user_id: str | None) -> bytes:
    profile = msgspec.json.decode(content, type=_Profile)
    hero = {"user_id": user_id}
    if isinstance(profile.displayname, str):
        hero["displayname"] = profile.displayname
    if isinstance(profile.avatar_url, str):
        hero["avatar_url"] = profile.avatar_url
    return _encode(hero)


def _needed(window: Window) -> frozenset[str]:
    """The users without whose membership events a timeline cannot be shown."""
    targets = {one.event.state_key or "" for one in window.shown if one.event.type == MEMBER}
    return window.senders | targets


def _stripped_json(task: Task, shown: Sequence[bytes]) -> bytes:
    return _object(
        {
            "initial": b"true",
            "membership": _encode(task.member.membership),
            "bump_stamp": b"%d" % task.member.pos,
            "invite_state": b"[%b]" % b",".join(shown),
        }
    )


def _object(fields: Mapping[str, bytes]) -> bytes:
    return b"{%b}" % b",".join([b'"%b":%b' % (name.encode(), of) for name, of in fields.items()])


def _few(tasks: Sequence[Task]) -> Iterator[Sequence[Task]]:
    """The tasks, a few at a time; between them others get their turn."""
    for start in range(0, len(tasks), ROOMS_AT_ONCE):
        if start:
            time.sleep(0)
        yield tasks[start : start + ROOMS_AT_ONCE]


@lru_cache(maxsize=256)
def _filter(limit: int, *, lazy: bool) -> SyncFilter:
    """Timelines of so many events; equal ones are the same, so that windows are shared by them."""
    return SyncFilter(
        room=RoomFilter(
            timeline=EventFilter(limit=limit), state=EventFilter(lazy_load_members=lazy)
        )
    )
