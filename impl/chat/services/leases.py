"""One worker's share of the background work of all nodes.

Every BEAT_S seconds a worker counts up its row in the database and reads those of the others. No
clocks are compared: a worker whose row stood still during MISSED beats of ours is dead, and since
we count beats of ours that succeeded, a database that hangs kills nobody. It takes a dead worker's
leases, each worker at most its fair share, so they move within 2 + 6 seconds, and one or two
beats more where the first choice does not take them.

An owner that cannot renew stops by itself after VALID_S, before the others take its work. One
that was stopped in mid-work and wakes later is stopped by `Lease.guard`.
"""

import logging
import math
import secrets
import time
from collections.abc import Callable, Collection
from functools import partial

from chat.storage import leases
from chat.storage.engine import Store, Transaction
from chat.storage.leases import Board, Lease

log = logging.getLogger(__name__)

BEAT_S = 2.0
MISSED = 3
VALID_S = 5.0
SEEN_AFTER = 3  # beats of ours: all others have had one since the first
PATIENCE = 2  # beats for which a free lease waits for those who have too few


class Leases:
    """Leases of one worker process."""

    def __init__(
        self,
        store: Store,
        names: Collection[str] = (),
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.worker = secrets.token_hex(8)
        self._store = store
        self._names = frozenset(names)
        self._monotonic_s = monotonic_s
        self._held: dict[str, Lease] = {}
        self._renewed_s = -math.inf
        self._registered = False
        self._seen: dict[str, tuple[int, int]] = {}  # other worker → (beats, missed)
        self._free: dict[str, int] = {}  # name → beats for which it was free
        self._workers: tuple[str, ...] = ()
        self._place = 0, 1
        self._beats = 0

    def take_part(self, names: Collection[str]) -> None:
        """Also claim leases of these names, from the next beat on."""
        self._names |= frozenset(names)
        self._registered = False

    @property
    def place(self) -> tuple[int, int] | None:
        """(our number among the living workers, how many they are).

        None until the others had the time to see us as well: so no two of them count wrongly.
        """
        return self._place if self._beats >= SEEN_AFTER else None

    @property
    def settled(self) -> bool:
        """Whether nothing can change any more: the database is ours alone, and so is all work."""
        return self._store.exclusive and self._held.keys() >= self._names

    def held(self, name: str) -> Lease | None:
        """The lease of a piece of work, while it is ours."""
        if self._store.exclusive or self._monotonic_s() - self._renewed_s < VALID_S:
            return self._held.get(name)
        return None

    def renew(self) -> None:
        """Give a sign of life, take what we should have, give back what is too much."""
        started_s = self._monotonic_s()
        board = self._store.write(self._beat)
        self._registered = True
        self._held = {
            name: lease for name, lease in board.leases.items() if lease.worker == self.worker
        }
        self._renewed_s = started_s
        self._beats += 1
        dead = self._dead(board)
        self._workers = tuple(sorted(board.beats.keys() - dead))
        self._place = self._workers.index(self.worker), len(self._workers)
        self._settle(board, dead)

    def resign(self) -> None:
        """Free all leases at once."""
        self._held = {}
        self._store.write(lambda tx: leases.resign(tx, self.worker))

    def _beat(self, tx: Transaction) -> Board:
        if not self._registered:
            leases.register(tx, self._names)
        return leases.beat(tx, self.worker)

    def _dead(self, board: Board) -> set[str]:
        """Those whose beats stood still for too long; a database of our own has nobody else."""
        seen = self._seen
        self._seen = {}
        for worker, beats in board.beats.items():
            if worker != self.worker:
                before, missed = seen.get(worker, (beats, -1))
                self._seen[worker] = beats, missed + 1 if beats == before else 0
        limit = 0 if self._store.exclusive else MISSED
        return {worker for worker, (_, missed) in self._seen.items() if missed >= limit}

    def _settle(self, board: Board, dead: set[str]) -> None:
        wanted, excess = self._wanted(board), self._excess(board)
        if dead or wanted or excess:
            buried = [(worker, board.beats[worker]) for worker in sorted(dead)]
            work = partial(self._change, buried, wanted, excess)
            claimed, released = self._store.write(work)
            self._held |= {lease.name: lease for lease in claimed}
            for name in released:
                del self._held[name]
            if dead or claimed or released:
                log.info(
                    "background work moved",
                    extra={
                        "taken": ",".join(lease.name for lease in claimed),
                        "given_back": ",".join(released),
                        "dead_workers": len(dead),
                    },
                )

    def _change(
        self,
        dead: list[tuple[str, int]],
        wanted: list[Lease],
        excess: list[Lease],
        tx: Transaction,
    ) -> tuple[list[Lease], list[str]]:
        leases.bury(tx, dead)
        return leases.claim(tx, self.worker, wanted), leases.release(tx, excess)

    def _counts(self, board: Board) -> dict[str, int]:
        """How many of the leases that we know each living worker has."""
        counts = dict.fromkeys(self._workers, 0)
        for name in self._names:
            owner = board.leases[name].worker
            if owner in counts:
                counts[owner] += 1
        return counts

    def _wanted(self, board: Board) -> list[Lease]:
        """Free leases that we should take, each worker in an order of its own."""
        counts = self._counts(board)
        free = [lease for name in self._names if (lease := board.leases[name]).worker not in counts]
        self._free = {lease.name: self._free.get(lease.name, -1) + 1 for lease in free}
        low, high = self._shares()
        fewer = any(counts[worker] < low for worker in counts if worker != self.worker)
        limit = (low if fewer else high) - counts.get(self.worker, 0)
        free.sort(key=lambda lease: hash((self.worker, lease.name)))
        left_over = [one for one in free[max(limit, 0) :] if self._free[one.name] >= PATIENCE]
        return free[: max(limit, 0)] + left_over

    def _excess(self, board: Board) -> list[Lease]:
        """Leases to give back, since others have too few."""
        counts = self._counts(board)
        low, high = self._shares()
        fewer = any(count < low for count in counts.values())
        keep = low if fewer and not self._free else high
        ours = sorted(self._held.keys() & self._names)
        return [self._held[name] for name in ours[keep:]]

    def _shares(self) -> tuple[int, int]:
        """The least and the most that one worker should have."""
        least, over = divmod(len(self._names), len(self._workers))
        return least, least + bool(over)
