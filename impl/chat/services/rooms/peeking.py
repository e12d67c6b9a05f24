"""Reading rooms without sync: a room at once, and waiting for what happens in it.

This is how rooms that are open to the world are watched from outside, and how clients from before
/sync read all of theirs. Spec: client-server-api/#room-previews
"""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import msgspec

from chat.protocol.errors import Forbidden, NotFound
from chat.services import push_rules
from chat.services.caller import Caller
from chat.services.connection import ClientConnection
from chat.services.rooms import history, preferences, shown, state
from chat.services.rooms.preferences import Preferences
from chat.services.rooms.shown import Moment
from chat.services.rooms.visibility import View, memberships_at, view
from chat.services.server import Server
from chat.services.sync import presence, since
from chat.services.sync.query import EVERYTHING, Query, parse_token
from chat.services.sync.request import MAX_WAIT_MS
from chat.storage import account_data, events, room_lists, rooms, streams
from chat.storage.engine import Transaction
from chat.storage.events import EventRow
from chat.storage.rooms import LocalMember

MESSAGES = 20  # of a room, where nobody says how many
MAX_MESSAGES = 100
MAX_EVENTS = 100  # of one stretch

_encode = msgspec.json.encode


class RoomNow(NamedTuple):
    """The present situation of a room, or that at which a user left; events are JSON.

    `invite` is the invite of somebody who is not in yet; then there is nothing else.
    """

    room_id: str
    membership: str
    is_published: bool
    messages: list[bytes]
    start: str
    end: str
    state: list[bytes]
    account_data: list[bytes]
    invite: bytes | None = None


class Stretch(NamedTuple):
    """What happened between two positions of the change log; events are JSON."""

    events: list[bytes]
    start: str
    end: str


# --- the present situation ---


def room_now(server: Server, caller: Caller, room_id: str) -> RoomNow:
    """A room as the caller may see it. Raises NotFound, Forbidden.

    Spec: client-server-api/#get_matrixclientv3roomsroomidinitialsync
    """

    def work(tx: Transaction) -> RoomNow:
        seen_by = view(tx, server.sync.events, caller.user_id, room_id)
        return _room_now(tx, server, caller, seen_by, MESSAGES)

    return server.store.read(work)


def _room_now(
    tx: Transaction, server: Server, caller: Caller, seen_by: View, limit: int
) -> RoomNow:
    room = seen_by.room
    messages, start = history.latest(tx, server, caller, seen_by, limit)
    return RoomNow(
        room.room_id,
        seen_by.membership,
        rooms.is_published(tx, room.room),
        messages,
        start,
        _token(streams.head(tx)),
        state.whole_seen(tx, server, seen_by),
        _account_data(tx, caller, room.room),
    )


def _account_data(tx: Transaction, caller: Caller, room: int) -> list[bytes]:
    return [
        b'{"type":%b,"content":%b}'
        % (_encode(kind), push_rules.shown(caller.user_id, kind, content).encode())
        for kind, content in room_lists.account_data_in(tx, caller.user_id, room)
    ]


class Everything(NamedTuple):
    """The present situation of all rooms of a user."""

    rooms: list[RoomNow]
    account_data: list[bytes]
    presence: list[bytes]
    end: str


def everything_now(
    server: Server, caller: Caller, *, limit: int | None, archived: bool
) -> Everything:
    """All rooms of the caller, `archived`: with those that they left. Raises NotFound for none.

    Spec: client-server-api/#get_matrixclientv3initialsync
    """
    each = min(MESSAGES if limit is None else limit, MAX_MESSAGES)
    kinds = ["join", "invite", *(("leave", "ban") if archived else ())]

    def work(tx: Transaction) -> Everything:
        members = [one for one in rooms.memberships(tx, caller.user_id, kinds) if not one.forgotten]
        if not members:
            raise NotFound("There is nothing yet")
        wishes = preferences.of(tx, caller.user_id)
        found = [_room_of(tx, server, caller, member, wishes, each) for member in members]
        return Everything(
            [one for one in found if one is not None],
            _account_data(tx, caller, account_data.GLOBAL),
            _presence(tx, server, caller),
            _token(streams.head(tx)),
        )

    return server.store.read(work)


def _presence(tx: Transaction, server: Server, caller: Caller) -> list[bytes]:
    query = Query(caller, None, EVERYTHING, presence=server.config.presence.enabled)
    return presence.events(tx, server, since.present(tx, server, caller.user_id), query)


