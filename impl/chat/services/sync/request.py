"""Answering a sync: look, and where there is nothing to tell, wait and look again.

What is new is read in one snapshot, and as much as possible not read at all: the same code runs
first without a database, on what is remembered, and again with one where that was not enough.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

import msgspec

from chat.protocol.errors import InvalidParam
from chat.services.caller import Caller
from chat.services.server import Server
from chat.services.sync import extras, since, timeline
from chat.services.sync.extras import DeviceKeys, DeviceLists, Ephemeral
from chat.services.sync.query import EVERYTHING, Query, Token, parse_token
from chat.services.sync.since import Plan, Span
from chat.services.sync.timeline import MEMBER, Reader, Shown, Window
from chat.storage.engine import Transaction
from chat.storage.streams import Kind

MAX_WAIT_MS = 120_000

_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Answer:
    """What is new. `rooms` is the JSON of the answer's field, None where there is nothing in it."""

    token: Token
    rooms: bytes | None
    account_data: list[bytes]
    to_device: list[bytes]
    devices: DeviceLists | None
    keys: DeviceKeys
    keys_changed: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether a client that waits for news can go on waiting."""
        lists = self.devices
        return not (
            self.rooms
            or self.account_data
            or self.to_device
            or self.keys_changed
            or (lists is not None and (lists.changed or lists.left))
        )


def sync(server: Server, query: Query) -> Answer:
    """What is new for a user and device since a token, at once or as soon as there is something.

    Waits for `query.timeout_ms`, at most two minutes, and no longer once the server closes down.
    Nothing waits without a token or with `full_state`.
    """
    server.notifier.refresh()
    extras.confirm_messages(server, query)
    started_ms = server.clock.now_ms()
    until_ms = started_ms + min(query.timeout_ms, MAX_WAIT_MS)
    answer = look(server, query)
    while query.since is not None and not query.full_state and answer.is_empty:
        left_ms = until_ms - server.clock.now_ms()
        if left_ms <= 0 or not _wait(server, query.caller.user_id, answer.token, left_ms):
            break
        query = replace(query, since=answer.token)
        answer = look(server, query)
    return answer


def changed_lists(server: Server, caller: Caller, since_text: str, upto: str) -> DeviceLists:
    """Whose devices changed since a token, up to now: what came after `upto` does no harm.

    Raises InvalidParam. Spec: client-server-api/#get_matrixclientv3keyschanges
    """
    start = parse_token(since_text)
    if start is None or parse_token(upto) is None:
        raise InvalidParam("from and to must be tokens that sync gave out")
    return look(server, Query(caller, start, EVERYTHING)).devices or DeviceLists()


def _wait(server: Server, user_id: str, token: Token, timeout_ms: int) -> bool:
    user = server.sync.users.get(user_id)
    rooms: Collection[int] = () if user is None else user.joined
    return server.notifier.wait(user_id, rooms, token.pos, timeout_ms / 1000)


def look(server: Server, query: Query) -> Answer:
    """What is new, without waiting."""
    if since.nothing_new(server, query):
        keys = extras.keys_known(server, query.caller)
        if keys is not None and query.since is not None and not query.full_state:
            pos = max(server.notifier.position, query.since.pos)
            return Answer(Token(pos, pos), None, [], [], DeviceLists(), keys)
    if since.tail_is_behind(server, query):
        server.notifier.refresh()
    plan = since.remembered(server, query)
    if plan is None:
        return server.store.read(
            lambda tx: _Answering(tx, server, query, since.stored(tx, server, query)).answer()
        )
    return _from_memory(server, query, plan)


def _from_memory(server: Server, query: Query, plan: Plan) -> Answer:
    """The answer to a plan that no statement was needed for; for the rest maybe no other either."""
    offline = _Offline(server.store)
    try:
        return _Answering(offline, server, query, plan).answer()
    except _DatabaseNeeded:
        pass
    # Of those who wait for the same room, one reads, and the others find it read.
    with server.sync.loading(plan.joined[0].room if plan.joined else 0):
        try:
            return _Answering(offline, server, query, plan).answer()
        except _DatabaseNeeded:
            return server.store.read(lambda tx: _Answering(tx, server, query, plan).answer())


class _DatabaseNeeded(Exception):
    """What is remembered is not enough."""


class _Offline(Transaction):
    """A transaction for work that needs none."""

    def _refuse(self, *_args: object, **_params: object) -> NoReturn:
        raise _DatabaseNeeded

    rows = row = run = do = insert = numbers = _refuse


class _Answering:
    """One answer on its way."""

    def __init__(self, tx: Transaction, server: Server, query: Query, plan: Plan) -> None:
        self._tx = tx
        self._server = server
        self._memory = server.sync
        self._query = query
        self._plan = plan
        self._user_id = query.caller.user_id
        self._now_ms = server.clock.now_ms()
        self._cap = server.config.filter_timeline_limit
        self._device = server.sync.device(query.caller.user_id, query.caller.device_id)
        self._members_sent: list[tuple[int, str]] = []

    def answer(self) -> Answer:
        """Everything that is new."""
        plan, query, tx = self._plan, self._query, self._tx
        windows = self._windows()
        read = extras.ephemeral(tx, self._memory, plan, plan.joined, self._now_ms)
        new_rooms = [span.room for span in plan.joined if span.whole or not span.after]
        account = extras.account_events(tx, plan, query, new_rooms)
        stripped = extras.stripped_states(tx, self._server, [*plan.invites, *plan.knocks])
        messages, delivered = extras.device_messages(tx, plan, query)
        keys = extras.device_keys(tx, self._server, query.caller, plan.head)
        lists = self._device_lists(windows) if plan.since else None
        rooms = {
            "join": self._joined(windows, read, account),
            "leave": self._left(windows, account),
            "invite": {
                one.room_id: _stripped("invite_state", stripped[one.room]) for one in plan.invites
            },
            "knock": {
                one.room_id: _stripped("knock_state", stripped[one.room]) for one in plan.knocks
            },
        }
        self._device.note_members(self._members_sent, plan.head)
        return Answer(
            Token(plan.head, delivered),
            _rooms_json(rooms),
            account.get(0, []),
            messages,
            lists,
            keys,
            keys_changed=plan.since > 0 and keys.changed > plan.since,
        )

    # what is read

    def _windows(self) -> dict[int, Window]:
        spans = [
            span
            for span in (*self._plan.joined, *self._plan.left)
            if span.whole or span.may_have(Kind.EVENT)
        ]
        keys = {
            span.room: timeline.shared_key(span, self._query, self._plan.user.ignored, self._cap)
            for span in spans
        }
        windows = {}
        for room, key in keys.items():
            known = None if key is None else self._memory.windows.get(key)
            if known is not None:
                windows[room] = known
        missing = [span for span in spans if span.room not in windows]
        if missing:
            fresh = self._read_windows(missing)
            windows |= fresh
            for room, window in fresh.items():
                if window.shareable and keys[room] is not None:
                    self._memory.windows.put(keys[room], window)
        return windows

    def _reader(self) -> Reader:
        return Reader(
            self._tx, self._memory.events, self._query, self._plan.user.ignored, self._cap
        )

    def _read_windows(self, spans: list[Span]) -> dict[int, Window]:
        facts = extras.facts_of(
            self._tx, [span.room for span in spans if span.whole and span.end is None]
        )
        heroes = {room: one.heroes(self._user_id) for room, one in facts.items()}
        windows = self._reader().windows(spans, heroes)
        busy = {room for room, window in windows.items() if window.names_changed}
        joined = {span.room for span in spans if span.end is None and span.farewell is None}
        facts |= extras.facts_of(self._tx, (busy & joined) - facts.keys())
        for room, one in facts.items():
            windows[room].facts = one
        return windows

    def _device_lists(self, windows: Mapping[int, Window]) -> DeviceLists:
        busy = {room: one.facts for room, one in windows.items() if one.facts is not None}
        return extras.device_lists(self._tx, self._server, self._plan, self._query, busy)

    # lazy loading

    def _lazy_members(self, span: Span, window: Window) -> list[Shown]:
        """The membership events of senders that the client does not know yet.

        Spec: client-server-api/#lazy-loading-room-members
        """
        wanted = self._query.filter.room.state
        if not wanted.lazy_load_members:
            return []
        told = {
            one.event.state_key or ""
            for one in (*window.shown, *window.state)
            if one.event.type == MEMBER
        }
        unknown = [
            sender
            for sender in window.senders - told
            if wanted.include_redundant_members or not self._knows(span, sender)
        ]
        self._members_sent += [(span.room, member) for member in (*told, *unknown)]
        if span.whole or not unknown:
            return []
        if window.members is None:
            window.members = self._reader().members_at([window])[window.room]
        return [window.members[sender] for sender in sorted(unknown) if sender in window.members]

    def _knows(self, span: Span, user_id: str) -> bool:
        sent = self._device.members.get((span.room, user_id))
        return sent is not None and sent <= self._plan.since

    # what is told

    def _joined(
        self, windows: Mapping[int, Window], read: Ephemeral, account: Mapping[int, list[bytes]]
    ) -> dict[str, bytes]:
        told = {}
        for span in self._plan.joined:
            fields = self._timeline_fields(span, windows.get(span.room))
            seen = extras.ephemeral_json(
                read.receipts.get(span.room, ()),
                read.typing.get(span.room),
                self._query.filter.room.ephemeral,
                self._user_id,
            )
            if seen and self._query.filter.room.ephemeral.matches_room(span.room_id):
                fields.append(b'"ephemeral":' + _events(seen))
            fields += self._account_field(span.room, span.room_id, account)
            if fields:
                told[span.room_id] = b"{%b}" % b",".join(fields)
        for room in account.keys() - {0, *(span.room for span in self._plan.joined)}:
            room_id = self._plan.user.joined.get(room)
            if room_id is not None and self._query.filter.room.matches_room(room_id):
                fields = self._account_field(room, room_id, account)
                if fields:
                    told[room_id] = b"{%b}" % fields[0]
        return told

    def _left(
        self, windows: Mapping[int, Window], account: Mapping[int, list[bytes]]
    ) -> dict[str, bytes]:
        told = {}
        for span in self._plan.left:
            fields = self._timeline_fields(span, windows.get(span.room))
            fields += self._account_field(span.room, span.room_id, account)
            told[span.room_id] = b"{%b}" % b",".join(fields)
        return told

    def _timeline_fields(self, span: Span, window: Window | None) -> list[bytes]:
        if window is None:
            return []
        members = self._lazy_members(span, window)
        state = [*window.state, *members]
        if not (window.shown or state or window.limited or span.whole):
            return []
        name = b"state_after" if self._query.state_after else b"state"
        fields = [
            b'"timeline":' + timeline.timeline_json(window, self._query, self._now_ms),
            b'"%b":%b' % (name, timeline.state_json(state, self._query, self._now_ms)),
        ]
        if window.facts is not None and (span.whole or window.names_changed):
            fields.append(b'"summary":' + window.facts.json(self._user_id))
        return fields

    def _account_field(
        self, room: int, room_id: str, account: Mapping[int, list[bytes]]
    ) -> list[bytes]:
        found = account.get(room)
        if not found or not self._query.filter.room.account_data.matches_room(room_id):
            return []
        return [b'"account_data":' + _events(found)]


def _events(shown: list[bytes]) -> bytes:
    return b'{"events":[%b]}' % b",".join(shown)


def _stripped(name: str, shown: list[bytes]) -> bytes:
    return b"{%b:%b}" % (_encode(name), _events(shown))


def _rooms_json(told: Mapping[str, Mapping[str, bytes]]) -> bytes | None:
    sections = [
        b"%b:{%b}"
        % (
            _encode(section),
            b",".join([b"%b:%b" % (_encode(room_id), part) for room_id, part in of_room.items()]),
        )
        for section, of_room in told.items()
        if of_room
    ]
    return b"{%b}" % b",".join(sections) if sections else None
