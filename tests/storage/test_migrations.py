"""The schema and the way there, one step at a time, forwards and back."""

import threading
import time
from collections.abc import Iterator
from itertools import count, pairwise
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from chat.config.model import Database
from chat.storage import migrations, schema
from chat.storage.engine import Store, open_store
from chat.storage.migrations import (
    DatabaseTooNew,
    DatabaseTooOld,
    DatabaseUnfinished,
    online,
    upgrade,
)
from chat_testing.databases import upgraded

ROWS = 2
OWN = {"alembic_version", "sqlite_sequence"}

Columns = dict[str, Any]  # name → type
_numbers = count(1)


def is_listed(name: str | None, kind: str, _parents: object) -> bool:
    """Whether a table is one of the metadata's; the index of search is the database's own."""
    return kind != "table" or not (name or "").startswith(schema.people.SEARCH_INDEX)


@pytest.fixture
def empty(database: Database) -> Iterator[Store]:
    """A database without a schema."""
    opened = open_store(database)
    yield opened
    opened.close()


def test_migrations_lead_to_the_schema(store: Store) -> None:
    with store.schema_connection() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": is_listed})
        assert compare_metadata(context, schema.metadata) == []


def test_a_second_upgrade_changes_nothing(store: Store) -> None:
    upgrade(store)


