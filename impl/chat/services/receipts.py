"""Read receipts and the fully-read marker.

Spec: client-server-api/#receipts and #fully-read-markers
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from chat.protocol.errors import InvalidParam, NotFound
from chat.protocol.relations import relation_of
from chat.services.caller import Caller
from chat.services.rooms.joined import joined_room
from chat.services.rooms.visibility import view, visible
from chat.services.server import Server
from chat.services.threads import MAIN, threads_of
from chat.storage import account_data, events, receipts, unread, users
from chat.storage.engine import Transaction
from chat.storage.events import EventRow
from chat.storage.receipts import UNTHREADED, Receipt
from chat.storage.rooms import Room
from chat.storage.unread import WHOLE

READ, READ_PRIVATE, FULLY_READ = "m.read", "m.read.private", "m.fully_read"
KINDS = frozenset({READ, READ_PRIVATE, FULLY_READ})


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker to be moved to an event; without a thread it is for the whole room."""

    kind: str
    event_id: str
    thread_id: str | None = None


def put(server: Server, caller: Caller, room_id: str, markers: Sequence[Marker]) -> None:
    """Move the caller's markers forwards; one that would go backwards stays where it is.

    All or none are moved. Raises InvalidParam, Forbidden for who is not joined, NotFound for events
    that the caller cannot see.
    """
    for marker in markers:
        _check(marker)
    now_ms = server.clock.now_ms()

    def work(tx: Transaction) -> None:
        joined_room(tx, caller, room_id)
        users.lock(tx, caller.user_id)  # two devices may move a marker at once
        rows = _events(tx, server, caller, room_id, markers)
        moves = [
            move
            for marker, row in zip(markers, rows, strict=True)
            if (move := _move(tx, caller.user_id, marker, row, now_ms)) is not None
        ]
        for move in moves:  # from here on the change log is held
            move(tx)

    server.store.write(work)


def _events(
    tx: Transaction, server: Server, caller: Caller, room_id: str, markers: Sequence[Marker]
) -> list[EventRow]:
    """The events of markers. Raises NotFound, InvalidParam."""
    seen_by = view(tx, server.sync.events, caller.user_id, room_id)
    known = events.by_ids(tx, {marker.event_id for marker in markers})
    seen = {row.ev for row in visible(tx, server.sync.events, seen_by, _in(known, seen_by.room))}
    rows = []
    for marker in markers:
        row = known.get(marker.event_id)
        if row is None or row.ev not in seen:
            raise NotFound("There is no such event in this room")
        _check_thread(tx, marker, row)
        rows.append(row)
    return rows


def _in(known: Mapping[str, EventRow], room: Room) -> list[EventRow]:
    return [row for row in known.values() if row.room == room.room]


def _check(marker: Marker) -> None:
    if marker.kind not in KINDS:
        raise InvalidParam(f"There is no receipt type {marker.kind!r}")
    if marker.thread_id == "":
        raise InvalidParam("thread_id is empty")
    if marker.thread_id is not None and marker.kind == FULLY_READ:
        raise InvalidParam("m.fully_read is not for single threads")


def _move(
    tx: Transaction, user_id: str, marker: Marker, row: EventRow, now_ms: int
) -> Callable[[Transaction], None] | None:
    """What moves a marker; None where it does not go forwards."""
    if marker.kind == FULLY_READ:
        return _move_fully_read(tx, user_id, row)
    thread_id = marker.thread_id or UNTHREADED
    known = receipts.find(tx, row.room, user_id, marker.kind, thread_id)
    if known is not None and not _is_ahead(tx, row, known.event_id):
        return None
    receipt = Receipt(row.room, user_id, marker.kind, thread_id, row.event_id, now_ms)

    def move(tx: Transaction) -> None:
        unread.mark_read(tx, row.room, user_id, marker.thread_id or WHOLE, row.pos or 0)
        receipts.put(tx, receipt)

    return move


def _move_fully_read(
    tx: Transaction, user_id: str, row: EventRow
) -> Callable[[Transaction], None] | None:
    known = account_data.get(tx, user_id, row.room, FULLY_READ)
    before = None if known is None else json.loads(known).get("event_id")
    if before is not None and not _is_ahead(tx, row, before):
        return None
    content = json.dumps({"event_id": row.event_id})
    return lambda tx: account_data.put(tx, user_id, row.room, FULLY_READ, content)


def _is_ahead(tx: Transaction, row: EventRow, event_id: str) -> bool:
    """Whether an event stands behind another in the room's sync order."""
    other = events.by_id(tx, event_id)
    return other is None or (row.pos or 0) > (other.pos or 0)


# --- threads ---


def _check_thread(tx: Transaction, marker: Marker, row: EventRow) -> None:
    """Raises InvalidParam where the event is not part of the marker's thread.

    A thread's root counts as a part of it, too; a redacted event as one of the main timeline, where
    it is now, and of the thread that it was in. Spec: client-server-api/#threaded-read-receipts
    """
    if marker.thread_id is None or marker.thread_id == row.event_id:
        return
    content = msgspec.json.decode(events.bodies(tx, [row.ev])[row.ev])["content"]
    (thread,) = threads_of(tx, [(row.room, relation_of(content))], {})
    lawful = {thread} if row.redacted_by is None else {thread, MAIN}
    if marker.thread_id not in lawful:
        raise InvalidParam("The event is not in the thread that thread_id names")
