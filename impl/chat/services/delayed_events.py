"""Events that the server keeps back for a while, and sends whether the client is there or not.

The timers are rows: one worker of all nodes looks every second for what is due, and sends in the
order of the times, also what became due while no server ran. Whether the sender may send is
decided when the event is sent, by the same services that send other events. An event goes out
once: it is claimed in its row before it is sent, and sent under a transaction ID of its own, so
that sending it again, after a crash or by another worker just then, gives the same event.

Spec: MSC4140; what has no answer there (several spellings of names) serves clients of today.
"""

import json
import logging
import secrets
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chat.protocol.errors import (
    ChatError,
    Conflict,
    EventTooLarge,
    Forbidden,
    InvalidParam,
    LimitExceeded,
    NotFound,
)
from chat.protocol.event import Event
from chat.protocol.identifiers import parse_room_id
from chat.services.caller import Caller
from chat.services.rooms import send, state
from chat.services.server import Server
from chat.storage import delayed_events, rooms, users
from chat.storage.delayed_events import Delayed
from chat.storage.engine import Transaction
from chat.storage.events import SENT_LATER, Txn
from chat.storage.leases import Lease

log = logging.getLogger(__name__)

MAX_SCHEDULED = 100  # of one user
MAX_CONTENT_BYTES = 65_536
SENT_AT_ONCE = 50
KEPT_MS = 7 * 86_400_000  # of what is final
KEPT = 1_000  # of one user
FOREVER_MS = 2**62


@dataclass(frozen=True, slots=True)
class Wish:
    """An event to send later; `txn_id` is that of the request, None where it has none."""

    room_id: str
    type: str
    state_key: str | None
    content: dict[str, Any] = field(repr=False)
    delay_ms: int
    txn_id: str | None


class DelayTooLong(Forbidden):
    """The delay is longer than this server allows."""


def longest_delay_ms(server: Server) -> int:
    """The longest delay that is allowed; 0 where there are no delayed events."""
    return server.config.max_event_delay_duration_ms or 0


def schedule(server: Server, caller: Caller, wish: Wish) -> str:
    """Keep an event back; its delay ID, the same one for a repeat of the request.

    Raises DelayTooLong, InvalidParam, EventTooLarge, NotFound for an unknown room, LimitExceeded.
    """
    if wish.delay_ms > longest_delay_ms(server):
        raise DelayTooLong("The delay is longer than this server allows")
    event = _checked(server, caller, wish)
    request = event.delay_id if wish.txn_id is None else f"{wish.room_id}/{wish.txn_id}"

    def work(tx: Transaction) -> str:
        if rooms.find(tx, wish.room_id) is None:
            raise NotFound("There is no such room")
        count, first_ms = delayed_events.waiting(tx, caller.user_id)
        if count >= MAX_SCHEDULED:
            wait_ms = max(first_ms - server.clock.now_ms(), 1)
            raise LimitExceeded("Too many of your events wait", retry_after_ms=wait_ms)
        return delayed_events.add(tx, event, request)

    return server.store.write(work)


def _checked(server: Server, caller: Caller, wish: Wish) -> Delayed:
    """The row of an event. What could never be sent is refused now."""
    parse_room_id(wish.room_id)
    if "\0" in wish.type or "\0" in (wish.state_key or "") or "\0" in (wish.txn_id or ""):
        raise InvalidParam("NUL is not allowed here")
    content = msgspec.json.encode(wish.content).decode()
    if len(content.encode()) > MAX_CONTENT_BYTES:
        raise EventTooLarge("The content of the event is too large")
    now_ms = server.clock.now_ms()
    return Delayed(
        delay_id=f"dly_{secrets.token_urlsafe(18)}",
        user_id=caller.user_id,
        device_id=caller.device_id,
        room_id=wish.room_id,
        type=wish.type,
        state_key=wish.state_key,
        content=content,
        delay_ms=wish.delay_ms,
        since_ts=now_ms,
        send_ts=now_ms + wish.delay_ms,
        sending=False,
        finalised_ts=None,
        event_id=None,
        error=None,
    )


# --- by their users ---


def listed(server: Server, caller: Caller) -> list[Delayed]:
    """The caller's events that wait, those due first before the others."""
    return server.store.read(lambda tx: delayed_events.listed(tx, caller.user_id), snapshot=False)


