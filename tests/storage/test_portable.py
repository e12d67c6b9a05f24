"""A database copied into another, and the copy that is broken off."""

import json
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from chat.config.model import Database
from chat.storage import migrations, portable, schema
from chat.storage.engine import Store, Transaction, open_store
from chat.storage.migrations import DatabaseUnfinished
from chat.storage.portable import Copy, CopyDiffers, NotEmpty, NotNewest
from chat_testing.databases import database_config, upgraded

USERS = 1_700
AWKWARD = "ünï 😀 \\ ' \" %s :x \n {1,2}"


@pytest.fixture
def other_database(database: Database, request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database of the other kind."""
    if database.name == "sqlite3":
        made = request.getfixturevalue("postgres_database")
        assert isinstance(made, Database)
        return made
    return database_config("sqlite3", database=str(tmp_path / "other.db"))


def fill(store: Store) -> None:
    """Rows in every table, many in one, and numbers taken from every sequence."""
    numbers = count(10)

    def value(column: sa.Column[Any]) -> Any:
        if isinstance(column.type, sa.Integer):
            return next(numbers)
        if isinstance(column.type, sa.LargeBinary):
            return bytes([0, next(numbers) % 256, 255])
        return f"{AWKWARD} {next(numbers)}"

    with store.command_connection() as connection, connection.begin():
        for table in schema.metadata.sorted_tables:
            if table.name not in ("stream", "sequences"):
                rows = [{one.name: value(one) for one in table.columns} for _ in range(3)]
                connection.execute(table.insert(), rows)

    def work(tx: Transaction) -> None:
        users = [(f"@user{n:05}:a", n) for n in range(USERS)]
        tx.insert("users", ("name", "creation_ts"), users)
        tx.run("UPDATE stream SET head = 4711")
        for name in schema.SEQUENCES:
            tx.numbers(name, 40)

    store.write(work)


def content(store: Store) -> dict[str, set[tuple[Any, ...]]]:
    """Every row of every table but the sequences."""
    with store.command_connection() as connection:
        return {
            table.name: {tuple(row) for row in connection.execute(sa.select(table))}
            for table in schema.metadata.sorted_tables
            if table.name != "sequences"
        }


def test_every_table_has_a_primary_key_to_go_by() -> None:
    for table in schema.metadata.sorted_tables:
        assert table.primary_key.columns, table.name
        for column in table.primary_key.columns:
            assert isinstance(column.type, sa.Integer | sa.Text), column


def test_a_copy_has_everything_and_its_numbers_go_on(
    database: Database, other_database: Database
) -> None:
    with upgraded(database) as source:
        fill(source)
        used = {
            name: source.write(lambda tx, n=name: tx.numbers(n, 1)) for name in schema.SEQUENCES
        }
        target = open_store(other_database)
        counted: list[int] = []
        counts = Copy(source, target, counted.append).run()
        assert sum(counted) == sum(counts.values())
        assert set(counts) == set(schema.metadata.tables)
        assert all(counts.values()), "a table without rows proves nothing"
        assert content(target) == content(source)
        migrations.upgrade(target)
        for name in schema.SEQUENCES:
            (number,) = target.write(lambda tx, n=name: tx.numbers(n, 1))
            assert number > used[name][0]
        target.close()


def test_a_target_with_tables_is_refused(database: Database, other_database: Database) -> None:
    with (
        upgraded(database) as source,
        upgraded(other_database) as target,
        pytest.raises(NotEmpty, match="is not empty"),
    ):
        Copy(source, target).run()


def test_an_older_source_is_refused(database: Database, other_database: Database) -> None:
    with upgraded(database) as source:
        migrations.migrate(source, "0001")
        target = open_store(other_database)
        with pytest.raises(NotNewest, match="schema 0001"):
            Copy(source, target).run()
        target.close()


def test_a_copy_that_was_broken_off_goes_on(database: Database, other_database: Database) -> None:
    class BrokenOff(Exception):
        pass

    with upgraded(database) as source:
        fill(source)
        target = open_store(other_database)
        for limit in (1, 700, 1_300):
            seen: list[int] = []

            def count(rows: int, seen: list[int] = seen, limit: int = limit) -> None:
                seen.append(rows)
                if sum(seen) >= limit:
                    raise BrokenOff

            with pytest.raises(BrokenOff):
                Copy(source, target, count).run()
            with pytest.raises(DatabaseUnfinished):
                migrations.upgrade(target)
        Copy(source, target).run()
        assert content(target) == content(source)
        migrations.upgrade(target)
        target.close()


def test_a_source_that_changed_meanwhile_is_refused(
    database: Database, other_database: Database
) -> None:
    with upgraded(database) as source:
        fill(source)
        target = open_store(other_database)
        with pytest.raises(ZeroDivisionError):
            Copy(source, target, lambda rows: rows // 0).run()
        source.write(lambda tx: tx.run("UPDATE stream SET head = head + 1"))
        with pytest.raises(NotEmpty, match="before it changed"):
            Copy(source, target).run()
        target.close()


def test_rows_that_are_missing_are_noticed(database: Database, other_database: Database) -> None:
    with upgraded(database) as source:
        fill(source)
        target = open_store(other_database)

        def lose(_rows: int) -> None:
            target.write(lambda tx: tx.run("DELETE FROM filters"))

        with pytest.raises(CopyDiffers, match="filters: 0 of 3"):
            Copy(source, target, lose).run()
        with pytest.raises(DatabaseUnfinished):
            migrations.upgrade(target)
        target.close()


CHILD = """
import json, sys, time
from chat.storage.engine import open_store
from chat.storage import portable
from chat_testing.databases import database_config
source, target = (open_store(database_config(n, **a)) for n, a in json.loads(sys.argv[1]))
portable.BATCH_ROWS = 20

def counted(rows):
    print(rows, flush=True)
    time.sleep(0.01)

portable.Copy(source, target, counted).run()
"""


def test_a_copy_that_was_killed_goes_on(database: Database, other_database: Database) -> None:
    with upgraded(database) as source:
        fill(source)
        pairs = [(one.name, one.args) for one in (database, other_database)]
        for lines in (3, 40, 60):
            with subprocess.Popen(
                [sys.executable, "-c", CHILD, json.dumps(pairs)],
                stdout=subprocess.PIPE,
                env={"PYTHONPATH": ":".join(sys.path)},
            ) as child:
                assert child.stdout is not None
                for _ in range(lines):
                    assert child.stdout.readline()
                child.send_signal(signal.SIGKILL)
        time.sleep(0.1)
        target = open_store(other_database)
        Copy(source, target).run()
        assert content(target) == content(source)
        target.close()
    assert portable.BATCH_ROWS > 20
