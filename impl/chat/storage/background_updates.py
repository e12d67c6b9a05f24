"""Background updates: what a migration leaves to be done while the server works.

A revision notes an update by its name (`schedule`); the server then does it batch by batch. Each
batch and the note of how far it came are one transaction, so that a process may die at any moment
and the next one goes on from there. A batch holds the row's lock: nobody does it a second time.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from alembic import op
from sqlalchemy import text

from chat.storage.engine import Transaction


class Batch(NamedTuple):
    """What a step did: how many rows, and where to go on; None: there is nothing more to do."""

    rows: int
    progress: dict[str, Any] | None


# Does the next rows, about as many as it is told, from where its progress ({} at first) says.
Step = Callable[[Transaction, dict[str, Any], int], Batch]


class Pending(NamedTuple):
    """An update that is not done."""

    name: str
    progress: dict[str, Any]
    rows_done: int


def schedule(name: str, number: int) -> None:
    """In a revision: let `name` be done, after the pending ones of lower numbers."""
    note = text("INSERT INTO background_update (name, number) VALUES (:name, :number)")
    op.get_bind().execute(note, {"name": name, "number": number})


def pending(tx: Transaction) -> list[Pending]:
    """What is to be done, in its order."""
    rows = tx.rows("SELECT name, progress, rows_done FROM background_update ORDER BY number, name")
    return [Pending(name, json.loads(progress), done) for name, progress, done in rows]


def run_batch(tx: Transaction, name: str, step: Step, size: int) -> Pending | None:
    """Do about `size` rows more of an update; how far it is, None when it is done."""
    row = tx.row(
        "SELECT progress, rows_done FROM background_update WHERE name = :name FOR NO KEY UPDATE",
        name=name,
    )
    if row is None:
        return None
    batch = step(tx, json.loads(row[0]), size)
    if batch.progress is None:
        tx.do("DELETE FROM background_update WHERE name = :name", name=name)
        return None
    done = row[1] + batch.rows
    tx.do(
        "UPDATE background_update SET progress = :progress, rows_done = :done WHERE name = :name",
        progress=json.dumps(batch.progress),
        done=done,
        name=name,
    )
    return Pending(name, batch.progress, done)
