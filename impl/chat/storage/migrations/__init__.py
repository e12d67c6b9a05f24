"""Migrations of the schema, by Alembic, run when a server or command starts.

They run while servers of this and of the last version work on the database. So a revision
- adds: tables, columns with a server default (or nullable), indexes. Code of an older revision does
  not name them, and its inserts must go on working. What is no longer needed is dropped by a later
  version than the one whose code stopped using it.
- takes no lock for long. On PostgreSQL each revision is a transaction of its own, in which nothing
  may read or rewrite a table that can be large; a lock that is not there at once is given up
  and tried for again. Indexes of existing tables are made by `online.create_index`, and what has to
  walk through rows is a background update (storage/background_updates.py).
- has a `downgrade` that leads one step back and keeps the rows of everything that stays.

tests/storage/test_migrations.py holds every revision to that.
"""

import logging
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from chat.storage.engine import Store

log = logging.getLogger(__name__)

OLDEST = {"sqlite": (3, 35), "postgresql": (13,)}  # versions of the databases
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code
LOCK_PAUSE_S = 1.0
LOCK_ATTEMPTS = 600


class DatabaseRefused(Exception):
    """The server cannot work with this database; the text tells the operator why."""


class DatabaseTooNew(DatabaseRefused):
    """The database was written by a newer version of this server."""


class DatabaseTooOld(DatabaseRefused):
    """The database's software is older than what the statements need."""


class DatabaseUnfinished(DatabaseRefused):
    """The database is a copy that was not finished."""


BASE = "base"  # the revision before the first
UNFINISHED_COPY = "unfinished_copy"  # the table that marks it, see portable.py


def upgrade(store: Store) -> None:
    """Bring the database to the newest schema. Raises DatabaseRefused.

    Safe when several workers start at once: the first migrates, the others wait.
    """
    with store.schema_connection() as connection:
        check_software(connection)
        if sqlalchemy.inspect(connection).has_table(UNFINISHED_COPY):
            raise DatabaseUnfinished(
                "The database is a copy that was not finished. Run the same move-database or"
                " restore again, or empty it."
            )
        climb(connection)


def climb(connection: sqlalchemy.Connection) -> None:
    """Take every step from the database's revision to the newest. Raises DatabaseTooNew."""
    present, known = current(connection), revisions()
    if present is not None and present not in known:
        raise DatabaseTooNew(
            f"The database has schema {present}; this server knows {known[-1]} at most. Start the"
            " newer version that wrote it, or let that one take it back:"
            f" python -m chat.app.homeserver migrate -c FILE --to {known[-1]}"
        )
    for revision in known[known.index(present) + 1 :] if present else known:
        _patiently(lambda: command.upgrade(_config(connection), revision))  # noqa: B023


def migrate(store: Store, revision: str) -> None:
    """Bring the database to any known revision, newer or older, or to `BASE`, without tables.

    Raises DatabaseTooNew where either is unknown here.
    """
    with store.schema_connection() as connection:
        check_software(connection)
        known, present = [BASE, *revisions()], current(connection) or BASE
        for name in (present, revision):
            if name not in known:
                raise DatabaseTooNew(f"This server knows no schema {name}, only {_listed(known)}")
        here, there = known.index(present), known.index(revision)
        for newer in known[here + 1 : there + 1]:
            _patiently(lambda: command.upgrade(_config(connection), newer))  # noqa: B023
        for older in reversed(known[there:here]):
            _patiently(lambda: command.downgrade(_config(connection), older))  # noqa: B023


def _listed(names: list[str]) -> str:
    return ", ".join(names)


@cache
def revisions() -> list[str]:
    """Every revision, oldest first."""
    scripts = ScriptDirectory.from_config(_config(None))
    return [script.revision for script in scripts.walk_revisions()][::-1]


def current(connection: sqlalchemy.Connection) -> str | None:
    """The database's revision; None where it has no schema."""
    found = MigrationContext.configure(connection).get_current_revision()
    _end_reading(connection)
    return found


def check_software(connection: sqlalchemy.Connection) -> None:
    """Raises DatabaseTooOld."""
    dialect = connection.dialect
    found = dialect.server_version_info or ()
    needed = OLDEST[dialect.name]
    if found < needed:
        raise DatabaseTooOld(
            f"{dialect.name} {_dotted(found)} is too old: {_dotted(needed)} or newer is needed"
        )


def _dotted(version: tuple[int | str, ...]) -> str:
    return ".".join(map(str, version))


def _config(connection: sqlalchemy.Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def _end_reading(connection: sqlalchemy.Connection) -> None:
    """Leave transactions to Alembic, where they are not one that holds all (SQLite's)."""
    if connection.dialect.name != "sqlite":
        connection.rollback()


def _patiently(step: Callable[[], None]) -> None:
    """Take a step, again and again while somebody holds a lock that it needs."""
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            step()
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
                raise
            if attempt == LOCK_ATTEMPTS:
                raise
            log.info("migration waits for a lock", extra={"attempt": attempt})
            time.sleep(LOCK_PAUSE_S)
        else:
            return
