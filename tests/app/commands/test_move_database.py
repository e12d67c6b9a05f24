"""move-database between SQLite and PostgreSQL, under a server that then goes on."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from chat.app import homeserver
from chat.config.model import Database
from chat_testing.clients import V3, Client, registered
from chat_testing.running import RunningServer, prepared_server

Section = dict[str, Any]


def move(source: str, target: str) -> int:
    return homeserver.main(["move-database", "--from", source, "--to", target])


def use(server: RunningServer, database: Section) -> None:
    """Let the stopped server's configuration name another database."""
    values = yaml.safe_load(server.config_path.read_text())
    server.config_path.write_text(yaml.safe_dump(values | {"database": database}))


def url_of(database: Database) -> str:
    args = database.args
    return f"postgresql://{args['user']}@/{args['dbname']}?host={args['host']}"


def section(database: Database) -> Section:
    return {"name": database.name, "args": database.args}


def talk(alice: Client, bob: Client, room: str, text: str) -> None:
    """Bob's sync goes on from its token and brings exactly what Alice says."""
    before = bob.bodies(room)
    alice.send(room, text)
    bob.sync(timeout_ms=5_000)
    assert bob.bodies(room) == [*before, text]


def test_a_server_moves_to_postgresql_and_back(
    tmp_path: Path, postgres_database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    server = prepared_server(tmp_path, 1, {})
    server.start()
    try:
        alice, bob = registered(server, "alice"), registered(server, "bob")
        room = alice.create_room(name="Room")
        bob.join(room)
        alice.ask("PUT", f"{V3}/user/{alice.user_id}/account_data/a.type", {"a": "ü"})
        alice.sync()
        bob.sync()
        talk(alice, bob, room, "on SQLite")
        assert move(str(server.config_path), url_of(postgres_database)) == 1
        assert "is served by another process" in capfd.readouterr().err
        server.stop()

        assert move(str(server.config_path), url_of(postgres_database)) == 0
        told = capfd.readouterr()
        assert "users: 2\n" in told.out
        assert "100%" in told.err  # the progress bar
        first = yaml.safe_load(server.config_path.read_text())["database"]
        use(server, section(postgres_database))
        server.start()
        talk(alice, bob, room, "on PostgreSQL")
        assert alice.ask("GET", f"{V3}/user/{alice.user_id}/account_data/a.type") == {"a": "ü"}
        other = bob.create_room()
        bob.send(other, "new numbers")
        assert move(url_of(postgres_database), "sqlite:///other.db") == 1
        assert "A server works on the database" in capfd.readouterr().err
        server.stop()

        assert move(str(server.config_path), f"sqlite:///{tmp_path}/homeserver.db") == 1
        assert "is not empty" in capfd.readouterr().err
        assert move(str(server.config_path), f"sqlite:///{tmp_path}/back.db") == 0
        use(server, {**first, "args": {"database": str(tmp_path / "back.db")}})
        server.start()
        talk(alice, bob, room, "on SQLite again")
        alice.join(other)
        bob.sync()
        assert bob.bodies(other) == ["new numbers"]
        assert "ERROR" not in server.log
    finally:
        if server.process.poll() is None:
            server.kill()


@pytest.mark.parametrize(
    ("named", "complaint"),
    [
        ("absent.yaml", "cannot be read"),
        ("mysql://a/b", "only sqlite:// and postgresql:// are known"),
        ("sqlite:///absent.db", "does not exist"),
        ("postgresql://127.0.0.1:1/x", "refused"),
    ],
)
def test_what_is_no_source_is_told(
    named: str,
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert move(named, "sqlite:///target.db") == 1
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "absent.db").exists()


def test_a_database_of_the_future_ends_the_start_and_can_be_taken_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from chat.storage.engine import SqliteStore

    server = prepared_server(tmp_path, 1, {})
    server.start()
    server.stop()
    store = SqliteStore(str(tmp_path / "homeserver.db"))
    store.write(lambda tx: tx.run("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    server.launch()
    assert server.process.wait(20) == 1
    assert "cannot start: database: The database has schema 9999; this server knows" in server.log
    assert "Traceback" not in server.log
    config = ["-c", str(server.config_path)]
    assert homeserver.main(["migrate", *config]) == 1
    assert "9999" in capsys.readouterr().err


def test_the_schema_goes_back_and_forth_by_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    assert homeserver.main(["migrate", "-c", url]) == 0
    assert homeserver.main(["migrate", "-c", url, "--to", "0001"]) == 0
    assert "schema 0001" in capsys.readouterr().out
    assert homeserver.main(["migrate", "-c", url, "--to", "absent"]) == 1
    assert "knows no schema absent" in capsys.readouterr().err
