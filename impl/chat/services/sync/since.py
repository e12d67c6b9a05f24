"""What changed for a user since a token: which rooms, and whether the user's part in them.

There are two sources. The tail of the change log in memory answers when the token is recent and the
user's rooms have stayed the same; else the database is asked. Either way everything is looked at
between the token and one upper position, `head`, which becomes the next token.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from chat.services.log_tail import Tail
from chat.services.rooms import client_events, preferences
from chat.services.server import Server
from chat.services.sync.memory import SyncMemory, UserRooms
from chat.services.sync.query import Query
from chat.storage import events, rooms, state, streams, sync
from chat.storage.engine import Transaction
from chat.storage.events import EventRow
from chat.storage.rooms import LocalMember
from chat.storage.streams import Kind, LoggedChange
from chat.storage.sync import StateSpan

OUTSIDE = frozenset({"leave", "ban"})
LOOKS_BACK = 8  # of a user's membership events before a token


class Span(msgspec.Struct, frozen=True):
    """What is to be told of one room: its events at log positions in (after, upto].

    `whole`: the client does not know the room's state. `steady`: the user was joined all the time.
    `gap`: the client may not know all that was before. `changes` is what the log says of the room,
    None where the log does not go back that far. `joined_by` is the event since which the user has
    been joined, given for rooms that are new to the client, or that it was out of. `end` is the
    event by which a stay in the room ended, None while it lasts; `farewell` is the user's present
    membership event in a room that they are not in. `told`: how the user stayed out of the room up
    to this log position was told already.
    """

    room: int
    room_id: str
    after: int
    upto: int
    whole: bool = False
    steady: bool = False
    gap: bool = False
    changes: tuple[LoggedChange, ...] | None = None
    joined_by: EventRow | None = None
    end: EventRow | None = None
    farewell: EventRow | None = None
    told: int = 0

    @property
    def is_new(self) -> bool:
        """Whether the client knows nothing of the room, or was out of it."""
        return self.joined_by is not None or not self.after

    def has_receipt_of(self, user_id: str) -> bool:
        """Whether the user may have read something of the room."""
        return self.changes is None or any(
            change.kind is Kind.RECEIPT and change.user_id == user_id for change in self.changes
        )

    def may_have(self, kind: Kind) -> bool:
        """Whether a change of this kind may lie in the span."""
        return self.changes is None or any(change.kind is kind for change in self.changes)


class Plan(msgspec.Struct, frozen=True):
    """What an answer has to tell.

    `own`: changes that concern the user alone; `new_devices`: users sharing a room, or the user,
    whose devices changed. None where the log does not go back that far.
    """

    since: int
    head: int
    user: UserRooms
    joined: Sequence[Span]
    left: Sequence[Span] = ()
    invites: Sequence[LocalMember] = ()
    knocks: Sequence[LocalMember] = ()
    own: tuple[LoggedChange, ...] | None = None
    new_devices: frozenset[str] | None = None

    def may_have(self, kind: Kind) -> bool:
        """Whether a change of this kind may concern the user alone."""
        return self.own is None or any(change.kind is kind for change in self.own)


# --- from memory ---


def nothing_new(server: Server, query: Query) -> bool:
    """Whether it is certain, without a statement, that nothing happened since the token."""
    token, user_id = query.since, query.caller.user_id
    user = server.sync.users.get(user_id)
    if user is None or token is None or token.devices < token.pos:
        return False
    notifier = server.notifier
    if token.pos > notifier.position:
        return False  # of another worker, or from the future
    return not (
        notifier.changed_since(user_id, (), user.as_of)
        or notifier.changed_since(user_id, user.joined, token.pos)
    )


def tail_is_behind(server: Server, query: Query) -> bool:
    """Whether something was committed for the user of which the tail does not know yet.

    So for as long as it is not known what other processes committed before it.
    """
    user = server.sync.users.get(query.caller.user_id)
    if user is None:
        return False
    position = server.notifier.tail.position
    return server.notifier.changed_since(query.caller.user_id, user.joined, position)


def remembered(server: Server, query: Query) -> Plan | None:
    """The plan as the tail of the log has it; None where the database has to be asked."""
    user, tail, token = (
        server.sync.users.get(query.caller.user_id),
        server.notifier.tail,
        query.since,
    )
    if user is None or token is None or query.full_state:
        return None
    if tail_is_behind(server, query):
        return None
    if min(token.pos, user.as_of) < tail.floor or max(token.pos, user.as_of) > tail.position:
        return None
    if _rooms_changed(tail.since(query.caller.user_id, min(token.pos, user.as_of))):
        return None
    user.as_of = head = tail.position
    own = tail.since(query.caller.user_id, token.pos, head)
    changed = tail.since_in(user.joined, token.pos, head)
    spans = [
        Span(room, user.joined[room], token.pos, head, steady=True, changes=changes)
        for room, changes in changed.items()
        if query.filter.room.matches_room(user.joined[room])
    ]
    devices = _devices_in((own, *changed.values()))
    return Plan(token.pos, head, user, spans, own=own, new_devices=devices)


def _new_devices(
    tail: Tail, user_id: str, joined: Mapping[int, str], since: int, upto: int
) -> frozenset[str]:
    own = tail.since(user_id, since, upto)
    return _devices_in((own, *tail.since_in(joined, since, upto).values()))


def _devices_in(changes: Iterable[tuple[LoggedChange, ...]]) -> frozenset[str]:
    return frozenset(
        change.user_id
        for of_name in changes
        for change in of_name
        if change.kind is Kind.DEVICE_LIST and change.user_id
    )


def _rooms_changed(changes: Sequence[LoggedChange]) -> bool:
    """Whether the user's rooms, or whom they ignore, may be others now."""
    return any(
        change.kind is Kind.MEMBERSHIP or (change.kind is Kind.ACCOUNT_DATA and change.room is None)
        for change in changes
    )


