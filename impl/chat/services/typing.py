"""Typing notices: who is typing in a room right now.

A notice ends when its user says so, sends a message or is out of the room, and else after its
timeout: a timer of the worker that set it ends all notices whose time is over, so also those of a
worker that died. They are written in batches (notices.py).

Spec: client-server-api/#typing-notifications
"""

import gevent

from chat.services.caller import Caller
from chat.services.rooms.joined import joined_room
from chat.services.server import Server
from chat.storage import receipts, rooms
from chat.storage.receipts import TypingNotice

DEFAULT_TIMEOUT_MS = 30_000
MAX_TIMEOUT_MS = 120_000


def start(server: Server, caller: Caller, room_id: str, timeout_ms: int) -> None:
    """Say that the caller is typing, for `timeout_ms` at most. Raises Forbidden, NotFound."""
    timeout_ms = min(timeout_ms, MAX_TIMEOUT_MS)
    _put(server, caller, room_id, server.clock.now_ms() + timeout_ms)
    gevent.spawn_later((timeout_ms + 1) / 1000, end_expired, server)


def stop(server: Server, caller: Caller, room_id: str) -> None:
    """Say that the caller is not typing. Raises Forbidden, NotFound."""
    _put(server, caller, room_id, 0)


def _put(server: Server, caller: Caller, room_id: str, until_ms: int) -> None:
    room = server.store.read(lambda tx: joined_room(tx, caller, room_id), snapshot=False)
    now_ms = server.clock.now_ms()
    server.typing.put(server.store, TypingNotice(room, caller.user_id, now_ms, until_ms))


def end(server: Server, user_id: str, room_id: str) -> None:
    """End the notice of a user who has sent what they were typing, or is no longer in the room.

    Costs nothing without one, and does not wait until it is written.
    """
    if user_id not in server.notifier.tail.typists:
        return
    room = server.store.read(lambda tx: rooms.find(tx, room_id), snapshot=False)
    if room is not None:
        now_ms = server.clock.now_ms()
        server.typing.note(server.store, TypingNotice(room, user_id, now_ms, 0))


def end_expired(server: Server) -> None:
    """End the notices whose time is over, for everybody."""
    if server.notifier.closed:
        return  # a timer that was set before the server closed down
    server.store.write(lambda tx: receipts.end_expired_typing(tx, server.clock.now_ms()))
