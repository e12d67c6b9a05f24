"""Faults of the change log that the order proof has to survive, or to find. Off unless installed.

late        commits are held back after their positions were taken: 10 ms on average, most of them
            hardly, one in fifteen for 50 to 200 ms
unordered   as `late`, and positions are taken from a sequence, so they become visible in any order
drop        every third announcement to the other processes is lost
"""

import itertools
from collections.abc import Collection, Sequence

from chat.storage.engine import PostgresStore, _PostgresTransaction
from chat.storage.positions import Pending, Position
from chat.storage.prepared import Text

LATE_S = 0.2
RARELY = 20  # the higher, the fewer commits are held back for long
DROPPED = 3  # one of so many announcements
SEQUENCE = "test_unordered"  # made by the proof, with this increment
INCREMENT = 1_000


class _Late(_PostgresTransaction):
    def commit(self) -> None:
        if self._positions.count:
            self._deferred.append(Text(f"SELECT pg_sleep({LATE_S} * random() ^ {RARELY})".encode()))
        super().commit()


class _Unordered(_Late):
    def positions(self, count: int) -> Sequence[Position]:
        taken = self._positions.count
        if not taken:
            self.do("SELECT set_config('chat.base', nextval(:name)::text, false)", name=SEQUENCE)
        self._positions.count += count
        return [Pending(self._positions, taken + i) for i in range(1, count + 1)]

    def commit(self) -> None:
        super().commit()
        if self._positions.base is not None:
            last = self._positions.base + self._positions.count
            with self._cursor.connection.cursor() as cursor:
                cursor.execute("UPDATE stream SET head = greatest(head, %s)", (last,))


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
