"""Rooms and history on their way out, a little at a time, each part under a lease of its own.

- A room that every local user has left and forgotten goes after `forgotten_room_retention_period`.
- What is older than a room's m.room.retention allows goes where `retention` is enabled.
- The history before an event goes when an administrator asks for it.
"""

import json
import time
from collections.abc import Callable
from functools import partial

from chat.protocol.errors import NotFound
from chat.services.server import Server
from chat.storage import events, purge, rooms, state
from chat.storage.engine import Transaction
from chat.storage.leases import Lease

STEP_S = 0.2  # of work in one go
LOOKED_AT_EVENTS = 2_000  # of one room in one go
LOOKED_AT_ROOMS = 50
RETENTION = ("m.room.retention", "")


def history_before(server: Server, room_id: str, event_id: str) -> None:
    """Have all history of a room before an event removed, soon. Raises NotFound."""

    def work(tx: Transaction) -> None:
        row = events.by_id(tx, event_id)
        if row is None or row.room != rooms.find(tx, room_id) or row.pos is None:
            raise NotFound("There is no such event in this room")
        purge.cut(tx, row.room, row.depth)

    server.store.write(work)


def rooms_that_ended(server: Server, lease: Lease) -> None:
    """Delete some more of the rooms whose time is over."""
    kept_ms = server.config.forgotten_room_retention_period_ms
    if kept_ms is None:
        return
    before_ms = server.clock.now_ms() - kept_ms

    def work(tx: Transaction) -> bool:
        lease.guard(tx)
        ended = purge.next_ended(tx, before_ms)
        if ended is None:
            return False
        if ended.main_line is None:
            purge.close_room(tx, ended.room)
        else:
            purge.purge_slice(tx, ended)
        return True

    if server.store.read(lambda tx: purge.next_ended(tx, before_ms), snapshot=False):
        _for_a_while(server, work)


def early_history(server: Server, lease: Lease) -> None:
    """Remove some more of what is before the cuts."""

    def work(tx: Transaction) -> bool:
        lease.guard(tx)
        cut = purge.next_cut(tx)
        return cut is not None and purge.cut_slice(tx, cut)

    if server.store.read(purge.next_cut, snapshot=False):
        _for_a_while(server, work)


def _for_a_while(server: Server, work: Callable[[Transaction], bool]) -> None:
    ends_s = time.monotonic() + STEP_S
    while server.store.write(work) and time.monotonic() < ends_s:
        pass


class Expiry:
    """Goes round and round the rooms and cuts off what is older than it may be."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._after = 0

    def step(self, lease: Lease) -> None:
        """Look at the next few rooms."""
        if not self._server.config.retention.enabled:
            return
        numbers = self._server.store.read(
            lambda tx: purge.numbers_after(tx, self._after, LOOKED_AT_ROOMS), snapshot=False
        )
        for room in numbers:
            self._server.store.write(partial(self._cut, lease, room))
        self._after = numbers[-1] if len(numbers) == LOOKED_AT_ROOMS else 0

    def _cut(self, lease: Lease, room: int, tx: Transaction) -> None:
        lifetime_ms = self._lifetime_ms(tx, room)
        if lifetime_ms is None:
            return
        before_ms = self._server.clock.now_ms() - lifetime_ms
        depth = purge.depth_reached(tx, room, before_ms, LOOKED_AT_EVENTS)
        if depth is not None:
            lease.guard(tx)
            purge.cut(tx, room, depth)

    def _lifetime_ms(self, tx: Transaction, room: int) -> int | None:
        """How long messages of a room live; None for ever."""
        config = self._server.config.retention
        asked = _max_lifetime_of(tx, room)
        if asked is None:
            return config.default_policy.max_lifetime_ms
        least, most = config.allowed_lifetime_min_ms, config.allowed_lifetime_max_ms
        return max(least or 0, asked if most is None else min(asked, most))


def _max_lifetime_of(tx: Transaction, room: int) -> int | None:
    """What a room says in m.room.retention, in ms."""
    k = state.find_keys(tx, [RETENTION]).get(RETENTION)
    ev = state.current(tx, room, [k]).get(k) if k is not None else None
    if not ev:
        return None
    asked = json.loads(events.bodies(tx, [ev])[ev])["content"].get("max_lifetime")
    return asked if isinstance(asked, int) and asked > 0 else None
