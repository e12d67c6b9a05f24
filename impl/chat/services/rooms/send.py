"""Sending events and redactions into rooms."""

from typing import Any

from chat.protocol.errors import NotFound
from chat.protocol.event import Event
from chat.protocol.event_builder import Draft
from chat.protocol.identifiers import EventId, RoomId, UserId
from chat.services import typing
from chat.services.caller import Caller
from chat.services.server import Server
from chat.storage import events, rooms
from chat.storage.engine import Transaction
from chat.storage.events import Txn


def send_event(
    server: Server,
    caller: Caller,
    room_id: str,
    event_type: str,
    content: dict[str, Any],
    txn: Txn,
) -> Event:
    """Authorise and append one event; a repeated `txn` returns the first one.

    Raises Forbidden, NotFound, BadJson, EventTooLarge.
    Spec: client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid
    """
    draft = Draft(RoomId(room_id), UserId(caller.user_id), event_type, content)
    event = server.writer.append(draft, txn)
    typing.message_sent(server, caller, room_id)
    return event


def txn(caller: Caller, path: str, txn_id: str) -> Txn:
    """The request that a device makes at `path`. Repeats of it are the same request."""
    return Txn(caller.user_id, caller.device_id, path, txn_id)


def redact(
    server: Server, caller: Caller, room_id: str, event_id: str, reason: str | None, txn: Txn
) -> Event:
    """Strip an event of its content; the original stays stored.

    Raises Forbidden, NotFound for an event that is not in the room.
    Spec: client-server-api/#put_matrixclientv3roomsroomidredacteventidtxnid
    """

    def known(tx: Transaction) -> bool:
        row = events.by_id(tx, event_id)
        return row is not None and row.room == rooms.find(tx, room_id)

    if not server.store.read(known):
        raise NotFound("There is no such event in this room")
    draft = Draft(
        RoomId(room_id),
        UserId(caller.user_id),
        "m.room.redaction",
        {} if reason is None else {"reason": reason},
        redacts=EventId(event_id),
    )
    return server.writer.append(draft, txn)
