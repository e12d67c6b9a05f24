"""The store: one set of statements on both databases, group commit, retries, refusals."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg2
import psycopg2.errors
import pytest

from chat.config.model import Database
from chat.protocol.errors import Forbidden
from chat.storage import engine, schema
from chat.storage.engine import (
    DatabaseConflict,
    DatabaseInUse,
    SqliteStore,
    Store,
    Transaction,
    is_unavailable,
    open_store,
)
from chat.storage.prepared import Text
from chat_testing.databases import statements


def put(pos: int, kind: int = 1) -> Callable[[Transaction], None]:
    return lambda tx: tx.insert("change_log", ("pos", "kind"), [(pos, kind)])


def positions(store: Store) -> list[int]:
    return [pos for (pos,) in store.read(lambda tx: tx.rows("SELECT pos FROM change_log"))]


def test_parameters_lists_and_tables_work_alike(store: Store) -> None:
    store.write(
        lambda tx: tx.insert(
            "change_log",
            ("pos", "kind", "user_id"),
            [(1, 1, "@100%:a"), (2, 5, None), (3, 2, "it's :x")],
        )
    )

    def work(tx: Transaction) -> None:
        one = "SELECT pos FROM change_log WHERE "
        assert tx.row(one + "user_id = :user", user="@100%:a") == (1,)
        assert tx.row(one + "user_id LIKE '%x'") == (3,)
        assert tx.rows(one + "pos = ANY(:some) ORDER BY pos", some=[3, 1, 9]) == [(1,), (3,)]
        assert tx.rows(one + "user_id = ANY(:some)", some=["it's :x"]) == [(3,)]
        assert tx.rows(one + "pos = ANY(:some)", some=[]) == []
        assert tx.rows(one + "pos <> ALL(:some) ORDER BY pos", some=[1]) == [(2,), (3,)]
        twice = "pos = ANY(:some) AND kind = ANY(:some)"
        assert tx.rows(one + twice, some=[2, 1]) == [(1,)]
        joined = (
            "SELECT w.b, c.pos FROM ROWS(:wanted AS a bigint, b text) w"
            " JOIN change_log c ON c.pos = w.a ORDER BY c.pos"
        )
        assert tx.rows(joined, wanted=[(3, "x"), (1, None)]) == [(None, 1), ("x", 3)]
        assert tx.rows(joined, wanted=[]) == []

    store.read(work)


def test_insert_takes_columns_of_only_nulls_and_no_rows(store: Store) -> None:
    def work(tx: Transaction) -> None:
        tx.insert("change_log", ("pos", "kind", "room"), [(1, 1, None), (2, 1, None)])
        tx.insert("change_log", ("pos", "kind"), [])

    store.write(work)
    assert positions(store) == [1, 2]


def test_run_counts_rows_and_returning_gives_them(store: Store) -> None:
    store.write(lambda tx: tx.insert("change_log", ("pos", "kind"), [(1, 1), (2, 1)]))
    assert store.write(lambda tx: tx.run("UPDATE change_log SET kind = 5")) == 2
    deleted = store.write(lambda tx: tx.rows("DELETE FROM change_log WHERE pos = 2 RETURNING kind"))
    assert deleted == [(5,)]


def test_a_raised_refusal_undoes_everything_of_its_work(store: Store) -> None:
    called: list[str] = []

    def refuse(tx: Transaction) -> None:
        put(1)(tx)
        tx.after_commit(lambda: called.append("refused"))
        raise Forbidden("no")

    with pytest.raises(Forbidden):
        store.write(refuse)
    store.write(put(2))
    assert positions(store) == [2]
    assert called == []


def test_callbacks_run_after_the_commit(store: Store) -> None:
    seen: list[list[int]] = []

    def work(tx: Transaction) -> None:
        put(1)(tx)
        tx.after_commit(lambda: seen.append(positions(store)))

    store.write(work)
    assert seen == [[1]]


def test_a_reader_keeps_its_snapshot(store: Store) -> None:
    def work(tx: Transaction) -> tuple[int, int]:
        before = len(tx.rows("SELECT 1 FROM change_log"))
        store.write(put(1))
        return before, len(tx.rows("SELECT 1 FROM change_log"))

    assert store.read(work) == (0, 0)
    assert positions(store) == [1]


def test_a_single_statement_needs_no_snapshot(store: Store) -> None:
    store.write(put(1))
    found = store.read(lambda tx: tx.row("SELECT pos FROM change_log"), snapshot=False)
    assert found == (1,)
    store.write(put(2))
    assert sorted(positions(store)) == [1, 2]


def test_numbers_are_never_given_twice_even_beyond_a_block(store: Store) -> None:
    def take(count: int) -> list[int]:
        return store.write(lambda tx: tx.numbers("ev", count))

    taken = take(3) + take(schema.SEQUENCE_BLOCK * 2) + take(1)
    assert len(set(taken)) == len(taken) == schema.SEQUENCE_BLOCK * 2 + 4


def test_many_writers_lose_nothing(store: Store) -> None:
    def writer(start: int) -> None:
        for i in range(20):
            store.write(put(start + i))

    threads = [threading.Thread(target=writer, args=(1 + 20 * i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(positions(store)) == list(range(1, 161))


def test_statements_are_observed(store: Store) -> None:
    with statements(store) as seen:
        store.read(lambda tx: tx.row("SELECT 1"))
    assert seen == ["SELECT 1"]


# --- SQLite: group commit ---


def in_one_group(store: SqliteStore, works: list[Callable[[Transaction], None]]) -> list[object]:
    """Run `works` as one group, made to wait by a work before them; their outcomes."""
    gathered, outcomes = threading.Event(), [None] * len(works)

    def run(i: int) -> None:
        try:
            store.write(works[i])
        except Exception as error:
            outcomes[i] = error

    first = threading.Thread(target=store.write, args=(lambda _: gathered.wait(5),))
    first.start()
    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(works))]
    for thread in threads:
        thread.start()
    while store._gathering.waiting < len(works):
        pass
    gathered.set()
    for thread in [first, *threads]:
        thread.join()
    return outcomes


def test_a_refusal_in_a_group_leaves_the_others(sqlite_store: SqliteStore) -> None:
    def refuse(tx: Transaction) -> None:
        put(2)(tx)
        raise Forbidden("no")

    commits: list[int] = []
    commit = sqlite_store._commit

    def counted(connection):
        commits.append(1)
        return commit(connection)

    sqlite_store._commit = counted
    first, second, third = in_one_group(sqlite_store, [put(1), refuse, put(3)])
    assert (first, third) == (None, None)
    assert isinstance(second, Forbidden)
    assert sorted(positions(sqlite_store)) == [1, 3]
    assert len(commits) == 2  # the one before, and the group


def test_a_database_error_in_a_group_makes_each_run_alone(sqlite_store: SqliteStore) -> None:
    def broken(tx: Transaction) -> None:
        tx.run("UPDATE no_such_table SET x = 1")

    outcomes = in_one_group(sqlite_store, [put(1), broken, put(3)])
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "NoneType",
        "OperationalError",
        "NoneType",
    ]
    assert sorted(positions(sqlite_store)) == [1, 3]


def test_a_failing_callback_is_told_to_its_caller_only(sqlite_store: SqliteStore) -> None:
    def fail() -> None:
        raise IndexError

    def work(tx: Transaction) -> None:
        put(1)(tx)
        tx.after_commit(fail)

    first, second = in_one_group(sqlite_store, [work, put(2)])
    assert isinstance(first, IndexError)
    assert second is None
    assert sorted(positions(sqlite_store)) == [1, 2]


def test_a_second_server_is_refused(sqlite_store: SqliteStore) -> None:
    sqlite_store.lock()
    other = SqliteStore(str(sqlite_store.path))
    with pytest.raises(DatabaseInUse, match="served by another"):
        other.lock()
    sqlite_store.close()
    other.lock()
    other.close()


def test_acknowledged_means_synchronised(sqlite_store: SqliteStore) -> None:
    assert sqlite_store.read(lambda tx: tx.row("PRAGMA synchronous")) == (2,)  # FULL
    assert sqlite_store.read(lambda tx: tx.row("PRAGMA journal_mode")) == ("wal",)


def test_a_full_disk_is_told_from_a_fault_and_gets_over_it(sqlite_store: SqliteStore) -> None:
    sqlite_store.write(put(1))
    writer = sqlite_store._writer_connection()
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.Error, match="full") as full:
        for pos in range(2, 10_000):
            sqlite_store.write(put(pos))
    assert is_unavailable(full.value)
    writer.execute(f"PRAGMA max_page_count = {2 * pages}")
    sqlite_store.write(put(10_000))
    there = positions(sqlite_store)
    assert there == [*range(1, len(there)), 10_000]


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (psycopg2.errors.UniqueViolation(), False),
        (psycopg2.OperationalError("could not connect to server"), True),
        (psycopg2.DatabaseError("error with status PGRES_TUPLES_OK and no message"), True),
        (psycopg2.InterfaceError("connection already closed"), True),
        (psycopg2.ProgrammingError("no results to fetch"), False),
        (DatabaseConflict("Gave up"), True),
        (sqlite3.IntegrityError("UNIQUE constraint failed"), False),
        (ValueError("no"), False),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_passes_by_itself(error: Exception, *, passes: bool) -> None:
    if isinstance(error, psycopg2.errors.UniqueViolation):
        error.__setstate__({"pgcode": "23505"})
    assert is_unavailable(error) is passes


# --- PostgreSQL ---


def test_a_full_disk_of_postgresql_is_known_by_its_code(postgres_store: Store) -> None:
    for code, passes in (("53100", True), ("53300", True), ("57P01", True), ("22012", False)):
        with pytest.raises(psycopg2.Error) as raised:
            postgres_store.write(
                lambda tx, code=code: tx.row(
                    f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$"
                )
            )
        assert is_unavailable(raised.value) is passes, code
    postgres_store.write(put(1))


def test_a_connection_that_only_libpq_knows_as_dead_is_replaced(postgres_store: Store) -> None:
    died: list[int] = []

    def work(tx: Transaction) -> None:
        tx.run("UPDATE stream SET head = head")
        if not died:
            died.append(1)
            raise psycopg2.DatabaseError("error with status PGRES_TUPLES_OK and no message")
        put(1)(tx)

    postgres_store.write(work)
    assert positions(postgres_store) == [1]


def test_work_is_run_again_after_a_deadlock(postgres_store: Store) -> None:
    postgres_store.write(lambda tx: tx.insert("change_log", ("pos", "kind"), [(1, 0), (2, 0)]))
    both = threading.Barrier(2)
    attempts: list[int] = []

    def cross(first: int, second: int) -> None:
        tries: list[int] = []

        def work(tx: Transaction) -> None:
            attempts.append(first)
            tries.append(1)
            bump = "UPDATE change_log SET kind = kind + 1 WHERE pos = :pos"
            tx.run(bump, pos=first)
            if len(tries) == 1:
                both.wait(5)
            tx.run(bump, pos=second)

        postgres_store.write(work)

    threads = [threading.Thread(target=cross, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(attempts) >= 3
    assert postgres_store.read(lambda tx: tx.rows("SELECT kind FROM change_log")) == [(2,), (2,)]


def test_a_lost_connection_is_replaced(postgres_store: Store, postgres_database: Database) -> None:
    (pid,) = postgres_store.read(lambda tx: tx.row("SELECT pg_backend_pid()"))
    other = open_store(postgres_database)
    other.read(lambda tx: tx.row("SELECT pg_terminate_backend(:pid)", pid=pid))
    other.close()
    postgres_store.write(put(1))
    assert positions(postgres_store) == [1]


def test_an_announcement_reaches_the_others(
    postgres_store: Store, postgres_database: Database
) -> None:
    other = open_store(postgres_database)
    assert postgres_store.await_announcement("changes", 0.01) is False
    other.announce("changes")
    assert postgres_store.await_announcement("changes", 5) is True
    postgres_store.announce("changes")
    assert postgres_store.await_announcement("changes", 0.05) is False
    other.close()


def test_statements_whose_outcome_nobody_asks_for_travel_together(postgres_store: Store) -> None:
    sent: list[bytes] = []
    send = engine._PostgresTransaction._send

    def work(tx: Transaction) -> None:
        put(1)(tx)
        tx.do("UPDATE change_log SET kind = :kind", kind=7)
        assert tx.row("SELECT kind FROM change_log") == (7,)
        put(2)(tx)

    def observed(tx: engine._PostgresTransaction, text: Text) -> None:
        sent.append(text.sent)
        send(tx, text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine._PostgresTransaction, "_send", observed)
        postgres_store.write(work)
    assert sent == [b"SELECT kind FROM change_log", b"COMMIT"]
    assert positions(postgres_store) == [1, 2]


def test_an_error_that_travelled_with_the_commit_undoes_all(postgres_store: Store) -> None:
    def work(tx: Transaction) -> None:
        tx.row("SELECT 1")
        put(1)(tx)
        put(1)(tx)

    with pytest.raises(engine.DATABASE_ERRORS):
        postgres_store.write(work)
    assert positions(postgres_store) == []
    postgres_store.write(put(1))


# --- gevent ---

UNDER_GEVENT = """
import gevent.monkey; gevent.monkey.patch_all()
import gevent, sys
from chat_testing.databases import database_config
from chat.storage.engine import open_store
from chat.storage.migrations import upgrade

store = open_store(database_config("sqlite3", database=sys.argv[1]))
upgrade(store)
commits = []
commit = store._commit
store._commit = lambda connection: (commits.append(1), commit(connection))[1]
def put(pos):
    store.write(lambda tx: tx.insert("change_log", ("pos", "kind"), [(pos, 1)]))
writers = [gevent.spawn(put, pos) for pos in range(1, 101)]
gevent.sleep(0)
writers[0].kill(block=False)  # the leader, while it commits: the others must not suffer
writers[50].kill(block=False)
gevent.joinall(writers[1:50] + writers[51:], timeout=10, raise_error=True)
put(101)
print(store.read(lambda tx: tx.row("SELECT count(*) FROM change_log"))[0], len(commits))
store.close()
"""


def test_greenlets_gather_while_one_commits(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": ":".join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", UNDER_GEVENT, str(tmp_path / "g.db")],
        capture_output=True,
        text=True,
        env=environment,
        timeout=30,
        check=True,
    )
    rows, commits = map(int, ran.stdout.split())
    assert rows == 101
    assert commits <= 4


def test_translation_is_remembered_per_text() -> None:
    before = engine._for_sqlite("SELECT :a")
    assert engine._for_sqlite("SELECT :a") is before
