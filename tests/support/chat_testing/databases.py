"""Databases for tests: a SQLite file, and a PostgreSQL cluster that lives for one session."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from chat.config.kinds import Findings, Place, Section
from chat.config.model import Database
from chat.storage import schema
from chat.storage.engine import Store, open_store
from chat.storage.migrations import upgrade

READY_TIMEOUT_S = 30
FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=60"


def database_config(name: str, **args: Any) -> Database:
    """The `database` section of a configuration file."""
    findings = Findings()
    section = Section(Database).read({"name": name, "args": args}, Place("", Path(), findings))
    assert not findings.errors, findings.errors
    assert isinstance(section, Database)
    return section


def postgres_folder() -> Path | None:
    """Where PostgreSQL's programs are, or None where it is not installed."""
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in candidates if (folder / "postgres").exists()), None)


class PostgresCluster:
    """A running cluster, reached through a socket in its own folder."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.folder = folder
        self.pid = pid  # of the first of its processes
        self._count = 0
        self._shared: Database | None = None

    def new_database(self) -> Database:
        """An empty database of its own."""
        self._count += 1
        name = f"test_{self._count}"
        connection = psycopg2.connect(host=str(self.folder), user="postgres", dbname="postgres")
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
        connection.close()
        return database_config(
            "psycopg2", host=str(self.folder), user="postgres", dbname=name, cp_min=1, cp_max=10
        )

    def emptied_database(self) -> Database:
        """The one database with the newest schema that tests share, as it was when new."""
        if self._shared is None:
            self._shared = self.new_database()
            with upgraded(self._shared):
                pass
        else:
            self._empty(self._shared)
        return self._shared

    def _empty(self, database: Database) -> None:
        name = database.args["dbname"]
        connection = psycopg2.connect(host=str(self.folder), user="postgres", dbname=name)
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        # Most tables are empty, and deleting nothing is far cheaper than truncating.
        tables = [*schema.metadata.tables, "search_words", "search_words_progress"]
        cursor.execute(";".join(f"DELETE FROM {table}" for table in tables))
        cursor.execute("INSERT INTO stream (id, head) VALUES (1, 0)")
        connection.close()


@contextmanager
def running_postgres(options: str = FAST) -> Iterator[PostgresCluster | None]:
    """A cluster in a temporary folder; None where PostgreSQL is not installed."""
    programs = postgres_folder()
    if programs is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="chat-pg-"))
    user = "postgres" if os.geteuid() == 0 else None  # initdb refuses to run as root
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    how = f"-D {data} -U postgres -A trust -E UTF8 --locale=C --no-sync"
    subprocess.run(
        [programs / "initdb", *how.split()],
        check=True,
        stdout=subprocess.DEVNULL,
        user=user,
        cwd=folder,
    )
    server = subprocess.Popen(
        [programs / "postgres", *f"-D {data} -k {folder} -c listen_addresses= {options}".split()],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("w"),
        user=user,
        cwd=folder,
    )
    try:
        _await_ready(folder, server)
        yield PostgresCluster(folder, server.pid)
    finally:
        server.send_signal(signal.SIGINT)  # fast shutdown: ends the sessions
        server.wait(READY_TIMEOUT_S)
        shutil.rmtree(folder)


def _await_ready(folder: Path, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            psycopg2.connect(host=str(folder), user="postgres", dbname="postgres").close()
        except psycopg2.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster | None]:
    """The session's PostgreSQL, or None."""
    with running_postgres() as cluster:
        yield cluster


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Database:
    """A SQLite file that does not exist yet."""
    return database_config("sqlite3", database=str(tmp_path / "test.db"))


@pytest.fixture
def postgres_database(postgres_cluster: PostgresCluster | None) -> Database:
    """An empty PostgreSQL database."""
    if postgres_cluster is None:
        pytest.skip("PostgreSQL is not installed")
    return postgres_cluster.new_database()


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty database; tests that take it run on both kinds."""
    created = request.getfixturevalue(f"{request.param}_database")
    assert isinstance(created, Database)
    return created


@contextmanager
def upgraded(database: Database) -> Iterator[Store]:
    """A store with the newest schema."""
    opened = open_store(database)
    try:
        upgrade(opened)
        yield opened
    finally:
        opened.close()


@pytest.fixture(params=["sqlite", "postgres"])
def upgraded_database(request: pytest.FixtureRequest) -> Database:
    """A database that `upgraded` finds done or has soon done; on both kinds."""
    if request.param == "sqlite":
        return database_config(
            "sqlite3", database=str(request.getfixturevalue("tmp_path") / "test.db")
        )
    cluster: PostgresCluster | None = request.getfixturevalue("postgres_cluster")
    if cluster is None:
        pytest.skip("PostgreSQL is not installed")
    return cluster.emptied_database()


@pytest.fixture
def store(upgraded_database: Database) -> Iterator[Store]:
    """A store with the newest schema; tests that take it run on both kinds of database."""
    with upgraded(upgraded_database) as opened:
        yield opened


@pytest.fixture
def sqlite_store(sqlite_database: Database) -> Iterator[Store]:
    """A store on SQLite, for what only concerns its writer."""
    with upgraded(sqlite_database) as opened:
        yield opened


@pytest.fixture
def postgres_store(postgres_database: Database) -> Iterator[Store]:
    """A store on PostgreSQL, for what only concerns its connections."""
    with upgraded(postgres_database) as opened:
        yield opened


FOLLOWING = ("FROM change_log", "pg_notify")  # what notifiers do in the background


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """The statements that the store executes meanwhile, but for those that follow the log."""
    seen: list[str] = []

    def observe(sql: str) -> None:
        if not any(mark in sql for mark in FOLLOWING):
            seen.append(sql)

    store.observer = observe
    try:
        yield seen
    finally:
        store.observer = None
