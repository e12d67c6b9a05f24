"""Typing notices: who is typing in a room right now.

A notice ends when its user says so or sends a message, and else after its timeout: a timer of the
worker that set it ends all notices whose time is over, so also those of a worker that died.

Spec: client-server-api/#typing-notifications
"""

import gevent

from chat.services.caller import Caller
from chat.services.rooms.joined import joined_room
from chat.services.server import Server
from chat.storage import receipts, rooms
from chat.storage.engine import Transaction

DEFAULT_TIMEOUT_MS = 30_000
MAX_TIMEOUT_MS = 120_000


def start(server: Server, caller: Caller, room_id: str, timeout_ms: int) -> None:
    """Say that the caller is typing, for `timeout_ms` at most. Raises Forbidden, NotFound."""
    timeout_ms = min(timeout_ms, MAX_TIMEOUT_MS)
    now_ms = server.clock.now_ms()

    def work(tx: Transaction) -> None:
        room = joined_room(tx, caller, room_id)
        receipts.start_typing(tx, room, caller.user_id, now_ms, now_ms + timeout_ms)

    server.store.write(work)
    gevent.spawn_later((timeout_ms + 1) / 1000, end_expired, server)


def stop(server: Server, caller: Caller, room_id: str) -> None:
    """Say that the caller is not typing. Raises Forbidden, NotFound."""

    def work(tx: Transaction) -> None:
        receipts.stop_typing(tx, joined_room(tx, caller, room_id), caller.user_id)

    server.store.write(work)


def message_sent(server: Server, caller: Caller, room_id: str) -> None:
    """End the notice of a user who has sent what they were typing. Costs nothing without one."""
    if caller.user_id not in server.notifier.tail.typists:
        return

    def work(tx: Transaction) -> None:
        room = rooms.find(tx, room_id)
        if room is not None:
            receipts.stop_typing(tx, room, caller.user_id)

    server.store.write(work)


def end_expired(server: Server) -> None:
    """End the notices whose time is over, for everybody."""
    if server.notifier.closed:
        return  # a timer that was set before the server closed down
    server.store.write(lambda tx: receipts.end_expired_typing(tx, server.clock.now_ms()))
