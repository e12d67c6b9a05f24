"""A whole database copied into another, of the same kind or not: every table of the schema.

The copy is made in batches, in the order of primary keys. How far each table is stands in the
target itself, in the table `unfinished_copy`, written together with the rows: a copy that was
broken off goes on where it stopped, and no server starts on it before it is done (see migrations).

Both databases must be at rest, or the source be seen through one snapshot: what a copy that goes on
finds changed in its source, it refuses.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table, func, select

from chat.storage import migrations, schema
from chat.storage.engine import Store
from chat.storage.migrations import UNFINISHED_COPY, DatabaseRefused

BATCH_ROWS = 500  # an event has up to 64 KiB

Counts = dict[str, int]  # rows by table

_marker = Table(
    UNFINISHED_COPY,
    sa.MetaData(),
    sa.Column("name", sa.Text, primary_key=True),  # of a table; "" for what is copied
    sa.Column("note", sa.Text),  # the last primary key that was copied, or what is copied, as JSON
)


class NotEmpty(DatabaseRefused):
    """The target holds something that is not the unfinished copy of the source."""


class NotNewest(DatabaseRefused):
    """The source has an older schema."""


class CopyDiffers(Exception):
    """After the copy the numbers of rows differ; the target is not usable."""


class Copy:
    """A copy under way. `counted` is called with the rows that were added."""

    def __init__(
        self, source: Store, target: Store, counted: Callable[[int], object] = lambda _: None
    ) -> None:
        self._source = source
        self._target = target
        self._counted = counted

    def run(
        self,
        announce: Callable[[int], None] = lambda _: None,
        last: Callable[[Connection], None] = lambda _: None,
    ) -> Counts:
        """Copy everything; the rows of each table.

        `announce` hears how many rows there are. `last` changes the copy before it counts as done,
        in the same transaction. Raises NotEmpty, NotNewest, CopyDiffers.
        """
        with (
            self._source.command_connection() as reading,
            self._target.command_connection() as writing,
        ):
            require_newest(reading)
            self._source.begin_snapshot(reading)
            counts = count_rows(reading)
            announce(sum(counts.values()))
            _begin(writing, self._identity(reading, counts))
            for table in schema.metadata.sorted_tables:
                for rows in _copy(reading, writing, table):
                    self._counted(rows)
            self._finish(reading, writing, counts, last)
        return counts

    def _identity(self, reading: Connection, counts: Counts) -> str:
        """What tells a source from others, and from itself after a change."""
        head = reading.scalar(select(schema.log.stream.c.head))
        numbers = self._source.next_numbers(reading)
        return json.dumps([head, numbers, counts], sort_keys=True)

    def _finish(
        self,
        reading: Connection,
        writing: Connection,
        counts: Counts,
        last: Callable[[Connection], None],
    ) -> None:
        found = count_rows(writing)
        writing.rollback()
        wrong = [
            f"{name}: {found[name]} of {counts[name]}"
            for name in counts
            if found[name] != counts[name]
        ]
        if wrong:
            raise CopyDiffers(f"Rows are missing or too many: {', '.join(wrong)}")
        with writing.begin():
            self._target.set_next_numbers(writing, self._source.next_numbers(reading))
            last(writing)
            _marker.drop(writing)


def require_newest(connection: Connection) -> None:
    """Raises NotNewest unless the database has the newest schema; DatabaseTooNew."""
    migrations.check_software(connection)
    present, newest = migrations.current(connection), migrations.revisions()[-1]
    connection.rollback()
    if present != newest:
        raise NotNewest(
            f"The source has {f'schema {present}' if present else 'no schema'}, not {newest}:"
            " bring it there with the command migrate"
        )


def count_rows(connection: Connection) -> Counts:
    """The rows of each table of the schema."""
    return {
        table.name: connection.scalar(select(func.count()).select_from(table)) or 0
        for table in schema.metadata.sorted_tables
    }


def _begin(writing: Connection, identity: str) -> None:
    """Mark the target, and bring it to the newest schema. Raises NotEmpty."""
    tables = sa.inspect(writing).get_table_names()
    writing.rollback()
    if UNFINISHED_COPY not in tables:
        if tables:
            raise NotEmpty("The target is not empty: it has tables. Name a database without any.")
        with writing.begin():
            _marker.create(writing)
    migrations.climb(writing)
    writing.commit()
    with writing.begin():
        before = writing.scalar(select(_marker.c.note).where(_marker.c.name == ""))
        if before is None:
            for table in schema.metadata.sorted_tables:
                writing.execute(table.delete())  # what migrations put there
            writing.execute(_marker.insert(), {"name": "", "note": identity})
        elif before != identity:
            raise NotEmpty(
                "The target is the unfinished copy of another database, or of this one before it"
                " changed. Empty the target and begin again."
            )


def _copy(reading: Connection, writing: Connection, table: Table) -> Iterator[int]:
    """Copy a table from where it stopped; the rows of each batch, first those of former runs."""
    key = list(table.primary_key.columns)
    note = writing.scalar(select(_marker.c.note).where(_marker.c.name == table.name))
    there = writing.scalar(select(func.count()).select_from(table)) or 0
    writing.rollback()
    yield there
    last = json.loads(note) if note is not None else None
    page = select(table).order_by(*key).limit(BATCH_ROWS)
    while True:
        after = (
            page
            if last is None
            else page.where(sa.tuple_(*key) > sa.tuple_(*map(sa.literal, last)))
        )
        rows = reading.execute(after).mappings().all()
        if not rows:
            return
        first, last = last is None, [rows[-1][column.name] for column in key]
        with writing.begin():
            writing.execute(table.insert(), [dict(row) for row in rows])
            _note(writing, table.name, json.dumps(last), first=first)
        yield len(rows)


def _note(writing: Connection, name: str, note: str, *, first: bool) -> None:
    values: Mapping[str, Any] = {"name": name, "note": note}
    if first:
        writing.execute(_marker.insert(), values)
    else:
        writing.execute(_marker.update().where(_marker.c.name == name), {"note": note})
