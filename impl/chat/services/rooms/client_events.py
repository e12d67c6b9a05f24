"""Events in the form for clients: rendered once, kept, and joined into answers as bytes.

A `ClientEvent` is everything of an event that is the same for everybody. What differs (`unsigned`,
and the room ID, which /sync leaves out) is put behind it by `shown`.

Spec: client-server-api/#room-event-format
"""

import json
from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from chat.protocol.redaction import redact
from chat.protocol.room_versions import RoomRules, rules_for
from chat.storage import events, rooms
from chat.storage.caches import Cache, Caches
from chat.storage.cooperation import in_turns
from chat.storage.engine import Transaction
from chat.storage.events import EventRow

MAX_BYTES = 64 * 1024 * 1024
SETTINGS = 50_000
OVERHEAD_BYTES = 350  # of a cached event, beside its JSON

_encode = msgspec.json.encode


class ClientEvent(msgspec.Struct, frozen=True, gc=False):
    """One event. `content` is JSON; `head` the JSON object up to where more fields may follow."""

    ev: int
    event_id: str
    type: str
    state_key: str | None
    sender: str
    origin_server_ts: int
    content: bytes
    head: bytes
    has_url: bool
    membership: str | None  # `content.membership` of a membership event
    history_visibility: str | None  # likewise

    def shown(self, unsigned: bytes, room_id: str | None = None) -> bytes:
        """The whole JSON object. `unsigned`: the fields inside, without braces; may be empty."""
        room = b"" if room_id is None else b',"room_id":' + _encode(room_id)
        return b'%b%b,"unsigned":{%b}}' % (self.head, room, unsigned)

    def stripped(self) -> bytes:
        """Stripped state. Spec: client-server-api/#stripped-state"""
        return b'{"content":%b,"sender":%b,"state_key":%b,"type":%b}' % (
            self.content,
            _encode(self.sender),
            _encode(self.state_key),
            _encode(self.type),
        )


class EventCache:
    """Rendered events by number.

    An event is rendered anew once it was redacted, so an entry counts for one redaction only.
    """

    def __init__(self, caches: Caches) -> None:
        self.rules: dict[int, RoomRules] = {}  # by room; a room's version never changes
        self.settings: dict[int, str] = {}  # see note_setting
        self._events: Cache[tuple[int, str | None], ClientEvent] = caches.make(
            "events", MAX_BYTES, _size
        )

    def note_setting(self, ev: int, value: str) -> None:
        """Keep the membership or history visibility that an event sets; "" where it sets none."""
        if len(self.settings) >= SETTINGS:
            self.settings.clear()
        self.settings[ev] = value

    def get(self, row: EventRow) -> ClientEvent | None:
        """The rendered event, where kept."""
        return self._events.get((row.ev, row.redacted_by))

    def put(self, row: EventRow, event: ClientEvent) -> None:
        """Keep a rendered event."""
        self._events.put((row.ev, row.redacted_by), event)


def _size(event: ClientEvent) -> int:
    return len(event.head) + len(event.content) + OVERHEAD_BYTES


def load(tx: Transaction, cache: EventCache, rows: Collection[EventRow]) -> dict[int, ClientEvent]:
    """The events of these rows by number, from the cache or the database."""
    found = {}
    missing = []
    for row in in_turns(rows):
        event = cache.get(row)
        if event is None:
            missing.append(row)
        else:
            found[row.ev] = event
    if missing:
        _learn_versions(tx, cache, {row.room for row in missing})
        bodies = events.bodies(tx, [row.ev for row in missing])
        for row in in_turns(missing):
            event = found[row.ev] = render(row, bodies[row.ev], cache.rules[row.room])
            cache.put(row, event)
    return found


def load_pdus(tx: Transaction, cache: EventCache, rows: Collection[EventRow]) -> dict[int, bytes]:
    """The events of these rows by number as servers exchange them, redacted where they were."""
    _learn_versions(tx, cache, {row.room for row in rows})
    bodies = events.bodies(tx, [row.ev for row in rows])
    return {row.ev: _redacted(row, bodies[row.ev], cache.rules[row.room]).encode() for row in rows}


def _learn_versions(tx: Transaction, cache: EventCache, wanted: Iterable[int]) -> None:
    unknown = [room for room in wanted if room not in cache.rules]
    if unknown:
        for room, version in rooms.versions(tx, unknown).items():
            cache.rules[room] = rules_for(version)


class _Pdu(msgspec.Struct):
    """What of an event's JSON is looked at; the content stays as it was written."""

    content: msgspec.Raw
    redacts: Any = None


class _Content(msgspec.Struct):
    """What of a content is looked at."""

    membership: Any = None
    history_visibility: Any = None
    redacts: Any = None
    url: Any = msgspec.UNSET


_decode_pdu = msgspec.json.Decoder(_Pdu).decode
_decode_content = msgspec.json.Decoder(_Content).decode


def render(row: EventRow, body: str, rules: RoomRules) -> ClientEvent:
    """The event of a row and its JSON, redacted where it was."""
    pdu = _decode_pdu(_redacted(row, body, rules))
    content = bytes(pdu.content)
    seen = _decode_content(content)
    extra = b""
    if row.state_key is not None:
        extra = b',"state_key":' + _encode(row.state_key)
    elif row.type == "m.room.redaction":
        content, extra = _with_target(pdu, content, seen.redacts, rules)
    return ClientEvent(
        row.ev,
        row.event_id,
        row.type,
        row.state_key,
        row.sender,
        row.origin_server_ts,
        content,
        b'{"type":%b,"sender":%b,"content":%b,"event_id":%b,"origin_server_ts":%d%b'
        % (
            _encode(row.type),
            _encode(row.sender),
            content,
            _encode(row.event_id),
            row.origin_server_ts,
            extra,
        ),
        seen.url is not msgspec.UNSET,
        seen.membership if isinstance(seen.membership, str) else None,
        seen.history_visibility if isinstance(seen.history_visibility, str) else None,
    )


def _redacted(row: EventRow, body: str, rules: RoomRules) -> str:
    if row.redacted_by is None:
        return body
    return json.dumps(redact(json.loads(body), rules), ensure_ascii=False, separators=(",", ":"))


def _with_target(
    pdu: _Pdu, content: bytes, in_content: Any, rules: RoomRules
) -> tuple[bytes, bytes]:
    """The content and top-level field of a redaction, both naming the redacted event.

    Clients of before and after room version 11 look for it at different places.
    Spec: rooms/v11/#moving-the-redacts-property-of-mroomredaction-events-to-a-content-property
    """
    target = in_content if rules.redacts_in_content else pdu.redacts
    if not isinstance(target, str):
        return content, b""
    if not rules.redacts_in_content:
        content = _encode(msgspec.json.decode(content) | {"redacts": target})
    return content, b',"redacts":' + _encode(target)
