"""One database, SQLite or PostgreSQL, behind one set of statements.

A `Store` runs pieces of work, each a function of an open `Transaction`: `read` in a consistent
snapshot, `write` durably. Storage functions take the transaction and never commit. Everything in
which the two databases differ stands in this module.

Statements are written once. Beside plain SQL that both databases speak (`ON CONFLICT`,
`RETURNING`, `WITH`), there are four forms, translated and remembered per statement text:

    :name                                a parameter
    = ANY(:names), <> ALL(:names)        a list as parameter
    ROWS(:pairs AS room bigint, k int)   a list of tuples as a table, with its columns' types
    FOR NO KEY UPDATE, FOR SHARE         left out on SQLite, whose writer is alone anyway, and so
                                         are OF table and SKIP LOCKED after them

SQLite: all writes pass one connection, in groups that share a commit (gathering.py), each piece of
work in a savepoint: a refusal undoes its own only. The commit (an fsync) runs in a thread, so that
other greenlets go on and gather the next group. Readers have connections of their own, and see the
last commit.

PostgreSQL: each piece of work has a connection of its own. BEGIN travels with the first statement,
statements whose outcome nobody asks for with the next one, the last of them with COMMIT. Work is
run again after a serialization failure or a deadlock, so it must not act on anything but
the transaction. Who holds locks and falls silent loses its transaction soon (`SILENT_…`), so that a
worker that is stopped does not stop the others.

Positions of the change log are given out under the lock of one row, which must not be held while
Python thinks. On PostgreSQL they are therefore not known before the commit: `Transaction.positions`
gives `Pending` ones, which statements may write and nobody can read. The step of the counter, what
carries positions, and COMMIT travel as one message.

Under gevent (threads monkey-patched) waiting is cooperative; without it everything works the same,
for commands and tests.
"""

import fcntl
import re
import secrets
import select
import sqlite3
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import lru_cache
from operator import methodcaller
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import gevent.monkey
import gevent.socket
import gevent.threadpool
import msgspec
import psycopg2
import psycopg2.extensions
import sqlalchemy
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from chat.config.model import Database
from chat.protocol.push_rules import CompiledRules
from chat.storage import schema
from chat.storage.caches import Cache, Caches
from chat.storage.full_text import FTS5, TSVECTOR, FullText
from chat.storage.gathering import Gathering, uninterrupted
from chat.storage.positions import (
    BASE,
    COMMIT_AND_TELL,
    TAKE,
    TAKE_MORE,
    Pending,
    Position,
    Positions,
)
from chat.storage.prepared import PreparedStatements, Text

_poll = gevent.monkey.get_original("select", "poll")  # which asks, and never waits

T = TypeVar("T")
Scalar: TypeAlias = str | int | bytes | Pending | None
Value: TypeAlias = Scalar | Sequence[str] | Sequence[int] | Sequence[Sequence[Scalar]]
Row: TypeAlias = tuple[Any, ...]

BUSY_TIMEOUT_MS = 10_000
STATEMENT_TIMEOUT_MS = 60_000
LOCK_TIMEOUT_MS = 10_000
LOCK_TIMEOUT_MIGRATING_MS = 500
SCHEMA_LOCK_POLL_S = 0.2
IDLE_TIMEOUT_MS = 30_000
TCP_TIMEOUT_MS = 10_000  # until a peer that answers nothing counts as gone
SILENT_WRITER_MS = 800  # between two statements of a transaction that may hold locks of rows
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
BEGIN = f"BEGIN;SET LOCAL idle_in_transaction_session_timeout={SILENT_WRITER_MS}"
ATTEMPTS = 5  # of a piece of work that conflicts with others
GROUP = 100  # pieces of work that share a commit
STATE_KEYS_BYTES = 96 * 1024 * 1024  # of remembered state keys, at a cache factor of 1
STATE_KEY_BYTES = 200
PUSH_RULES_BYTES = 16 * 1024 * 1024  # of remembered push rules, likewise
PUSH_RULE_BYTES = 700
LONG_LIST = 200  # a statement about more than this may take long: SQLite runs it in a thread
LONG_THREADS = 2
BACKUP_PAGES = 2_000  # of 4 KiB, copied at once
READERS = 4  # SQLite connections kept for reading


DATABASE_ERRORS = (sqlite3.Error, psycopg2.Error)  # what either driver raises


# What passes by itself, or once somebody makes room: the disk is full or fails, the database is
# gone, stopping, starting, or has no connection left.
_PASSING_SQLITE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
}
_PASSING_POSTGRESQL = ("08", "53", "57P", "58")  # how the codes of such errors begin


