"""`check` from the command line: what it says, and its exit status."""

from pathlib import Path

import pytest
import yaml

from chat.app import homeserver
from chat.storage.engine import Store, open_store
from chat.storage.migrations import upgrade
from chat_testing.databases import database_config
from chat_testing.rooms import a_room
from chat_testing.servers import FakeClock, a_server


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A server's configuration, beside a database with one room."""
    path = tmp_path / "homeserver.yaml"
    database = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
    path.write_text(yaml.safe_dump({"server_name": "a.example", "database": database}))
    assert homeserver.main(["--config-path", str(path), "--generate-keys"]) == 0
    store = opened(tmp_path)
    upgrade(store)
    server = a_server(store, FakeClock(), tmp_path)
    a_room(server)
    server.notifier.close()
    store.close()
    return path


def opened(folder: Path) -> Store:
    return open_store(database_config("sqlite3", database=str(folder / "homeserver.db")))


def test_no_difference(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert homeserver.main(["check", "-c", str(config)]) == 0
    assert capsys.readouterr().out == "0 differences\n"


def test_differences_are_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = opened(config.parent)
    store.write(lambda tx: tx.do("UPDATE room_summary SET joined = 7"))
    store.close()
    assert homeserver.main(["check", "-c", str(config)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert "1 members joined" in said[0]
    assert said[-1] == "1 differences"


def test_what_cannot_be_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert homeserver.main(["check", "-c", str(tmp_path / "nothing.yaml")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
