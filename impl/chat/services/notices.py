"""Notices that many send and that are soon worth nothing: typing, presence.

They are written in batches, at most one in `INTERVAL_S` and worker: one transaction and one step of
the log's counter for all of them. The first after a quiet time does not wait. Their positions are
as durable as all others: what was told to a client must never be given out again.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from chat.storage.engine import Store, Transaction

T = TypeVar("T")
INTERVAL_S = 0.1


class _Entry(Generic[T]):
    """A notice on its way; `done` is set when it is written, or when `error` says why not."""

    __slots__ = ("done", "error", "notice")

    def __init__(self, notice: T) -> None:
        self.notice = notice
        self.done = threading.Event()
        self.error: Exception | None = None


class Notices(Generic[T]):
    """Notices of one kind; `write` stores a batch, in the order in which they came."""

    def __init__(self, write: Callable[[Transaction, Sequence[T]], None]) -> None:
        self._write = write
        self._guard = threading.Lock()
        self._waiting: list[_Entry[T]] = []
        self._next_s = 0.0  # no batch before

    def put(self, store: Store, notice: T) -> None:
        """Return when the notice is written. Raises what writing its batch raised."""
        entry = self.note(store, notice)
        entry.done.wait()
        if entry.error is not None:
            raise entry.error

    def note(self, store: Store, notice: T) -> _Entry[T]:
        """Have a notice written, without waiting."""
        entry = _Entry(notice)
        with self._guard:
            self._waiting.append(entry)
            is_first = len(self._waiting) == 1
        if is_first:
            threading.Thread(target=self._flush, args=(store,), daemon=True).start()
        return entry

    def _flush(self, store: Store) -> None:
        time.sleep(max(0.0, self._next_s - time.monotonic()))
        with self._guard:
            entries, self._waiting = self._waiting, []
            self._next_s = time.monotonic() + INTERVAL_S
        try:
            store.write(lambda tx: self._write(tx, [entry.notice for entry in entries]))
        except Exception as error:  # told to whoever waits
            for entry in entries:
                entry.error = error
        for entry in entries:
            entry.done.set()