def is_unavailable(error: Exception) -> bool:
    """Whether an error says that the database cannot work now, rather than that we did wrong."""
    if isinstance(error, sqlite3.Error):
        code: int = getattr(error, "sqlite_errorcode", 0)
        return code & 0xFF in _PASSING_SQLITE
    if isinstance(error, psycopg2.Error):
        if error.pgcode is not None:
            return error.pgcode.startswith(_PASSING_POSTGRESQL)
        return _is_of_connection(error) or isinstance(error, psycopg2.InterfaceError)
    return isinstance(error, DatabaseConflict | sqlalchemy.exc.TimeoutError)


def _is_of_connection(error: psycopg2.Error) -> bool:
    """Whether it was libpq that failed, not a statement: then it has no code, and no class."""
    of_nothing = type(error) in (psycopg2.DatabaseError, psycopg2.OperationalError)
    return of_nothing and error.pgcode is None


class DatabaseInUse(Exception):
    """Another server process serves this SQLite file."""


class DatabaseConflict(Exception):
    """A piece of work lost against others too often; nothing of it was written."""


class _ConnectionLost(Exception):
    """The database closed the connection before the end of the work."""


# --- statements ---

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")
_LIST = re.compile(r"(= ANY|<> ALL)\(:([a-z_][a-z0-9_]*)\)")
_ROWS = re.compile(r"ROWS\(:([a-z_][a-z0-9_]*) AS ([^)]*)\)")
_LOCK = re.compile(r" FOR (?:NO KEY UPDATE|SHARE)(?: OF \w+)?(?: SKIP LOCKED)?")


class _Statement:
    """A statement in one database's own style; `bind` turns parameters into that style."""

    __slots__ = ("lists", "sql", "tables")

    def __init__(self, sql: str, lists: tuple[str, ...], tables: tuple[tuple[str, int], ...]):
        self.sql = sql
        self.lists = lists
        self.tables = tables


def _columns(declared: str) -> list[tuple[str, str]]:
    """`room bigint, k int` as [(name, type), …]."""
    return [(name, kind) for name, kind in (entry.split() for entry in declared.split(","))]


@lru_cache(maxsize=2048)
def _for_sqlite(sql: str) -> _Statement:
    lists: list[str] = []

    def as_list(match: re.Match[str]) -> str:
        lists.append(match[2])
        word = "IN" if match[1] == "= ANY" else "NOT IN"
        return f"{word} (SELECT value FROM json_each(:{match[2]}))"  # noqa: S608 - names of ours

    def as_table(match: re.Match[str]) -> str:
        lists.append(match[1])
        columns = ", ".join(
            f"json_extract(value, '$[{i}]') AS {name}"
            for i, (name, _) in enumerate(_columns(match[2]))
        )
        return f"(SELECT {columns} FROM json_each(:{match[1]}))"  # noqa: S608 - names of ours

    text = _ROWS.sub(as_table, _LIST.sub(as_list, sql))
    return _Statement(_LOCK.sub("", text), tuple(dict.fromkeys(lists)), ())


@lru_cache(maxsize=2048)
def _for_postgresql(sql: str) -> _Statement:
    tables: list[tuple[str, int]] = []

    def as_table(match: re.Match[str]) -> str:
        columns = _columns(match[2])
        tables.append((match[1], len(columns)))
        arrays = ", ".join(f"%({match[1]}__{i})s::{kind}[]" for i, (_, kind) in enumerate(columns))
        names = ", ".join(name for name, _ in columns)
        return f"(SELECT * FROM unnest({arrays}) AS unnested({names}))"  # noqa: S608 - names of ours

    text = _ROWS.sub(as_table, sql.replace("%", "%%"))
    return _Statement(_PARAMETER.sub(r"%(\1)s", text), (), tuple(tables))


@lru_cache(maxsize=512)
def _sqlite_insert(table: str, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of ours


@lru_cache(maxsize=512)
def _postgresql_insert(table: str, columns: tuple[str, ...], pending: frozenset[str]) -> str:
    """`pending` columns are given as places after the base of the transaction's positions."""
    kinds = schema.column_types(table)
    declared = ", ".join(f"{column} {kinds[column]}" for column in columns)
    chosen = ", ".join(f"{name} + {BASE}" if name in pending else name for name in columns)
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) SELECT {chosen} FROM ROWS(:given AS {declared}) given"  # noqa: S608 - names of ours


