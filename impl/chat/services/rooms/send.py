"""Sending events and redactions into rooms."""

from typing import Any

from chat.protocol.errors import BadJson, NotFound
from chat.protocol.event import Event
from chat.protocol.event_builder import Draft
from chat.protocol.identifiers import EventId, RoomId, UserId
from chat.services import typing
from chat.services.caller import Caller
from chat.services.rooms import membership
from chat.services.server import Server
from chat.storage import events, rooms
from chat.storage.engine import Transaction
from chat.storage.events import EventRow, Txn

REDACTION = "m.room.redaction"


def send_event(
    server: Server,
    caller: Caller,
    room_id: str,
    event_type: str,
    content: dict[str, Any],
    txn: Txn,
) -> Event:
    """Authorise and append one event; a repeated `txn` returns the first one.

    A redaction names its target in `content.redacts`, whatever the room version.

    Raises Forbidden, NotFound, BadJson, EventTooLarge.
    Spec: client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid, #redactions
    """
    if event_type == REDACTION:
        return _send_redaction(server, caller, room_id, content, txn)
    draft = Draft(RoomId(room_id), UserId(caller.user_id), event_type, content)
    event = server.writer.append(draft, txn)
    typing.end(server, caller.user_id, room_id)
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
    content = {} if reason is None else {"reason": reason}
    return _redact(server, caller, room_id, event_id, content, txn)


def _send_redaction(
    server: Server, caller: Caller, room_id: str, content: dict[str, Any], txn: Txn
) -> Event:
    target = content.get("redacts")
    if not isinstance(target, str):
        raise BadJson("redacts names the event to redact")
    others = {name: value for name, value in content.items() if name != "redacts"}
    return _redact(server, caller, room_id, target, others, txn)


def _redact(
    server: Server, caller: Caller, room_id: str, event_id: str, content: dict[str, Any], txn: Txn
) -> Event:

    def target(tx: Transaction) -> EventRow:
        row = events.by_id(tx, event_id)
        if row is None or row.room != rooms.find(tx, room_id):
            raise NotFound("There is no such event in this room")
        return row

    row = server.store.read(target)
    draft = Draft(
        RoomId(room_id),
        UserId(caller.user_id),
        REDACTION,
        content,
        redacts=EventId(event_id),
    )
    redaction = server.writer.append(draft, txn)
    if row.type == "m.room.guest_access":
        membership.expel_guests(server, room_id)
    return redaction
