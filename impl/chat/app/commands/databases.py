"""How commands reach a database: by a configuration file or a URL."""

import os
import sys
from pathlib import Path
from typing import Any

import sqlalchemy
from tqdm import tqdm

from chat.config.load import ConfigError, load, parse
from chat.config.model import Database
from chat.storage.engine import SqliteStore, Store

FORMS = (
    "a configuration file (its database section counts), "
    "sqlite:///relative/or//absolute/path, "
    "or postgresql://user:password@host:port/name?sslmode=…"
)


class WrongDatabase(Exception):
    """What was named is no database; the text tells why."""


def database_of(named: str) -> Database:
    """The database of a configuration file or URL. Raises ConfigError, WrongDatabase."""
    if "://" not in named:
        return load([Path(named)], os.environ).config.database
    try:
        url = sqlalchemy.make_url(named)
    except sqlalchemy.exc.ArgumentError as error:
        raise WrongDatabase(f"{named} is no URL of a database") from error
    kind = url.get_backend_name()
    if kind == "sqlite":
        return _section("sqlite3", {"database": url.database})
    if kind == "postgresql":
        known = url.translate_connect_args(username="user", database="dbname")
        return _section("psycopg2", {**known, **url.query})
    raise WrongDatabase(f"{named}: only sqlite:// and postgresql:// are known")


def existing(store: Store) -> Store:
    """The store, where its database is there. Raises WrongDatabase."""
    if isinstance(store, SqliteStore) and not store.path.is_file():
        raise WrongDatabase(f"{store.path} does not exist")
    return store


def _section(name: str, args: dict[str, object]) -> Database:
    values = {"server_name": "unused", "database": {"name": name, "args": args}}
    return parse(values, Path.cwd())[0].database


def tell(error: Exception) -> int:
    """Say what is wrong; the exit status."""
    for sentence in error.errors if isinstance(error, ConfigError) else [str(error)]:
        print(f"error: {sentence}", file=sys.stderr)
    return 1


def bar(unit: str) -> "tqdm[Any]":
    """A progress bar on standard error; `reset(total)` tells it how much there is."""
    return tqdm(total=0, unit=unit, unit_scale=True, file=sys.stderr)