def _transposed(rows: Sequence[Sequence[Scalar]], width: int) -> list[list[Scalar]]:
    """Rows as columns; empty columns where there are no rows."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


# --- transactions ---


class Transaction(ABC):
    """An open transaction; valid only inside the piece of work that it was handed to."""

    full_text: FullText  # how this database searches texts

    def __init__(self, store: "Store") -> None:
        self._observer = store.observer
        self._timed = store.timed
        self.publish = store.publish
        self.state_keys = store.state_keys
        self.push_rules = store.push_rules
        self.callbacks: list[Callable[[], None]] = []

    @abstractmethod
    def rows(self, sql: str, **params: Value) -> list[Row]:
        """All rows of the answer."""

    def long_rows(self, sql: str, **params: Value) -> list[Row]:
        """All rows of an answer that may be long; SQLite runs the statement in a thread."""
        return self.rows(sql, **params)

    @abstractmethod
    def row(self, sql: str, **params: Value) -> Row | None:
        """The first row of the answer, or None."""

    @abstractmethod
    def run(self, sql: str, **params: Value) -> int:
        """Execute a statement; the number of rows that it touched."""

    @abstractmethod
    def do(self, sql: str, **params: Value) -> None:
        """Execute a statement whose outcome is not asked for.

        On PostgreSQL it travels with the next one, and so do its errors.
        """

    @abstractmethod
    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Scalar]]) -> None:
        """Insert many rows by one statement, as `do`; nothing happens for no rows."""

    @abstractmethod
    def numbers(self, sequence: str, count: int) -> list[int]:
        """`count` numbers of a sequence of the schema that no row has; in no certain order."""

    @abstractmethod
    def positions(self, count: int) -> Sequence[Position]:
        """The next positions of the change log, ascending, which is held until the commit.

        On PostgreSQL nothing waits as long as what follows is `do` and `insert`. `int()` of a
        position is known after the commit.
        """

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once this work is durable; never when it is undone."""
        self.callbacks.append(callback)


class _SqliteTransaction(Transaction):
    full_text = FTS5

    def __init__(self, store: "SqliteStore", connection: sqlite3.Connection) -> None:
        super().__init__(store)
        self._connection = connection
        self._threads = store.threads

    def _execute(
        self, sql: str, params: dict[str, Any], *, long: bool = False
    ) -> tuple[list[Row], int]:
        """The rows of the answer, and how many rows were touched."""
        if self._observer is not None:
            self._observer(sql)
        statement = _for_sqlite(sql)
        for name in statement.lists:
            long = long or len(params[name]) > LONG_LIST
            params[name] = msgspec.json.encode(params[name]).decode()
        started_s = time.perf_counter()
        if long and self._threads is not None:
            found, touched = self._threads.apply(self._fetch, (statement.sql, params))
        else:
            found, touched = self._fetch(statement.sql, params)
        if self._timed is not None:
            self._timed(time.perf_counter() - started_s)
        return found, touched

    def _fetch(self, sql: str, params: dict[str, Any]) -> tuple[list[Row], int]:
        cursor = self._connection.execute(sql, params)
        return cursor.fetchall(), cursor.rowcount

    def rows(self, sql: str, **params: Value) -> list[Row]:
        return self._execute(sql, params)[0]

    def long_rows(self, sql: str, **params: Value) -> list[Row]:
        return self._execute(sql, params, long=True)[0]

    def row(self, sql: str, **params: Value) -> Row | None:
        found = self._execute(sql, params)[0]
        return found[0] if found else None

    def run(self, sql: str, **params: Value) -> int:
        return self._execute(sql, params)[1]

    def do(self, sql: str, **params: Value) -> None:
        self._execute(sql, params)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Scalar]]) -> None:
        if rows:
            if self._observer is not None:
                self._observer(f"INSERT INTO {table}")
            statement = _sqlite_insert(table, tuple(columns))
            if self._threads is not None and len(rows) > LONG_LIST:
                self._threads.apply(self._connection.executemany, (statement, rows))
            else:
                self._connection.executemany(statement, rows)

    def numbers(self, sequence: str, count: int) -> list[int]:
        row = self.row(
            "UPDATE sequences SET next = next + :count WHERE name = :name RETURNING next",
            count=count,
            name=sequence,
        )
        assert row is not None, f"no sequence {sequence}"
        return list(range(row[0] - count, row[0]))

    def positions(self, count: int) -> Sequence[Position]:
        row = self.row("UPDATE stream SET head = head + :count RETURNING head", count=count)
        assert row is not None
        return range(row[0] - count + 1, row[0] + 1)