def get(server: Server, caller: Caller, delay_id: str) -> Delayed:
    """An event that the caller scheduled. Raises NotFound."""
    return server.store.read(lambda tx: _own(tx, caller, delay_id), snapshot=False)


def _own(tx: Transaction, caller: Caller, delay_id: str) -> Delayed:
    event = None if "\0" in delay_id else delayed_events.find(tx, caller.user_id, delay_id)
    if event is None:
        raise NotFound("You have scheduled no such event")
    return event


def act(server: Server, caller: Caller, delay_id: str, action: str) -> None:
    """`cancel`, `restart` or `send` an event. What has become of it already is success too.

    Raises NotFound, Conflict where something else has become of it, and where it cannot be sent
    what sending raises; it then waits on.
    """
    if action == "send":
        _send_now(server, caller, delay_id)
        return

    def work(tx: Transaction) -> None:
        change = delayed_events.cancel if action == "cancel" else delayed_events.restart
        if change(tx, _own(tx, caller, delay_id).delay_id, server.clock.now_ms()):
            return
        event = _own(tx, caller, delay_id)
        is_cancelled = event.finalised_ts is not None and event.event_id is None
        if not (is_cancelled and action == "cancel"):
            raise Conflict("The event was cancelled" if is_cancelled else "The event was sent")

    server.store.write(work)


def _send_now(server: Server, caller: Caller, delay_id: str) -> None:
    def claim(tx: Transaction) -> Delayed:
        _own(tx, caller, delay_id)
        delayed_events.claim(tx, [delay_id], FOREVER_MS)
        return _own(tx, caller, delay_id)

    event = server.store.write(claim)
    if event.send_ts is None:
        if event.event_id is None:
            raise Conflict("The event was cancelled")
        return
    try:
        sent = _send(server, event)
    except ChatError:
        server.store.write(lambda tx: delayed_events.release(tx, delay_id))
        raise
    _finalise(server, event, sent, None)


# --- by the server ---


def send_due(server: Server, lease: Lease) -> None:
    """Send what is due, in the order of the times: a job."""
    now_ms = server.clock.now_ms()
    found = server.store.read(
        lambda tx: delayed_events.due(tx, now_ms, SENT_AT_ONCE), snapshot=False
    )
    if not found:
        return

    def claim(tx: Transaction) -> set[str]:
        lease.guard(tx)
        return delayed_events.claim(tx, [event.delay_id for event in found], now_ms)

    claimed = server.store.write(claim)
    for event in found:
        if event.delay_id in claimed:
            _send_due(server, event)


def _send_due(server: Server, event: Delayed) -> None:
    try:
        sent = _send(server, event)
    except ChatError as error:
        body = error.body()
        log.info(
            "delayed event refused", extra={"room_id": event.room_id, "errcode": error.errcode}
        )
        _finalise(server, event, None, body)
    else:
        _finalise(server, event, sent, None)


def _send(server: Server, event: Delayed) -> Event:
    """Send an event as its user would now. Raises what sending raises."""
    user = server.store.read(lambda tx: users.find(tx, event.user_id), snapshot=False)
    caller = Caller(event.user_id, SENT_LATER, is_guest=user is not None and user.is_guest)
    server.limits.check("rc_message", event.user_id)
    content = json.loads(event.content)
    txn = Txn(event.user_id, SENT_LATER, f"/delayed_events/{event.delay_id}", event.delay_id)
    if event.state_key is None:
        return send.send_event(server, caller, event.room_id, event.type, content, txn)
    return state.put(server, caller, event.room_id, event.type, event.state_key, content, txn)


def _finalise(
    server: Server, event: Delayed, sent: Event | None, error: dict[str, Any] | None
) -> None:
    now_ms = server.clock.now_ms()
    event_id = None if sent is None else sent.event_id
    server.store.write(
        lambda tx: delayed_events.finalise(tx, event.delay_id, now_ms, event_id, error)
    )


def forget(server: Server, lease: Lease) -> None:
    """Remove what has been final for long: a job."""
    before_ms = server.clock.now_ms() - KEPT_MS

    def work(tx: Transaction) -> None:
        lease.guard(tx)
        delayed_events.forget(tx, before_ms, KEPT)

    server.store.write(work)
