"""Who does which piece of background work: one worker of all nodes, or nobody.

Workers show that they live by counting up their row of `worker`. A lease names a piece of work; it
is free when its `worker` has no row there. Each change of owner raises its generation, and what an
owner writes is guarded by the generation under which it got the lease: a worker that slept through
the loss of its lease writes nothing more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chat.storage.engine import Transaction


class LeaseLost(Exception):
    """Somebody else does this work now; what the raising transaction wrote is undone."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A piece of work, as its owner got it."""

    name: str
    worker: str
    generation: int

    def guard(self, tx: Transaction) -> None:
        """Let the transaction be undone, by LeaseLost, unless this lease lasts until its commit."""
        held = tx.row(
            "SELECT 1 FROM lease WHERE name = :name AND worker = :worker"
            " AND generation = :generation FOR SHARE",
            name=self.name,
            worker=self.worker,
            generation=self.generation,
        )
        if held is None:
            raise LeaseLost(f"{self.name}, generation {self.generation}")


class Board(NamedTuple):
    """What all workers see: how often each worker gave a sign of life, and the leases."""

    beats: dict[str, int]
    leases: dict[str, Lease]


def beat(tx: Transaction, worker: str) -> Board:
    """Give a sign of life, and look around. One message to the database, and the commit."""
    tx.do(
        "INSERT INTO worker (name, beats) VALUES (:worker, 1)"
        " ON CONFLICT (name) DO UPDATE SET beats = worker.beats + 1",
        worker=worker,
    )
    rows = tx.rows(
        "SELECT name, beats, 1 AS is_worker, NULL AS worker FROM worker"
        " UNION ALL SELECT name, generation, 0, worker FROM lease"
    )
    return Board(
        {name: beats for name, beats, is_worker, _ in rows if is_worker},
        {
            name: Lease(name, owner or "", generation)
            for name, generation, is_worker, owner in rows
            if not is_worker
        },
    )


def register(tx: Transaction, names: Iterable[str]) -> None:
    """Make those leases that nobody has made yet; they are free."""
    tx.do(
        "INSERT INTO lease (name) SELECT w.name FROM ROWS(:names AS name text) w"
        " WHERE true ON CONFLICT (name) DO NOTHING",
        names=[(name,) for name in sorted(names)],
    )


def bury(tx: Transaction, workers: Sequence[tuple[str, int]]) -> None:
    """Remove workers, (name, beats), unless they gave another sign of life; frees their leases."""
    tx.do(
        "DELETE FROM worker WHERE EXISTS (SELECT 1 FROM ROWS(:dead AS name text, beats bigint) d"
        " WHERE d.name = worker.name AND d.beats = worker.beats)",
        dead=list(workers),
    )


def claim(tx: Transaction, worker: str, wanted: Sequence[Lease]) -> list[Lease]:
    """Take leases as seen on the board, but for those that moved or whose guard is up; what we got.

    The guard of an owner that hangs inside a transaction falls when the database ends its session.
    """
    rows = tx.rows(
        "WITH free AS (SELECT l.name FROM ROWS(:wanted AS name text, generation bigint) w"
        " JOIN lease l ON l.name = w.name AND l.generation = w.generation"
        " WHERE l.worker IS NULL OR l.worker NOT IN (SELECT name FROM worker)"
        " FOR NO KEY UPDATE OF l SKIP LOCKED)"
        " UPDATE lease SET worker = :worker, generation = generation + 1"
        " WHERE name IN (SELECT name FROM free) RETURNING name, generation",
        wanted=[(lease.name, lease.generation) for lease in wanted],
        worker=worker,
    )
    return [Lease(name, worker, generation) for name, generation in rows]


def release(tx: Transaction, leases: Sequence[Lease]) -> list[str]:
    """Give leases back, but for those whose guard is up; the names that are free now."""
    rows = tx.rows(
        "WITH ours AS (SELECT l.name FROM"
        " ROWS(:leases AS name text, worker text, generation bigint) w"
        " JOIN lease l ON l.name = w.name AND l.worker = w.worker AND l.generation = w.generation"
        " FOR NO KEY UPDATE OF l SKIP LOCKED)"
        " UPDATE lease SET worker = NULL WHERE name IN (SELECT name FROM ours) RETURNING name",
        leases=[(lease.name, lease.worker, lease.generation) for lease in leases],
    )
    return [name for (name,) in rows]


def resign(tx: Transaction, worker: str) -> None:
    """Remove our own sign of life: all our leases are free at once."""
    tx.do("DELETE FROM worker WHERE name = :worker", worker=worker)