def test_a_database_of_the_future_is_refused(database: Database) -> None:
    with upgraded(database) as store:
        store.write(lambda tx: tx.run("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(DatabaseTooNew, match="9999"):
            upgrade(store)


def test_old_software_is_refused(empty: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "OLDEST", {"sqlite": (99, 1), "postgresql": (99, 1)})
    with pytest.raises(DatabaseTooOld, match=r"is too old: 99\.1 or newer is needed"):
        upgrade(empty)


def test_an_unfinished_copy_is_refused(empty: Store) -> None:
    empty.write(lambda tx: tx.run("CREATE TABLE unfinished_copy (name TEXT)"))
    with pytest.raises(DatabaseUnfinished):
        upgrade(empty)


# --- rows of any table ---


def tables_of(connection: sa.Connection) -> dict[str, Columns]:
    """Tables and their columns as they are now."""
    inspector = sa.inspect(connection)
    found = {
        table: {column["name"]: column["type"] for column in inspector.get_columns(table)}
        for table in inspector.get_table_names()
        if table not in OWN and is_listed(table, "table", None)
    }
    if connection.dialect.name != "sqlite":
        connection.rollback()
    return found


def a_value(kind: Any) -> Any:
    """A value of a type, other than all before."""
    number = next(_numbers)
    if isinstance(kind, sa.Integer):
        return number
    if isinstance(kind, sa.LargeBinary):
        return str(number).encode()
    if isinstance(kind, sa.Float):
        return float(number)
    assert isinstance(kind, sa.Text | sa.String), kind
    return f"text {number}"


def insert(connection: sa.Connection, table: str, columns: Columns) -> dict[str, Any]:
    """Insert a row as code does that knows these columns only; the row."""
    row = {name: a_value(kind) for name, kind in columns.items()}
    marks = ", ".join(f":{name}" for name in row)
    connection.execute(sa.text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"), row)
    return row


def missing(
    connection: sa.Connection, table: str, rows: list[dict[str, Any]], names: set[str]
) -> list[dict[str, Any]]:
    """Which rows a read of these columns does not find."""
    listed = ", ".join(sorted(names))
    found = {
        tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
        for row in connection.execute(sa.text(f"SELECT {listed} FROM {table}"))
    }
    return [row for row in rows if tuple(row[name] for name in sorted(names)) not in found]


def fill(store: Store) -> tuple[dict[str, Columns], dict[str, list[dict[str, Any]]]]:
    """Put rows into every table; the tables, and the rows by table."""
    with store.schema_connection() as connection:
        tables = tables_of(connection)
        rows = {
            table: [insert(connection, table, columns) for _ in range(ROWS)]
            for table, columns in tables.items()
        }
        commit(connection)
    return tables, rows


def commit(connection: sa.Connection) -> None:
    if connection.dialect.name != "sqlite":
        connection.commit()


def read_tables(store: Store) -> dict[str, Columns]:
    with store.schema_connection() as connection:
        return tables_of(connection)


def described(store: Store) -> Any:
    """The schema in full, to be compared."""
    with store.schema_connection() as connection:
        inspector = sa.inspect(connection)
        found = {
            table: (
                [
                    (one["name"], str(one["type"]), one["nullable"], one["default"])
                    for one in sorted(inspector.get_columns(table), key=lambda one: one["name"])
                ],
                sorted(
                    (one["name"], one["column_names"], bool(one["unique"]))
                    for one in inspector.get_indexes(table)
                ),
                inspector.get_pk_constraint(table)["constrained_columns"],
            )
            for table in inspector.get_table_names()
        }
        if connection.dialect.name != "sqlite":
            found["sequences of PostgreSQL"] = sorted(inspector.get_sequence_names())  # type: ignore[assignment]
        return found


def test_every_step_can_be_taken_back_and_again(empty: Store) -> None:
    chain = [migrations.BASE, *migrations.revisions()]
    for older, newer in pairwise(chain):
        migrations.migrate(empty, newer)
        before = described(empty)
        tables, rows = fill(empty)
        migrations.migrate(empty, older)
        stay = read_tables(empty)
        assert bool(stay) == (older != migrations.BASE)
        assert_kept(empty, stay, rows, newer)
        migrations.migrate(empty, newer)
        assert described(empty) == before, newer
        both = {
            table: {name: kind for name, kind in columns.items() if name in tables[table]}
            for table, columns in stay.items()
        }
        assert_kept(empty, both, rows, newer)


def assert_kept(
    store: Store, tables: dict[str, Columns], rows: dict[str, list[dict[str, Any]]], step: str
) -> None:
    with store.schema_connection() as connection:
        for table, columns in tables.items():
            assert missing(connection, table, rows[table], set(columns)) == [], (step, table)


def test_code_of_every_revision_works_on_the_newest_schema(empty: Store) -> None:
    """Old servers go on while new ones start: what they insert and read stays possible."""
    known: dict[tuple[str, frozenset[str]], tuple[str, Columns]] = {}
    for revision in migrations.revisions():
        migrations.migrate(empty, revision)
        for table, columns in read_tables(empty).items():
            known.setdefault((table, frozenset(columns)), (revision, columns))
    with empty.schema_connection() as connection:
        for (table, names), (revision, columns) in known.items():
            row = insert(connection, table, columns)
            assert missing(connection, table, [row], set(names)) == [], (revision, table)
        commit(connection)


# --- locks ---


def test_a_migration_gives_up_a_lock_that_is_not_there_and_tries_again(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody holds the table, nobody queues behind the migration for long."""
    monkeypatch.setattr(migrations, "LOCK_PAUSE_S", 0.3)
    store = open_store(postgres_database)
    migrations.migrate(store, "0001")
    holder = psycopg2.connect(**_arguments(postgres_database))
    holder.cursor().execute("LOCK TABLE room IN ACCESS SHARE MODE")
    waited: list[float] = []

    def attempt() -> None:
        with store.schema_connection() as connection:
            migrations._patiently(lambda: _add_a_column(connection))

    migrating = threading.Thread(target=attempt)
    migrating.start()
    reader = psycopg2.connect(**_arguments(postgres_database))
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        started = time.monotonic()
        reader.cursor().execute("SELECT count(*) FROM room")
        reader.commit()
        waited.append(time.monotonic() - started)
    assert migrating.is_alive()
    holder.rollback()
    migrating.join(10)
    assert "added" in read_tables(store)["room"]
    assert max(waited) > 0.1, "the reader never queued behind the migration"
    assert max(waited) < 1
    for connection in (holder, reader):
        connection.close()
    store.close()


def _add_a_column(connection: sa.Connection) -> None:
    with connection.begin():
        operations = Operations(MigrationContext.configure(connection))
        operations.add_column("room", sa.Column("added", sa.Text()))


def _arguments(database: Database) -> dict[str, Any]:
    return {name: value for name, value in database.args.items() if not name.startswith("cp_")}


def test_an_index_is_made_while_others_write(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a second server that waits to migrate, and after an attempt that was cut off."""
    with upgraded(postgres_database) as store, store.schema_connection() as connection:
        other = open_store(postgres_database)
        waiting = threading.Thread(target=upgrade, args=(other,))
        waiting.start()
        connection.exec_driver_sql("CREATE INDEX users_by_type ON users (user_type)")
        connection.exec_driver_sql(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'users_by_type'::regclass"
        )
        connection.commit()
        context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
        with context.begin_transaction(_per_migration=True), Operations.context(context):
            online.create_index("users_by_type", "users", ["user_type"])
        valid = sa.text(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_by_type'::regclass"
        )
        assert connection.scalar(valid) is True
        connection.commit()
        assert waiting.is_alive()
    waiting.join(10)
    assert not waiting.is_alive()
    other.close()


def test_an_index_is_made_on_sqlite_too(sqlite_store: Store) -> None:
    with sqlite_store.schema_connection() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            online.create_index("users_by_type", "users", ["user_type"])
        names = [one["name"] for one in sa.inspect(connection).get_indexes("users")]
        assert "users_by_type" in names


def test_two_servers_that_start_at_once_migrate_once(database: Database) -> None:
    stores = [open_store(database) for _ in range(3)]
    failures: list[BaseException] = []

    def start(store: Store) -> None:
        try:
            upgrade(store)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    for store in stores:
        store.close()
