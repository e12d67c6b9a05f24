"""People on a server with a SQLite database, for what only that can promise."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.services.server import Server
from chat.storage.engine import Store
from chat_testing.people import Person, a_person
from chat_testing.servers import FakeClock, a_server


@pytest.fixture
def sqlite_server(sqlite_store: Store, clock: FakeClock, tmp_path: Path) -> Iterator[Server]:
    """A server on SQLite."""
    made = a_server(sqlite_store, clock, tmp_path)
    yield made
    made.notifier.close()


@pytest.fixture
def sqlite_alice(sqlite_server: Server) -> Person:
    """Creates rooms."""
    return a_person(sqlite_server, "alice")


@pytest.fixture
def sqlite_bob(sqlite_server: Server) -> Person:
    """Comes to rooms."""
    return a_person(sqlite_server, "bob")