class _PostgresTransaction(Transaction):
    full_text = TSVECTOR

    def __init__(
        self,
        store: "Store",
        connection: Any,
        begin: str,
        blocks: "_NumberBlocks",
        prepared: PreparedStatements,
    ) -> None:
        super().__init__(store)
        self._cursor = connection.cursor()
        self._blocks = blocks
        self._prepared = prepared
        self._positions = Positions()
        self._begun = False
        # What travels with the next statement.
        self._deferred = [Text(begin.encode())] if begin else []

    def _text(self, sql: str, params: dict[str, Any]) -> Text:
        """A statement with its parameters, as it is sent."""
        if self._observer is not None:
            self._observer(sql)
        statement = _for_postgresql(sql)
        for name, width in statement.tables:
            for i, column in enumerate(_transposed(params[name], width)):
                params[f"{name}__{i}"] = column
        return self._prepared.text(self._cursor, statement.sql, params)

    def _send(self, text: Text) -> None:
        self._begun = self._begun or bool(self._deferred)
        texts = [*self._deferred, text]
        self._deferred.clear()
        started_s = time.perf_counter()
        self._cursor.execute(b";".join(each.sent for each in texts))
        if self._timed is not None:
            self._timed(time.perf_counter() - started_s)
        for each in texts:
            self._prepared.sent(each)

    def rows(self, sql: str, **params: Value) -> list[Row]:
        self._send(self._text(sql, params))
        found: list[Row] = self._cursor.fetchall()
        return found

    def row(self, sql: str, **params: Value) -> Row | None:
        self._send(self._text(sql, params))
        found: Row | None = self._cursor.fetchone()
        return found

    def run(self, sql: str, **params: Value) -> int:
        self._send(self._text(sql, params))
        return int(self._cursor.rowcount)

    def do(self, sql: str, **params: Value) -> None:
        self._deferred.append(self._text(sql, params))

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Scalar]]) -> None:
        if rows:
            if self._observer is not None:
                self._observer(f"INSERT INTO {table}")
            pending = frozenset(
                name
                for name, of in zip(columns, zip(*rows, strict=True), strict=True)
                if all(isinstance(one, Pending) for one in of)
            )
            sql = _postgresql_insert(table, tuple(columns), pending)
            statement, given = _for_postgresql(sql), _transposed(rows, len(columns))
            params = {
                f"given__{i}": [one.place for one in of] if name in pending else of  # type: ignore[union-attr]
                for i, (name, of) in enumerate(zip(columns, given, strict=True))
            }
            self._deferred.append(self._prepared.text(self._cursor, statement.sql, params))

    def positions(self, count: int) -> Sequence[Position]:
        taken = self._positions.count
        self.do(TAKE_MORE if taken else TAKE, count=count)
        self._positions.count += count
        return [Pending(self._positions, taken + i) for i in range(1, count + 1)]

    def numbers(self, sequence: str, count: int) -> list[int]:
        return self._blocks.take(sequence, count, self._fetch_block)

    def _fetch_block(self, sequence: str) -> int:
        row = self.row("SELECT nextval(:name)", name=f"sequence_{sequence}")
        assert row is not None
        return int(row[0])

    def reach(self) -> None:
        """Send something before COMMIT: a connection found dead then has surely done nothing."""
        if not self._begun and len(self._deferred) > 1:
            begin, *rest = self._deferred
            self._deferred = [begin]
            self._send(Text(b"SELECT 1"))
            self._deferred = rest

    def commit(self) -> None:
        """Send what is left, and COMMIT, unless there was nothing at all."""
        if _has_word(self._cursor.connection):
            raise _ConnectionLost("The database ended the transaction, which was silent for long")
        if self._positions.count:
            self._send(Text(COMMIT_AND_TELL))
            self._positions.base = int(self._cursor.fetchone()[0])
        elif self._begun:
            self._send(Text(b"COMMIT"))
        self._cursor.close()

    def roll_back(self) -> None:
        """ROLLBACK, unless the database knows nothing of this transaction."""
        self._deferred.clear()
        if self._begun:
            self._send(Text(b"ROLLBACK"))
        self._cursor.close()


class _NumberBlocks:
    """Numbers taken from the database's sequences in blocks, so that few transactions ask for them.

    A sequence is not transactional: numbers that a rolled-back transaction took are lost, no harm.
    """

    def __init__(self) -> None:
        self._left: defaultdict[str, deque[int]] = defaultdict(deque)

    def take(self, sequence: str, count: int, fetch: Callable[[str], int]) -> list[int]:
        """`count` numbers; `fetch` gives the first number of a new block."""
        left = self._left[sequence]
        taken: list[int] = []
        while len(taken) < count:
            try:
                taken.append(left.popleft())
            except IndexError:
                start = fetch(sequence)
                left.extend(range(start, start + schema.SEQUENCE_BLOCK))
        return taken


# --- stores ---


