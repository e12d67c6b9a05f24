"""Who has to be woken: the recent part of the change log, in memory.

For each room and each user, the last position of a change that concerns them, and the last changes
themselves (`tail`). So a sync learns without SQL that nothing changed for its user, and otherwise
waits until something does. Changes arrive from this process right after their commit
(`Store.publish`), and from other processes by following the log in the database, announced by
NOTIFY or Redis and looked at once a second anyway.

`position` is how far the log is known here without a gap: everything up to it has been recorded, so
it is a valid sync token for whoever finds nothing new.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Protocol

from chat.services import metrics
from chat.services.connection import ClientConnection
from chat.services.log_tail import Name, Tail, concerned
from chat.storage import streams
from chat.storage.engine import DATABASE_ERRORS, Store
from chat.storage.gathering import Gathering
from chat.storage.streams import Kind, LoggedChange

log = logging.getLogger(__name__)

CHANNEL = "chat_changes"
POLL_S = 1.0
ANNOUNCE_S = 0.02  # at most one announcement in this time
PAGE = 1_000
LOOKS = 1_000  # syncs that share one look at the log
REMEMBERED = 200_000  # rooms and users whose last change is kept


class Bus(Protocol):
    """How processes tell each other that something was committed: a `Store`, or Redis."""

    def announce(self, channel: str, *, here: bool = False) -> None:
        """Tell the other processes, with `here` this one as well."""

    def await_announcement(self, channel: str, timeout_s: float) -> bool:
        """Wait until another process announces; False when none did in time."""


Listener = Callable[[LoggedChange | None], None]


class _Waiter:
    """One waiting sync: `wake` is released when it should look again, at `woken_s`."""

    __slots__ = ("names", "wake", "woken_s")

    def __init__(self, names: Iterable[Name]) -> None:
        self.names = tuple(names)
        self.wake = threading.Lock()
        self.wake.acquire()
        self.woken_s: float | None = None


class Notifier:
    """Tells what changed since a position, and wakes who waits for it."""

    def __init__(self, store: Store, bus: Bus | None = None) -> None:
        self._store = store
        self._bus: Bus = bus or store
        self._guard = threading.Lock()
        self._last: dict[Name, int] = {}
        self._waiters: dict[Name, set[_Waiter]] = {}
        self._waiting: set[_Waiter] = set()
        self._floor = 0  # below this position nothing is remembered
        self._newest = 0  # beyond this one nothing was recorded
        self._gaps: list[tuple[int, int]] = []
        self._closed = False
        self._committed = threading.Event()  # this process did: announce it
        self._threads: list[threading.Thread] = []
        self._looks: Gathering[None] = Gathering(lambda _: self._look(), LOOKS)
        self._looked_s = 0.0  # when the last finished look began
        self._listeners: dict[Kind, Listener] = {}
        self.position = 0
        self.tail = Tail()

    def start(self) -> None:
        """Read where the log stands, and from now on follow it."""
        self.position = self._floor = self._store.read(streams.head)
        self._gaps = self._store.read(streams.gaps)
        self.tail.start(self.position)
        self._store.publish = self._publish
        if not self._store.exclusive:
            for work in (self._follow, self._announce):
                self._threads.append(threading.Thread(target=work, daemon=True))
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Wake everybody who waits, and let nobody wait any more."""
        self._closed = True
        self._committed.set()
        with self._guard:
            for waiter in list(self._waiting):
                self._wake(waiter)
        if self._threads:
            try:
                self._bus.announce(CHANNEL, here=True)  # so that the follower ends
            except DATABASE_ERRORS as error:
                log.warning("the log follower ends late", extra={"error": str(error)})
        for thread in self._threads:
            thread.join(2 * POLL_S)
        self._threads.clear()

    def is_lost(self, position: int) -> bool:
        """Whether nobody can tell any more what came before or after a position."""
        return any(after < position <= upto for after, upto in self._gaps)

    @property
    def waiting(self) -> int:
        """How many syncs wait."""
        return len(self._waiting)

    @property
    def closed(self) -> bool:
        """Whether the server is closing down."""
        return self._closed

    def changed_since(self, user_id: str, rooms: Collection[int], position: int) -> bool:
        """Whether something may have changed for a user in `rooms` after a position; no SQL."""
        if position < self._floor:
            return True
        if position >= self._newest:
            return False
        last = self._last
        if last.get(user_id, 0) > position:
            return True
        return any(last.get(room, 0) > position for room in rooms)

    def wait(
        self,
        user_id: str,
        rooms: Collection[int],
        position: int,
        timeout_s: float,
        connection: ClientConnection | None = None,
    ) -> bool:
        """Wait until something changes for a user in `rooms` after a position.

        False when nothing did within the time, the client of `connection` is gone, or the server
        is closing down.
        """
        waiter = _Waiter((user_id, *rooms))
        with self._guard:
            if self.changed_since(user_id, rooms, position):
                return True
            if self._closed:
                return False
            self._add(waiter)
        if connection is not None:
            connection.end_wait = partial(self._end_wait, waiter)
        try:
            waiter.wake.acquire(timeout=max(0.0, timeout_s))
        finally:
            if connection is not None:
                connection.end_wait = None
            with self._guard:
                self._remove(waiter)
        if waiter.woken_s is not None:
            metrics.note_wake(time.perf_counter() - waiter.woken_s)
        return self.changed_since(user_id, rooms, position)

    def _end_wait(self, waiter: _Waiter) -> None:
        with self._guard:
            if waiter in self._waiting:
                self._wake(waiter)

    def _add(self, waiter: _Waiter) -> None:
        self._waiting.add(waiter)
        for name in waiter.names:
            self._waiters.setdefault(name, set()).add(waiter)

    def _remove(self, waiter: _Waiter) -> None:
        if waiter not in self._waiting:
            return
        self._waiting.discard(waiter)
        for name in waiter.names:
            of_name = self._waiters.get(name)
            if of_name is not None:
                of_name.discard(waiter)
                if not of_name:
                    del self._waiters[name]

    def _wake(self, waiter: _Waiter) -> None:
        self._remove(waiter)
        waiter.woken_s = time.perf_counter()
        waiter.wake.release()

    def _record(self, changes: Sequence[LoggedChange]) -> None:
        """Remember changes in the order of their positions, and wake whom they concern."""
        for change in changes:
            name = concerned(change)
            if change.kind in self._listeners:
                self._listeners[change.kind](change)
            if name is not None and self._last.get(name, 0) < change.pos:
                # Taken out and put in again, so that the dict is in the order of positions.
                self._last.pop(name, None)
                self._last[name] = change.pos
            self._newest = max(self._newest, change.pos)
            for waiter in list(self._waiters.get(name, ())) if name is not None else ():
                self._wake(waiter)
        if len(self._last) > REMEMBERED:
            self._forget_the_oldest()

    def _advance(self, changes: Sequence[LoggedChange]) -> None:
        """The log is known without a gap up to the end of `changes`."""
        self.position = max(self.position, changes[-1].pos)
        self.tail.record(changes)

    def _forget_the_oldest(self) -> None:
        for name in list(self._last)[: REMEMBERED // 4]:
            self._floor = max(self._floor, self._last.pop(name))

    # --- this process's own changes, and those of others ---

    def _publish(self, changes: Sequence[LoggedChange]) -> None:
        with self._guard:
            self._record(changes)
            if changes[0].pos <= self.position + 1:
                self._advance(changes)
        if not self._store.exclusive:
            self._committed.set()

    def _announce(self) -> None:
        """Tell the others, once for all that was committed meanwhile."""
        while not self._closed:
            self._committed.wait()
            self._committed.clear()
            try:
                self._bus.announce(CHANNEL)
            except DATABASE_ERRORS as error:
                log.warning("announcing changes failed", extra={"error": str(error)})
            time.sleep(ANNOUNCE_S)

    def _follow(self) -> None:
        while not self._closed:
            try:
                self._bus.await_announcement(CHANNEL, POLL_S)
                self.catch_up()
            except DATABASE_ERRORS as error:
                log.warning("following the change log failed", extra={"error": str(error)})
                threading.Event().wait(POLL_S)

    def refresh(self, since_s: float | None = None) -> None:
        """Know all that was committed before this call, by whichever process.

        Without it, a request at another worker than the one before it could miss what that did, for
        as long as an announcement takes. All who ask at the same time share one look. A look that
        began at `since_s` (time.perf_counter(), when the request came) or later is enough.
        """
        if self._store.exclusive or (since_s is not None and self._looked_s >= since_s):
            return
        self._looks.do(None)

    def _look(self) -> None:
        began_s = time.perf_counter()
        self.catch_up()
        self._looked_s = began_s

    def listen(self, kind: Kind, listener: Listener) -> None:
        """Call `listener` with every change of a kind, and with None for any that may be missed."""
        self._listeners[kind] = listener

    def catch_up(self) -> None:
        """Record everything that the log holds beyond `position`."""
        while True:
            position = self.position
            changes = self._store.read(
                lambda tx: streams.since(tx, position, PAGE),  # noqa: B023
                snapshot=False,
            )
            if not changes:
                return
            with self._guard:
                if changes[0].pos > position + 1:
                    self._lose(changes[0].pos - 1)
                self._record(changes)
                self._advance(changes)

    def _lose(self, position: int) -> None:
        """Nothing is known up to a position: the log was trimmed while this process stood still."""
        if position > self.position:
            self.position = position
            self._floor = max(self._floor, position)
            self.tail.start(position)
            for listener in self._listeners.values():
                listener(None)
            for waiter in list(self._waiting):
                self._wake(waiter)
