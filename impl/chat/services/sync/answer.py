"""One answer on its way: what the plan says is new, read and shaped.

Rooms are taken a few at a time: so an answer about thousands holds the windows of a few in memory,
and others get their turn in between.
"""

import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from chat.services.server import Server
from chat.services.sync import extras, presence, timeline, windows
from chat.services.sync.extras import DeviceKeys, DeviceLists, Ephemeral, Facts
from chat.services.sync.query import Query, Token
from chat.services.sync.since import Plan, Span
from chat.services.sync.timeline import MEMBER, Shown, Window
from chat.services.unread import Unread
from chat.storage.engine import Transaction

ROOMS_AT_ONCE = 40

_encode = msgspec.json.encode


class Answer(msgspec.Struct, frozen=True):
    """What is new. `rooms` is the JSON of the answer's field, None where there is nothing in it."""

    token: Token
    rooms: bytes | None
    account_data: list[bytes]
    to_device: list[bytes]
    devices: DeviceLists | None
    keys: DeviceKeys
    keys_changed: bool = False
    presence: Sequence[bytes] = ()

    @property
    def is_empty(self) -> bool:
        """Whether a client that waits for news can go on waiting."""
        lists = self.devices
        return not (
            self.rooms
            or self.account_data
            or self.presence
            or self.to_device
            or self.keys_changed
            or (lists is not None and (lists.changed or lists.left))
        )


class Answering:
    """One answer on its way."""

    def __init__(self, tx: Transaction, server: Server, query: Query, plan: Plan) -> None:
        self._tx = tx
        self._server = server
        self._memory = server.sync
        self._query = query
        self._plan = plan
        self._user_id = query.caller.user_id
        self._now_ms = server.clock.now_ms()
        self._device = server.sync.device(query.caller.user_id, query.caller.device_id)
        self._members_sent: list[tuple[int, str]] = []
        self._busy: dict[int, Facts] = {}  # rooms whose members or encryption may have changed

    def answer(self) -> Answer:
        """Everything that is new."""
        plan, query, tx = self._plan, self._query, self._tx
        new_rooms = [span.room for span in plan.joined if span.whole or span.is_new]
        account = extras.account_events(tx, plan, query, new_rooms)
        messages, delivered = extras.device_messages(tx, plan, query)
        keys = extras.device_keys(tx, self._server, query.caller, plan.head)
        rooms = self._rooms(account)
        lists = None
        if plan.since:
            lists = extras.device_lists(tx, self._server, plan, query, self._busy)
        caller = query.caller
        self._memory.note_members(caller.user_id, caller.device_id, self._members_sent, plan.head)
        return Answer(
            Token(plan.head, delivered),
            _rooms_json(rooms),
            extras.newest(account.get(0, []), query.filter.account_data),
            messages,
            lists,
            keys,
            keys_changed=plan.since > 0 and keys.changed > plan.since,
            presence=presence.events(tx, self._server, plan, query),
        )

    def _rooms(self, account: Mapping[int, list[bytes]]) -> dict[str, dict[str, bytes]]:
        plan = self._plan
        joined: dict[str, bytes] = {}
        left: dict[str, bytes] = {}
        for spans in _few(plan.joined):
            joined |= self._joined(spans, account)
        joined |= self._otherwise_quiet(account)
        for spans in _few(plan.left):
            left |= self._left(spans, account)
        outside = [*plan.invites, *plan.knocks]
        stripped = extras.stripped_states(self._tx, self._server, outside)
        return {
            "join": joined,
            "leave": left,
            "invite": {
                one.room_id: _stripped("invite_state", stripped[one.room]) for one in plan.invites
            },
            "knock": {
                one.room_id: _stripped("knock_state", stripped[one.room]) for one in plan.knocks
            },
        }

    # what is read

    def _windows(self, told: Sequence[Span]) -> dict[int, Window]:
        found = windows.read(self._tx, self._server, self._query, self._plan.user.ignored, told)
        if self._plan.since:
            self._busy |= {room: one.facts for room, one in found.items() if one.facts is not None}
        return found

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
            if wanted.include_redundant_members
            or not self._device.members.has(span.room, sender, self._plan.since)
        ]
        self._members_sent += [(span.room, member) for member in (*told, *unknown)]
        if span.whole or not unknown:
            return []
        if window.members is None:
            reader = windows.reader(self._tx, self._server, self._query, self._plan.user.ignored)
            window.members = reader.members_at([window])[window.room]
        return [window.members[sender] for sender in sorted(unknown) if sender in window.members]

    # what is told

    def _joined(
        self, spans: Sequence[Span], account: Mapping[int, list[bytes]]
    ) -> dict[str, bytes]:
        found = self._windows(spans)
        read = extras.ephemeral(self._tx, self._memory, self._plan, spans, self._now_ms)
        unread = extras.unread_counts(self._tx, self._server, self._user_id, spans)
        told = {}
        for span in spans:
            fields = self._timeline_fields(span, found.get(span.room))
            fields += self._ephemeral_field(span, read)
            fields += self._unread_fields(span, unread, quiet=not fields)
            fields += self._account_field(span.room, span.room_id, account)
            if fields:
                told[span.room_id] = b"{%b}" % b",".join(fields)
        return told

    def _otherwise_quiet(self, account: Mapping[int, list[bytes]]) -> dict[str, bytes]:
        """Joined rooms of which nothing is new but account data."""
        told = {}
        for room in account.keys() - {0, *(span.room for span in self._plan.joined)}:
            room_id = self._plan.user.joined.get(room)
            if room_id is not None and self._query.filter.room.matches_room(room_id):
                fields = self._account_field(room, room_id, account)
                if fields:
                    told[room_id] = b"{%b}" % fields[0]
        return told

    def _left(self, spans: Sequence[Span], account: Mapping[int, list[bytes]]) -> dict[str, bytes]:
        found = self._windows(spans)
        told = {}
        for span in spans:
            fields = self._timeline_fields(span, found.get(span.room))
            fields += self._account_field(span.room, span.room_id, account)
            told[span.room_id] = b"{%b}" % b",".join(fields)
        return told

    def _ephemeral_field(self, span: Span, read: Ephemeral) -> list[bytes]:
        wanted = self._query.filter.room.ephemeral
        seen = extras.ephemeral_json(
            read.receipts.get(span.room, ()), read.typing.get(span.room), wanted, self._user_id
        )
        if not seen or not wanted.matches_room(span.room_id):
            return []
        return [b'"ephemeral":' + _events(extras.newest(seen, wanted))]

    def _unread_fields(
        self, span: Span, unread: Mapping[int, Unread], *, quiet: bool
    ) -> list[bytes]:
        """The numbers of unread notifications; of a quiet room only if they may have changed."""
        counted = unread.get(span.room)
        if counted is None or (quiet and not (counted or span.has_receipt_of(self._user_id))):
            return []
        by_thread = self._query.filter.room.timeline.unread_thread_notifications
        return extras.unread_json(counted, by_thread=by_thread)

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
        found, wanted = account.get(room), self._query.filter.room.account_data
        if not found or not wanted.matches_room(room_id):
            return []
        return [b'"account_data":' + _events(extras.newest(found, wanted))]


def _few(spans: Sequence[Span]) -> Iterator[Sequence[Span]]:
    """The spans, a few at a time; between them others get their turn."""
    for start in range(0, len(spans), ROOMS_AT_ONCE):
        if start:
            time.sleep(0)
        yield spans[start : start + ROOMS_AT_ONCE]


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