class Store(ABC):
    """One database. Connections are opened when first needed, so after a server has forked.

    `exclusive` is True when no other process can change the database, so that caches may trust
    themselves. `observer` is called with the text of every statement (tests), `timed` with the
    time that each took, commits included, in seconds; `publish` with what `streams.append` logged,
    after its commit. `state_keys` remembers interned state keys (see state.py), `push_rules` the
    rules of users by user and digest.
    """

    exclusive: bool

    def __init__(self, engine: sqlalchemy.Engine) -> None:
        self._engine = engine
        self.observer: Callable[[str], None] | None = None
        self.timed: Callable[[float], None] | None = None
        self.publish: Callable[[Sequence[Any]], None] | None = None
        self.remember_in(Caches())

    @abstractmethod
    def read(self, work: Callable[[Transaction], T], *, snapshot: bool = True) -> T:
        """Run `work` in one consistent snapshot; it must not write.

        Work of a single statement needs no `snapshot`, which costs PostgreSQL a round trip.
        """

    @abstractmethod
    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` and commit: durable on return. Whatever it raises undoes it.

        `work` may be run again after a conflict with others. Raises DatabaseConflict when that
        happened too often.
        """

    @abstractmethod
    def schema_connection(self) -> AbstractContextManager[sqlalchemy.Connection]:
        """A SQLAlchemy connection for migrations, while no other process changes the schema.

        On SQLite all of its work is one transaction; on PostgreSQL transactions are the caller's,
        and a lock that is not there within LOCK_TIMEOUT_MIGRATING_MS is an error.
        """

    @contextmanager
    def command_connection(self) -> Iterator[sqlalchemy.Connection]:
        """A SQLAlchemy connection for work on the whole database, without time limits.

        Transactions are the caller's; on SQLite each keeps all other writers out.
        """
        with self._engine.connect() as connection:
            try:
                self.lift_limits(connection)
                yield connection
            finally:
                connection.invalidate()  # closed, and with it go the settings

    @abstractmethod
    def lift_limits(self, connection: sqlalchemy.Connection) -> None:
        """Let statements and transactions of this connection take their time."""

    @abstractmethod
    def begin_snapshot(self, connection: sqlalchemy.Connection) -> None:
        """Begin a transaction that sees the database as it is now, until its end."""

    @abstractmethod
    def refuse_others(self) -> None:
        """Raises DatabaseInUse while a server works on this database."""

    @abstractmethod
    def next_numbers(self, connection: sqlalchemy.Connection) -> dict[str, int]:
        """For each sequence of the schema a number that, like all above it, no row has."""

    @abstractmethod
    def set_next_numbers(self, connection: sqlalchemy.Connection, next_: dict[str, int]) -> None:
        """Let the sequences go on from there."""

    def remember_in(self, caches: Caches) -> None:
        """Let `state_keys` be one of these caches."""
        self.state_keys: Cache[tuple[str, str], int] = caches.make(
            "state_keys", STATE_KEYS_BYTES, lambda _: STATE_KEY_BYTES
        )
        self.push_rules: Cache[tuple[str, str], CompiledRules] = caches.make(
            "push_rules", PUSH_RULES_BYTES, lambda one: PUSH_RULE_BYTES * len(one.rules)
        )

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections are in use, and how many are kept at most."""
        pool = self._engine.pool
        assert isinstance(pool, QueuePool)
        return pool.checkedout(), pool.size()

    @property
    def waiting(self) -> int:
        """How many pieces of work wait for their group."""
        return 0

    def observe_groups(self, observe: Callable[[int], None]) -> None:  # noqa: B027 - may be none
        """Call `observe` with the size of each group of writes that share a commit."""

    @abstractmethod
    def announce(self, channel: str, *, here: bool = False) -> None:
        """Tell the other processes that something was committed, with `here` this one as well."""

    @abstractmethod
    def await_announcement(self, channel: str, timeout_s: float) -> bool:
        """Wait until another process announces on `channel`; False when none did in time."""

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def open_store(database: Database) -> Store:
    """The store that the configuration names; nothing is opened or locked yet."""
    if database.name == "sqlite3":
        return SqliteStore(str(database.args["database"]))
    return PostgresStore(database)


class _Job(Generic[T]):
    """A piece of work that waits for the SQLite writer, then its outcome."""

    __slots__ = ("callbacks", "error", "result", "work")

    def __init__(self, work: Callable[[Transaction], T]) -> None:
        self.work = work
        self.result: T | None = None
        self.error: Exception | None = DatabaseConflict("The writer was interrupted")
        self.callbacks: list[Callable[[], None]] = []

    def run(self, tx: Transaction) -> None:
        """Do the work, perhaps again."""
        self.result, self.error, self.callbacks = self.work(tx), None, tx.callbacks

    def committed(self) -> None:
        """Call back, unless the work was undone."""
        try:
            for callback in self.callbacks if self.error is None else ():
                callback()
        except Exception as error:  # handed to the one who waits for this job
            self.error = error


class SqliteStore(Store):
    """A SQLite file in WAL mode: one writer with group commit, readers beside it."""

    exclusive = True

    def __init__(self, path: str) -> None:
        if path == ":memory:":
            # Readers have connections of their own, so even a passing database is a file.
            self._folder = tempfile.TemporaryDirectory(prefix="chat-")
            path = str(Path(self._folder.name) / "memory.db")
        self.path = Path(path)
        engine = sqlalchemy.create_engine(
            f"sqlite+pysqlite:///{path}",
            poolclass=QueuePool,
            pool_size=READERS,
            max_overflow=-1,
            pool_reset_on_return=None,
            connect_args={
                "isolation_level": None,  # transactions are begun and ended by this module
                "check_same_thread": False,  # a commit runs in the committing thread
                "cached_statements": 512,
            },
        )
        sqlalchemy.event.listen(engine, "connect", _prepare_sqlite)
        sqlalchemy.event.listen(engine, "begin", _begin_immediate)
        super().__init__(engine)
        self._gathering: Gathering[_Job[Any]] = Gathering(self._write_jobs, GROUP)
        self._writing = threading.Lock()  # held while a group is written, and to close
        self._writer: sqlite3.Connection | None = None
        self._commit_pool: gevent.threadpool.ThreadPool | None = None
        self._long_pool: gevent.threadpool.ThreadPool | None = None
        self._lock_file: Any = None

    def lock(self) -> None:
        """Refuse other server processes until `close`, by a lock file. Raises DatabaseInUse."""
        lock_file = Path(f"{self.path}.lock").open("a")  # noqa: SIM115 - held until close
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock_file.close()
            raise DatabaseInUse(f"{self.path} is served by another process") from None
        self._lock_file = lock_file

    @contextmanager
    def schema_connection(self) -> Iterator[sqlalchemy.Connection]:
        with self._engine.begin() as connection:  # BEGIN IMMEDIATE keeps the others out
            yield connection

    @property
    def waiting(self) -> int:
        return self._gathering.waiting

    def observe_groups(self, observe: Callable[[int], None]) -> None:
        self._gathering.observe = observe

    def lift_limits(self, connection: sqlalchemy.Connection) -> None:
        """There are none but the patience for other writers."""

    def begin_snapshot(self, connection: sqlalchemy.Connection) -> None:
        connection.begin()  # BEGIN IMMEDIATE: nobody else writes

    def refuse_others(self) -> None:
        self.lock()

    def back_up(self, path: Path, counted: Callable[[int], object]) -> None:
        """Copy the database, as it is now, into a file; `counted` hears of pages."""
        left: list[int] = []

        def progress(_status: int, remaining: int, total: int) -> None:
            counted((left[-1] if left else total) - remaining)
            left.append(remaining)

        with self.command_connection() as connection, closing(sqlite3.connect(path)) as target:
            pooled = connection.connection.driver_connection
            assert isinstance(pooled, sqlite3.Connection)
            # One snapshot for all steps: else each commit of the server would begin it anew.
            pooled.execute("BEGIN")
            pooled.execute("SELECT count(*) FROM sqlite_master")
            pooled.backup(target, pages=BACKUP_PAGES, progress=progress)
            pooled.rollback()

    def next_numbers(self, connection: sqlalchemy.Connection) -> dict[str, int]:
        rows = connection.exec_driver_sql("SELECT name, next FROM sequences")
        return {name: next_ for name, next_ in rows if name in schema.SEQUENCES}

    def set_next_numbers(self, connection: sqlalchemy.Connection, next_: dict[str, int]) -> None:
        for name, number in next_.items():
            connection.exec_driver_sql(
                "UPDATE sequences SET next = ? WHERE name = ?", (number, name)
            )

    def announce(self, channel: str, *, here: bool = False) -> None:
        """Nobody else is there."""

    def await_announcement(self, channel: str, timeout_s: float) -> bool:
        raise NotImplementedError(f"No other process announces on {channel} ({timeout_s} s)")

    def read(self, work: Callable[[Transaction], T], *, snapshot: bool = True) -> T:
        pooled = self._engine.raw_connection()
        connection = pooled.driver_connection
        assert isinstance(connection, sqlite3.Connection)
        try:
            if snapshot:
                connection.execute("BEGIN")
            return work(_SqliteTransaction(self, connection))
        finally:
            connection.rollback()
            pooled.close()

    def write(self, work: Callable[[Transaction], T]) -> T:
        job = _Job(work)
        self._gathering.do(job)
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]  # no error: the work's own result

    def _write_jobs(self, jobs: list[_Job[Any]]) -> None:
        with self._writing:
            connection = self._writer_connection()
            try:
                self._write_group(connection, jobs)
            except sqlite3.Error:
                # One of them broke the whole transaction, or the commit failed: each by itself.
                interruptions = [self._write_alone(connection, job) for job in jobs]
                for interruption in filter(None, interruptions):
                    raise interruption from None

    def _writer_connection(self) -> sqlite3.Connection:
        if self._writer is None:
            pooled = self._engine.raw_connection()
            assert isinstance(pooled.driver_connection, sqlite3.Connection)
            self._writer = pooled.driver_connection
            pooled.detach()
        return self._writer

    def _write_group(self, connection: sqlite3.Connection, jobs: list[_Job[Any]]) -> None:
        with _rolled_back_on_error(connection):
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                self._run_in_savepoint(connection, job)
            interruption = self._commit(connection)
        for job in jobs:
            job.committed()
        if interruption is not None:
            raise interruption

    def _run_in_savepoint(self, connection: sqlite3.Connection, job: _Job[Any]) -> None:
        connection.execute("SAVEPOINT job")
        try:
            job.run(_SqliteTransaction(self, connection))
        except sqlite3.OperationalError:
            raise  # the file, the disk or the statement, not a refusal: others may be hit as well
        except Exception as error:  # handed to the one who waits for this job
            job.error = error
            connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")

    def _write_alone(self, connection: sqlite3.Connection, job: _Job[Any]) -> BaseException | None:
        try:
            with _rolled_back_on_error(connection):
                connection.execute("BEGIN IMMEDIATE")
                job.run(_SqliteTransaction(self, connection))
                interruption = self._commit(connection)
        except Exception as error:  # handed to the one who waits for this job
            job.error = error
            return None
        job.committed()
        return interruption

    def _commit(self, connection: sqlite3.Connection) -> BaseException | None:
        """Commit, in a thread under gevent; what was thrown at this greenlet while it waited."""
        if not gevent.monkey.is_module_patched("threading"):
            connection.commit()
            return None
        if self._commit_pool is None:
            self._commit_pool = gevent.threadpool.ThreadPool(1)
        started_s = time.perf_counter()
        committing = self._commit_pool.spawn(connection.commit)
        interruption = uninterrupted(committing.wait)
        committing.get()
        if self.timed is not None:
            self.timed(time.perf_counter() - started_s)
        return interruption

    @property
    def threads(self) -> gevent.threadpool.ThreadPool | None:
        """Where statements run that may take long, under gevent."""
        if self._long_pool is None and gevent.monkey.is_module_patched("threading"):
            self._long_pool = gevent.threadpool.ThreadPool(LONG_THREADS)
        return self._long_pool

    def close(self) -> None:
        with self._writing:  # to close a connection at work ends the process
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        if self._long_pool is not None:
            self._long_pool.kill()
        if self._commit_pool is not None:
            self._commit_pool.kill()
        super().close()
        if self._lock_file is not None:
            self._lock_file.close()


@contextmanager
def _rolled_back_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.rollback()
        raise


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",  # WAL without it may lose acknowledged commits
        "foreign_keys = ON",
        "cache_size = -16384",  # KiB
        "journal_size_limit = 67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: sqlalchemy.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class PostgresStore(Store):
    """PostgreSQL 13 or newer, through a bounded pool of connections."""

    exclusive = False

    def __init__(self, database: Database) -> None:
        _use_cooperative_waiting()
        args = {name: value for name, value in database.args.items() if not name.startswith("cp_")}
        settings = {
            "statement_timeout": STATEMENT_TIMEOUT_MS,
            "lock_timeout": LOCK_TIMEOUT_MS,
            "idle_in_transaction_session_timeout": IDLE_TIMEOUT_MS,
            "tcp_user_timeout": TCP_TIMEOUT_MS,
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        args["options"] = f"{options} {args.get('options', '')}".strip()  # the last one counts
        args.setdefault("tcp_user_timeout", TCP_TIMEOUT_MS)
        args.setdefault("application_name", "chat")
        super().__init__(
            sqlalchemy.create_engine(
                "postgresql+psycopg2://",
                creator=lambda: psycopg2.connect(**args),
                # All are kept: what a pool allows beyond its size it closes again after each use.
                pool_size=database.cp_max,
                max_overflow=0,
                pool_use_lifo=True,
                pool_reset_on_return=None,
            )
        )
        self.transaction = _PostgresTransaction
        self._blocks = _NumberBlocks()
        self._listener: Any = None
        self._name = secrets.token_hex(8)  # tells its own announcements from those of others

    def read(self, work: Callable[[Transaction], T], *, snapshot: bool = True) -> T:
        begin = SNAPSHOT if snapshot else ""
        return self._attempt(work, begin, methodcaller("roll_back"))[0]

    def write(self, work: Callable[[Transaction], T]) -> T:
        result, callbacks = self._attempt(work, BEGIN, methodcaller("commit"))
        for callback in callbacks:
            callback()
        return result

    def _attempt(
        self,
        work: Callable[[Transaction], T],
        begin: str,
        end: Callable[[_PostgresTransaction], None],
    ) -> tuple[T, list[Callable[[], None]]]:
        for _ in range(ATTEMPTS):
            try:
                return self._once(work, begin, end)
            except (
                psycopg2.errors.SerializationFailure,
                psycopg2.errors.DeadlockDetected,
                psycopg2.errors.IdleInTransactionSessionTimeout,  # undone, even if told at COMMIT
                _ConnectionLost,
            ) as error:
                lost = error
        raise DatabaseConflict(f"Gave up after {ATTEMPTS} attempts: {lost}") from lost

    def _once(
        self,
        work: Callable[[Transaction], T],
        begin: str,
        end: Callable[[_PostgresTransaction], None],
    ) -> tuple[T, list[Callable[[], None]]]:
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        connection.autocommit = True  # BEGIN and COMMIT are sent by this module
        prepared = pooled.info.setdefault("prepared", PreparedStatements())
        tx = self.transaction(self, connection, begin, self._blocks, prepared)
        try:
            result = self._run(work, tx, connection)
            end(tx)
        except BaseException:
            self._abandon(pooled, tx)
            raise
        pooled.close()
        return result, tx.callbacks

    def _run(
        self, work: Callable[[Transaction], T], tx: _PostgresTransaction, connection: Any
    ) -> T:
        try:
            result = work(tx)
            tx.reach()
        except psycopg2.DatabaseError as error:
            # libpq may know of its end before psycopg2 does: then `closed` is still 0.
            if not (connection.closed or _is_of_connection(error)):
                raise
            # Before COMMIT was sent, so nothing is written. The idle connections died with it.
            self._engine.dispose()
            raise _ConnectionLost(str(error)) from error
        return result

    def _abandon(self, pooled: PoolProxiedConnection, tx: _PostgresTransaction) -> None:
        """Give a connection back after an error; one that does not answer is dropped."""
        try:
            tx.roll_back()
        except (psycopg2.Error, gevent.Timeout):
            pooled.invalidate()
        pooled.close()

    @contextmanager
    def schema_connection(self) -> Iterator[sqlalchemy.Connection]:
        with self._engine.connect() as connection:
            try:
                # Who waits for a table's lock holds up everybody who comes after.
                connection.exec_driver_sql(f"SET lock_timeout = {LOCK_TIMEOUT_MIGRATING_MS}")
                connection.exec_driver_sql("SET statement_timeout = 0")
                self._lock_schema(connection)
                yield connection
            finally:
                connection.invalidate()  # closed, and with it go the lock and the settings

    def _lock_schema(self, connection: sqlalchemy.Connection) -> None:
        # Not by waiting inside the database: that keeps a snapshot open, for whose end
        # CREATE INDEX CONCURRENTLY waits in turn.
        lock = sqlalchemy.text(f"SELECT pg_try_advisory_lock({schema.SCHEMA_LOCK})")
        while not connection.scalar(lock):
            connection.commit()
            time.sleep(SCHEMA_LOCK_POLL_S)
        connection.commit()

    def lift_limits(self, connection: sqlalchemy.Connection) -> None:
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.exec_driver_sql(f"SET {limit} = 0")
        connection.commit()

    def begin_snapshot(self, connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def refuse_others(self) -> None:
        found = self.read(
            lambda tx: tx.rows(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = current_setting('application_name')"
                " AND pid <> pg_backend_pid()"
            ),
            snapshot=False,
        )
        if found[0][0]:
            raise DatabaseInUse(f"A server works on the database ({found[0][0]} connections)")

    def next_numbers(self, connection: sqlalchemy.Connection) -> dict[str, int]:
        numbers = {}
        for name in schema.SEQUENCES:
            text = f"SELECT last_value, is_called FROM sequence_{name}"  # noqa: S608 - names of ours
            last, called = connection.exec_driver_sql(text).one()
            numbers[name] = last + schema.SEQUENCE_BLOCK if called else last
        return numbers

    def set_next_numbers(self, connection: sqlalchemy.Connection, next_: dict[str, int]) -> None:
        for name, number in next_.items():
            connection.exec_driver_sql("SELECT setval(%s, %s, false)", (f"sequence_{name}", number))

    def announce(self, channel: str, *, here: bool = False) -> None:
        name = "" if here else self._name  # what has its own name, a process passes over
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, %s)", (channel, name))
        except BaseException:
            pooled.invalidate()
            raise
        finally:
            pooled.close()

    def await_announcement(self, channel: str, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            listener = self._listening(channel)
            if not listener.notifies:
                with suppress(TimeoutError):
                    gevent.socket.wait_read(listener.fileno(), left_s, TimeoutError())
                listener.poll()
            heard = [notice.payload for notice in listener.notifies]
            listener.notifies.clear()
            if any(name != self._name for name in heard):
                return True
        return False

    def _listening(self, channel: str) -> Any:
        if self._listener is None or self._listener.closed:
            pooled = self._engine.raw_connection()
            self._listener = pooled.driver_connection
            pooled.detach()
            self._listener.autocommit = True
            self._listener.cursor().execute(f"LISTEN {channel}")
        return self._listener

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        super().close()


def _use_cooperative_waiting() -> None:
    """Under gevent, let other greenlets run while a greenlet waits for PostgreSQL."""
    if gevent.monkey.is_module_patched("socket"):
        psycopg2.extensions.set_wait_callback(_wait)


def _has_word(connection: Any) -> bool:
    """Whether the database said something unasked: that it closes the connection."""
    unasked = _poll()
    unasked.register(connection.fileno(), select.POLLIN)
    return bool(unasked.poll(0))


def _wait(connection: Any) -> None:
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        if state == psycopg2.extensions.POLL_READ:
            gevent.socket.wait_read(connection.fileno())
        else:
            gevent.socket.wait_write(connection.fileno())