def _room_of(
    tx: Transaction,
    server: Server,
    caller: Caller,
    member: LocalMember,
    wishes: Preferences,
    limit: int,
) -> RoomNow | None:
    if member.membership == "invite":
        rows = list(events.by_numbers(tx, [member.ev]).values())
        if wishes.blocks_invites or rows[0].sender in wishes.ignored:
            return None
        (invite,) = shown.show(tx, server.sync.events, caller, member.room_id, rows)
        return RoomNow(member.room_id, "invite", False, [], "", "", [], [], invite)
    try:
        seen_by = view(tx, server.sync.events, caller.user_id, member.room_id)
    except Forbidden:  # an invite that was declined: they never were in the room
        return None
    return _room_now(tx, server, caller, seen_by, limit)


# --- what happens ---


def watch_room(
    server: Server,
    caller: Caller,
    room_id: str,
    start: str | None,
    timeout_ms: int,
    connection: ClientConnection | None = None,
) -> Stretch:
    """What happens in a room that the caller is in or that is open to the world.

    Waits for something up to `timeout_ms`. Raises NotFound, Forbidden, InvalidParam for a token
    that is none. Spec: client-server-api/#peeking_get_matrixclientv3events
    """

    def watched(tx: Transaction) -> dict[int, str]:
        seen_by = view(tx, server.sync.events, caller.user_id, room_id)
        if not seen_by.is_current:
            raise Forbidden("You are not in this room")
        return {seen_by.room.room: room_id}

    return _watch(server, caller, watched, start, timeout_ms, connection)


def watch_all(
    server: Server,
    caller: Caller,
    start: str | None,
    timeout_ms: int,
    connection: ClientConnection | None = None,
) -> Stretch:
    """What happens in all rooms to which the caller is joined. Waits and raises as `watch_room`.

    Spec: client-server-api/#get_matrixclientv3events
    """

    def watched(tx: Transaction) -> dict[int, str]:
        joined = rooms.memberships(tx, caller.user_id, ["join"])
        return {member.room: member.room_id for member in joined}

    return _watch(server, caller, watched, start, timeout_ms, connection)


def _watch(
    server: Server,
    caller: Caller,
    watched: Callable[[Transaction], dict[int, str]],
    start: str | None,
    timeout_ms: int,
    connection: ClientConnection | None,
) -> Stretch:
    server.notifier.refresh()
    asked = parse_token(start)
    first = position = server.notifier.position if asked is None else asked.pos
    until_ms = server.clock.now_ms() + min(timeout_ms, MAX_WAIT_MS)
    while True:
        news = server.store.read(lambda tx: _news(tx, server, caller, watched(tx), position))  # noqa: B023
        position = news.upto
        left_ms = until_ms - server.clock.now_ms()
        if news.events or left_ms <= 0:
            break
        timeout_s = left_ms / 1000
        if not server.notifier.wait(caller.user_id, news.rooms, position, timeout_s, connection):
            break
    return Stretch(news.events, _token(first), _token(position))


class _News(NamedTuple):
    """What is new in rooms, and up to which position."""

    rooms: Collection[int]
    events: list[bytes]
    upto: int


def _news(
    tx: Transaction, server: Server, caller: Caller, watched: dict[int, str], after: int
) -> _News:
    head = max(after, streams.head(tx))
    rows = room_lists.arrivals(tx, watched, after, head, MAX_EVENTS + 1)
    if len(rows) > MAX_EVENTS:
        rows = rows[:MAX_EVENTS]
        head = rows[-1].pos or head
    texts: dict[int, bytes] = {}
    for room in dict.fromkeys(row.room for row in rows):
        of_room = [row for row in rows if row.room == room]
        texts |= _texts(tx, server, caller, watched[room], of_room)
    return _News(watched, [texts[row.ev] for row in rows if row.ev in texts], head)


def _texts(
    tx: Transaction, server: Server, caller: Caller, room_id: str, rows: Sequence[EventRow]
) -> dict[int, bytes]:
    """The JSON of those of a room's events that the caller may see, by number."""
    cache = server.sync.events
    seen = memberships_at(tx, cache, view(tx, cache, caller.user_id, room_id), rows)
    visible = [row for row in rows if row.ev in seen]
    moment = Moment(server.clock.now_ms(), seen)
    texts = shown.show(tx, cache, caller, room_id, visible, moment)
    return {row.ev: text for row, text in zip(visible, texts, strict=True)}


def _token(position: int) -> str:
    return f"s{position}"


def event(server: Server, caller: Caller, event_id: str) -> bytes:
    """One event as JSON, by its ID alone. Raises NotFound.

    Spec: client-server-api/#get_matrixclientv3eventseventid
    """

    def room_of(tx: Transaction) -> str | None:
        row = events.by_id(tx, event_id)
        return None if row is None else rooms.ids(tx, [row.room])[row.room]

    room_id = server.store.read(room_of)
    if room_id is None:
        raise NotFound("There is no such event")
    return history.event(server, caller, room_id, event_id)
