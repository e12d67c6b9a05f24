"""Presence: who is there, as users choose it, as their syncs show it, and as time passes.

Each device that syncs shows a state, for as long as it goes on syncing; together they make their
user's (protocol/presence.py). Whoever shares a room is told in classic sync (sync/presence.py), of
all changes at once and at most every `TOLD_MS`. Where presence is off, nothing is noted or asked.

Spec: client-server-api/#presence
"""

from dataclasses import dataclass
from typing import Literal

from chat.protocol.errors import Forbidden, NotFound
from chat.protocol.presence import Person, Sign, State, situation
from chat.services.caller import Caller
from chat.services.server import Server
from chat.storage import presence as stored
from chat.storage import users
from chat.storage.engine import Transaction
from chat.storage.leases import Lease

LINGER_MS = 30_000  # a device counts as syncing for so long after a sync
MAX_WAIT_MS = 120_000  # of a sync
TOLD_MS = 30_000
Name = Literal["offline", "unavailable", "online"]
NAMES: dict[State, Name] = {
    State.OFFLINE: "offline",
    State.UNAVAILABLE: "unavailable",
    State.ONLINE: "online",
}
STATES = {name: state for state, name in NAMES.items()}


@dataclass(frozen=True, slots=True)
class Presence:
    """How others see a user. `last_active_ms` is when they last did something, None for never."""

    state: State
    last_active_ms: int | None
    status_msg: str | None


def name_of(state: State) -> Name:
    """A state as clients write it."""
    return NAMES[state]


def ago_ms(last_active_ms: int | None, now_ms: int) -> int | None:
    """How long ago a user did something; None for never."""
    return max(0, now_ms - last_active_ms) if last_active_ms else None


# --- noting ---


def syncing(server: Server, caller: Caller, set_presence: Name, timeout_ms: int) -> None:
    """Note that a device begins a sync that may last `timeout_ms`; `offline` counts not at all."""
    if not server.config.presence.enabled or set_presence == "offline":
        return
    now_ms = server.clock.now_ms()
    until_ms = now_ms + min(timeout_ms, MAX_WAIT_MS) + LINGER_MS
    server.presence.state(
        server.store,
        Sign(caller.user_id, caller.device_id, now_ms, until_ms, STATES[set_presence]),
    )


def active(server: Server, caller: Caller) -> None:
    """Note that a user does something."""
    if server.config.presence.enabled:
        now_ms = server.clock.now_ms()
        server.presence.act(server.store, caller.user_id, caller.device_id, now_ms)


def put(
    server: Server, caller: Caller, user_id: str, set_presence: Name, status_msg: str | None
) -> None:
    """Show the caller's device in a state until they choose another or, where that is not online,
    do something; `status_msg` replaces the former one. Raises Forbidden for another's presence.
    """
    if caller.user_id != user_id:
        raise Forbidden("This presence is another user's")
    if not server.config.presence.enabled:
        return
    now_ms = server.clock.now_ms()
    server.presence.by_hand(
        server.store,
        Sign(
            user_id,
            caller.device_id,
            now_ms,
            now_ms + LINGER_MS,
            STATES[set_presence],
            by_hand=True,
            status_msg=status_msg or None,
        ),
    )


# --- asking ---


def get(server: Server, caller: Caller, user_id: str) -> Presence:
    """How a user is seen at this moment.

    Raises NotFound where there is no such user, or no presence on this server, and Forbidden for
    somebody with whom the caller shares no room.
    """
    if not server.config.presence.enabled or "\0" in user_id:
        raise NotFound("There is no presence")

    def work(tx: Transaction) -> Person | None:
        if user_id != caller.user_id:
            if users.find(tx, user_id) is None:
                raise NotFound("There is no such user")
            if not stored.share_room(tx, caller.user_id, user_id):
                raise Forbidden("You share no room with this user")
        return stored.find(tx, user_id)

    person = server.store.read(work)
    if person is None:
        return Presence(State.OFFLINE, None, None)
    state, _ = situation(person.devices.values(), person.last_active_ms, server.clock.now_ms())
    return Presence(state, person.last_active_ms or None, person.status_msg)


# --- telling others ---


def step(server: Server, lease: Lease) -> None:
    """See who has been idle or gone for long, and tell others of what changed: a job."""
    now_ms = server.clock.now_ms()
    before_ms = now_ms - TOLD_MS

    def look(tx: Transaction) -> tuple[list[str], bool]:
        return stored.due(tx, now_ms), stored.has_news(tx, before_ms)

    due, has_news = server.store.read(look, snapshot=False)

    def settle(tx: Transaction) -> None:
        lease.guard(tx)
        stored.settle(tx, due, now_ms)

    def flush(tx: Transaction) -> None:
        lease.guard(tx)
        stored.flush(tx, now_ms, before_ms)

    if due:
        server.store.write(settle)
    if due or has_news:
        server.store.write(flush)