# --- from the database ---


def stored(tx: Transaction, server: Server, query: Query) -> Plan:
    """The plan as the database has it. A token from the future is answered like none."""
    tail, user_id = server.notifier.tail, query.caller.user_id
    plan, members = _present(tx, server, user_id)
    head, user = plan.head, plan.user
    since = query.since.pos if query.since is not None and query.since.pos <= head else 0
    wanted = [one for one in members if query.filter.room.matches_room(one.room_id)]
    plan = replace(plan, since=since)
    if since and tail.floor <= since and head <= tail.position:
        plan = replace(
            plan,
            own=tail.since(user_id, since, head),
            new_devices=_new_devices(tail, user_id, user.joined, since, head),
        )
    return _with_rooms(tx, server, query, plan, wanted)


def present(tx: Transaction, server: Server, user_id: str) -> Plan:
    """The plan for a client that knows nothing yet, without any room."""
    return _present(tx, server, user_id)[0]


def _present(tx: Transaction, server: Server, user_id: str) -> tuple[Plan, list[LocalMember]]:
    head = streams.head(tx)
    members = rooms.memberships(tx, user_id)
    user = UserRooms(
        {member.room: member.room_id for member in members if member.membership == "join"},
        *preferences.of(tx, user_id),
        head,
    )
    _remember(server.sync, user_id, user)
    return Plan(0, head, user, []), members


def _remember(memory: SyncMemory, user_id: str, user: UserRooms) -> None:
    known = memory.users.get(user_id)
    if known is None or known.as_of <= user.as_of:
        memory.users.put(user_id, user)


def _with_rooms(
    tx: Transaction, server: Server, query: Query, plan: Plan, members: list[LocalMember]
) -> Plan:
    """The plan with what there is to tell of the rooms of `members`."""
    since = plan.since
    new = [member for member in members if member.pos > since]
    outside = [m for m in new if m.membership in OUTSIDE and _is_told(query, since, m)]
    moved = outside + [m for m in new if since and m.membership == "join"]
    known_stays = stays(tx, server, query.caller.user_id, {m.room: since for m in moved})
    joined = [member for member in members if member.membership == "join"]
    known = [
        m for m in joined if since and (m.room not in known_stays or known_stays[m.room].unbroken)
    ]
    spans = [_known_span(server.notifier.tail, query, plan, member) for member in known]
    known_rooms = {member.room for member in known}
    fresh = [member for member in joined if member.room not in known_rooms]
    return replace(
        plan,
        joined=[span for span in spans if span.changes != () or span.whole]
        + _fresh_spans(tx, plan, fresh, known_stays),
        left=[left_span(member, known_stays[member.room], since) for member in outside],
        invites=wanted_invites(tx, [m for m in new if m.membership == "invite"], plan.user),
        knocks=[m for m in new if m.membership == "knock"],
    )


@dataclass(frozen=True, slots=True)
class Stay:
    """A user's part in a room since a token: membership events from that at the token on.

    `before`: the log position at which they had left last, where they were not joined at the token;
    0 where they never had been.
    """

    entries: list[tuple[EventRow | None, str]]
    before: int = 0

    @property
    def was_joined(self) -> bool:
        """Whether the user was joined at the token."""
        return self.entries[0][1] == "join"

    @property
    def unbroken(self) -> bool:
        """Whether the user was joined all the time."""
        return all(membership == "join" for _, membership in self.entries)

    def told_upto(self, since: int) -> int:
        """The log position up to which a client with the token `since` was told of the room."""
        return since if self.was_joined else self.before

    @property
    def end(self) -> EventRow | None:
        """The event by which the user was joined no longer, None where they never were."""
        for (_, before), (row, after) in reversed(
            list(zip(self.entries, self.entries[1:], strict=False))
        ):
            if before == "join" and after != "join":
                return row
        return None


