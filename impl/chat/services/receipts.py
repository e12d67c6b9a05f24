"""Read receipts and the fully-read marker.

Spec: client-server-api/#receipts and #fully-read-markers
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from chat.protocol.errors import InvalidParam, NotFound
from chat.services.caller import Caller
from chat.services.rooms.joined import joined_room
from chat.services.rooms.visibility import view, visible
from chat.services.server import Server
from chat.storage import account_data, events, receipts, users
from chat.storage.engine import Transaction
from chat.storage.events import EventRow
from chat.storage.receipts import UNTHREADED, Receipt

READ, READ_PRIVATE, FULLY_READ = "m.read", "m.read.private", "m.fully_read"
KINDS = frozenset({READ, READ_PRIVATE, FULLY_READ})
MAIN = "main"  # the thread of all events that are in none
MAX_HOPS = 3  # from an event to the one that says which thread it is in


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
        seen_by = view(tx, server.sync.events, caller.user_id, room_id)
        users.lock(tx, caller.user_id)  # two devices may move a marker at once
        for marker in markers:
            row = events.by_id(tx, marker.event_id)
            if row is None or row.room != seen_by.room.room:
                raise NotFound("There is no such event in this room")
            if not visible(tx, server.sync.events, seen_by, [row]):
                raise NotFound("There is no such event in this room")
            _check_thread(tx, marker, row)
            _move(tx, caller.user_id, marker, row, now_ms)

    server.store.write(work)


def _check(marker: Marker) -> None:
    if marker.kind not in KINDS:
        raise InvalidParam(f"There is no receipt type {marker.kind!r}")
    if marker.thread_id == "":
        raise InvalidParam("thread_id is empty")
    if marker.thread_id is not None and marker.kind == FULLY_READ:
        raise InvalidParam("m.fully_read is not for single threads")


def _move(tx: Transaction, user_id: str, marker: Marker, row: EventRow, now_ms: int) -> None:
    if marker.kind == FULLY_READ:
        _move_fully_read(tx, user_id, row)
        return
    thread_id = marker.thread_id or UNTHREADED
    known = receipts.find(tx, row.room, user_id, marker.kind, thread_id)
    if known is None or _is_ahead(tx, row, known.event_id):
        receipts.put(tx, Receipt(row.room, user_id, marker.kind, thread_id, row.event_id, now_ms))


def _move_fully_read(tx: Transaction, user_id: str, row: EventRow) -> None:
    known = account_data.get(tx, user_id, row.room, FULLY_READ)
    before = None if known is None else json.loads(known).get("event_id")
    if before is None or _is_ahead(tx, row, before):
        content = json.dumps({"event_id": row.event_id})
        account_data.put(tx, user_id, row.room, FULLY_READ, content)


def _is_ahead(tx: Transaction, row: EventRow, event_id: str) -> bool:
    """Whether an event stands behind another in the room's sync order."""
    other = events.by_id(tx, event_id)
    return other is None or (row.pos or 0) > (other.pos or 0)


# --- threads ---


def _check_thread(tx: Transaction, marker: Marker, row: EventRow) -> None:
    """Raises InvalidParam where the event is not part of the marker's thread.

    A thread's root counts as a part of it, too. Spec: client-server-api/#threaded-read-receipts
    """
    if marker.thread_id is None or marker.thread_id == row.event_id:
        return
    if _thread_of(tx, row) != marker.thread_id:
        raise InvalidParam("The event is not in the thread that thread_id names")


def _thread_of(tx: Transaction, row: EventRow) -> str:
    """The root of the thread that an event is in, or MAIN."""
    for _ in range(MAX_HOPS):
        relation = _relation(events.bodies(tx, [row.ev])[row.ev])
        parent_id = relation.get("event_id")
        if not isinstance(parent_id, str):
            return MAIN
        if relation.get("rel_type") == "m.thread":
            return parent_id
        parent = events.by_id(tx, parent_id)
        if parent is None or parent.room != row.room:
            return MAIN
        row = parent
    return MAIN


def _relation(body: str) -> Mapping[str, Any]:
    relation = msgspec.json.decode(body)["content"].get("m.relates_to")
    return relation if isinstance(relation, dict) else {}
