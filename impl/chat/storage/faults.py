"""Faults of the change log that the order proof has to survive, or to find. Off unless installed.

late        commits are held back after their positions were taken: 10 ms on average, most of them
            hardly, one in fifteen for 50 to 200 ms
unordered   as `late`, and positions are given out without a lock until the commit
drop        every third announcement to the other processes is lost
"""

import itertools
from collections.abc import Collection, Sequence
from typing import Any

from chat.storage.engine import (
    PostgresStore,
    Store,
    Transaction,
    _NumberBlocks,
    _PostgresTransaction,
)
from chat.storage.positions import Position
from chat.storage.prepared import PreparedStatements, Text

LATE_S = 0.2
RARELY = 20  # the higher, the fewer commits are held back for long
DROPPED = 3  # one of so many announcements


class _Late(_PostgresTransaction):
    holds_positions = False

    def positions(self, count: int) -> Sequence[Position]:
        self.holds_positions = True
        return super().positions(count)

    def commit(self) -> None:
        if self.holds_positions:
            self._deferred.append(Text(f"SELECT pg_sleep({LATE_S} * random() ^ {RARELY})".encode()))
        super().commit()


class _Unordered(_Late):
    def __init__(
        self,
        store: Store,
        connection: Any,
        begin: str,
        blocks: _NumberBlocks,
        prepared: PreparedStatements,
    ) -> None:
        super().__init__(store, connection, begin, blocks, prepared)
        self._store = store

    def positions(self, count: int) -> Sequence[Position]:
        def take(tx: Transaction) -> int:
            row = tx.row("UPDATE stream SET head = head + :n RETURNING head", n=count)
            assert row is not None
            return int(row[0])

        self.holds_positions = True
        last = self._store.write(take)  # a transaction of its own: its lock ends here
        return range(last - count + 1, last + 1)


def install(store: PostgresStore, faults: Collection[str]) -> None:
    """Have a store make these faults. Raises KeyError for one that there is not."""
    for fault in faults:
        _FAULTS[fault](store)


def _late(store: PostgresStore) -> None:
    store.transaction = _Late


def _unordered(store: PostgresStore) -> None:
    store.transaction = _Unordered


def _drop(store: PostgresStore) -> None:
    announce, count = store.announce, itertools.count(1)

    def announce_some(channel: str, *, here: bool = False) -> None:
        if here or next(count) % DROPPED:
            announce(channel, here=here)

    store.announce = announce_some  # type: ignore[method-assign]


_FAULTS = {"late": _late, "unordered": _unordered, "drop": _drop}