def stays(
    tx: Transaction, server: Server, user_id: str, sinces: Mapping[int, int]
) -> dict[int, Stay]:
    """The user's stays in rooms since a token each: room → its log position."""
    if not sinces:
        return {}
    key = ("m.room.member", user_id)
    k = state.find_keys(tx, [key])[key]
    numbers = list(sinces)
    lows = sync.heads_at(tx, list(sinces.items()))
    lines = sync.main_lines(tx, numbers)
    spans = [
        StateSpan(room, lines[room][0], lows[room, sinces[room]], lines[room][1])
        for room in numbers
    ]
    found = sync.histories(tx, spans, [(room, k) for room in numbers])
    rows = events.by_numbers(tx, {ev for entries in found.values() for _, ev in entries if ev})
    shown = client_events.load(tx, server.sync.events, rows.values())
    known: dict[int, list[tuple[EventRow | None, str]]] = {
        room: [
            (rows[ev], shown[ev].membership or "leave") if ev else (None, "leave")
            for _, ev in entries
        ]
        for (room, _), entries in found.items()
    }
    out_by = {
        room: row for room, ((row, membership), *_) in known.items() if membership != "join" and row
    }
    left = _last_left(tx, server, out_by)
    return {room: Stay(entries, left.get(room, 0)) for room, entries in known.items()}


def _last_left(tx: Transaction, server: Server, out_by: Mapping[int, EventRow]) -> dict[int, int]:
    """Room → log position of the user's last leave up to an event at which they were out of it.

    Where many such events lie between, that of one of them: what is before can be paged.
    """
    found: dict[int, int] = {}
    rows = {room: row for room, row in out_by.items() if row.replaces}
    for _ in range(LOOKS_BACK):
        if not rows:
            break
        earlier = events.by_numbers(tx, [row.replaces or 0 for row in rows.values()])
        shown = client_events.load(tx, server.sync.events, earlier.values())
        further = {}
        for room, row in rows.items():
            one = earlier.get(row.replaces or 0)
            if one is None or shown[one.ev].membership == "join":
                found[room] = row.pos or 0
            elif one.replaces:
                further[room] = one
        rows = further
    return found | {room: row.pos or 0 for room, row in rows.items()}


def _known_span(tail: Tail, query: Query, plan: Plan, member: LocalMember) -> Span:
    """What lies behind the token in a room in which the user was all the time."""
    changes = None if plan.own is None else tail.since(member.room, plan.since, plan.head)
    return Span(
        member.room,
        member.room_id,
        plan.since,
        plan.head,
        whole=query.full_state,
        steady=True,
        changes=changes,
    )


def _fresh_spans(
    tx: Transaction, plan: Plan, members: list[LocalMember], known_stays: Mapping[int, Stay]
) -> list[Span]:
    """Rooms of which the client knows nothing, or that it was out of meanwhile."""
    rows = events.by_numbers(tx, [member.ev for member in members]) if members else {}
    spans = []
    for member in members:
        stay = known_stays.get(member.room)
        spans.append(
            Span(
                member.room,
                member.room_id,
                0 if stay is None else stay.told_upto(plan.since),
                plan.head,
                whole=True,
                gap=stay is not None and not stay.was_joined,
                joined_by=rows[member.ev],
                told=plan.since,
            )
        )
    return spans


def _is_told(query: Query, since: int, member: LocalMember) -> bool:
    """Whether a room that the user is out of is told of: at once, later only if asked for."""
    return since > 0 or (query.filter.room.include_leave and not member.forgotten)


def left_span(member: LocalMember, stay: Stay, since: int) -> Span:
    """What is to be told of a room that the user is out of."""
    end, farewell = stay.end, stay.entries[-1][0]
    if end is None:  # never joined, or left before: there is only the last event to tell
        return Span(member.room, member.room_id, member.pos, member.pos, farewell=farewell)
    known = stay.was_joined and since > 0
    return Span(
        member.room,
        member.room_id,
        stay.told_upto(since),
        end.pos or 0,
        whole=not known,
        gap=stay.before > 0,
        end=end,
        farewell=farewell,
        told=since,
    )


def wanted_invites(
    tx: Transaction, members: Sequence[LocalMember], user: UserRooms
) -> list[LocalMember]:
    """Invites, without those from users who are ignored; none where none are wanted.

    Spec: client-server-api/#ignoring-users, #invite-permission
    """
    if user.blocks_invites:
        return []
    if not members or not user.ignored:
        return list(members)
    rows = events.by_numbers(tx, [member.ev for member in members])
    return [member for member in members if rows[member.ev].sender not in user.ignored]
