"""backup under load, and restore into either database."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from chat.app import homeserver
from chat.config.model import Database
from chat.services.backups import LOST_POSITIONS
from chat_testing.clients import V3, Client, Refused, registered
from chat_testing.running import RunningServer, free_port, prepared_server

KEY = {"key": "A" * 43, "signatures": {}}


def run(command: str, server: RunningServer, *arguments: str) -> int:
    return homeserver.main([command, "-c", str(server.config_path), *arguments])


@contextmanager
def sending(alice: Client, room: str) -> Iterator[list[str]]:
    """Send on and on; the texts that were acknowledged, in order."""
    acknowledged: list[str] = []
    ending = threading.Event()

    def send() -> None:
        while not ending.is_set():
            text = f"under load {len(acknowledged)}"
            alice.send(room, text)
            acknowledged.append(text)

    thread = threading.Thread(target=send)
    thread.start()
    while len(acknowledged) < 5:
        thread.join(0.05)
    try:
        yield acknowledged
    finally:
        ending.set()
        thread.join()


@pytest.fixture(params=["sqlite", "postgres"])
def sections(
    request: pytest.FixtureRequest, postgres_database: Database
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The database of a server, and that of the one restored from it: of the other kind."""
    sqlite = {"name": "sqlite3", "args": {"database": "homeserver.db"}}
    postgres = {"name": "psycopg2", "args": postgres_database.args}
    return (sqlite, postgres) if request.param == "sqlite" else (postgres, sqlite)


def upload(client: Client, content: bytes) -> str:
    import urllib.request

    request = urllib.request.Request(
        f"{client.server.url}/_matrix/media/v3/upload?filename=a.txt",
        content,
        {"Authorization": f"Bearer {client.token}", "Content-Type": "text/plain"},
    )
    with urllib.request.urlopen(request) as answer:
        uri: str = json.load(answer)["content_uri"]
    return uri.removeprefix("mxc://")


def download(client: Client, name: str) -> bytes:
    import urllib.request

    url = f"{client.server.url}/_matrix/client/v1/media/download/{name}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {client.token}"})
    with urllib.request.urlopen(request) as answer:
        content: bytes = answer.read()
    return content


def test_a_backup_under_load_makes_a_server_that_goes_on(
    tmp_path: Path,
    sections: tuple[dict[str, Any], dict[str, Any]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "old").mkdir()
    old = prepared_server(tmp_path / "old", 1, {"database": sections[0]})
    old.start()
    backup = tmp_path / "backup"
    new = prepared_server(tmp_path, 1, {})
    try:
        alice, bob, carol = (registered(old, name) for name in ("alice", "bob", "carol"))
        room = alice.create_room()
        bob.join(room)
        carol.join(room)
        keys = {f"signed_curve25519:{n}": KEY for n in ("AAAA", "BBBB")}
        fallback = {"signed_curve25519:FFFF": {**KEY, "fallback": True}}
        alice.ask("POST", f"{V3}/keys/upload", {"one_time_keys": keys, "fallback_keys": fallback})
        alice.sync()
        bob.sync()
        carol.sync()
        media = upload(alice, b"some file")
        with sending(alice, room) as sent:
            before = list(sent)
            assert run("backup", old, "--to", str(backup)) == 0, capfd.readouterr().err
        bob.sync()
        lost = alice.create_room()
        bob.sync()
        assert bob.bodies(room)[-1] == sent[-1]
        old.stop()

        values = yaml.safe_load(old.config_path.read_text())
        port = free_port()
        values["listeners"][0]["port"] = port
        values |= {
            "public_baseurl": f"http://127.0.0.1:{port}/",
            "database": sections[1],
        }
        folder = tmp_path / "new"
        folder.mkdir()
        new = RunningServer(
            folder, port, old.environment | {"CHAT_CONFIG": str(folder / "homeserver.yaml")}
        )
        if sections[1]["name"] == "psycopg2":
            assert sections[0]["name"] == "sqlite3"
        new.config_path.write_text(yaml.safe_dump(values))
        assert run("restore", new, "--from", str(backup)) == 0, capfd.readouterr().err
        assert "\n0 differences\n" in capfd.readouterr().out
        assert run("restore", new, "--from", str(backup)) == 1
        assert "is not empty" in capfd.readouterr().err
        new.start()

        # Who stopped syncing before the backup goes on from the token, without a gap.
        carol = carol.at(new)
        carol.sync()
        alice, bob = alice.at(new), bob.at(new)
        # A token of the time after it is answered anew, at once.
        ahead = bob.next_batch
        bob.timelines.clear()
        answer = bob.sync(timeout_ms=20_000)
        assert answer["rooms"]["join"][room]["timeline"]["limited"] is True
        assert answer["rooms"]["join"][room]["state"]["events"]
        assert int(str(bob.next_batch)[1:]) >= LOST_POSITIONS > int(str(ahead)[1:])
        kept = bob.bodies(room)
        at = len(before) - 1
        assert sent[at] in walk(alice, room), "what was acknowledged before the backup is there"
        assert kept == [text for text in sent if text in kept], "in the order of the sends"
        with pytest.raises(Refused):
            alice.send(lost, "of a room that is no more")
        # Nobody gets a key that the old server may have given to somebody else.
        counts = alice.sync()["device_one_time_keys_count"]
        assert counts.get("signed_curve25519", 0) == 0
        assert alice.sync()["device_unused_fallback_key_types"] == []
        assert download(alice, media) == b"some file"
        before_new = bob.bodies(room)
        alice.send(room, "after")
        bob.sync(timeout_ms=5_000)
        assert bob.bodies(room) == [*before_new, "after"]
        assert "ERROR" not in new.log
    finally:
        for server in (old, new):
            if hasattr(server, "process") and server.process.poll() is None:
                server.kill()


def walk(client: Client, room: str) -> list[str]:
    """The texts of all messages of a room, by paging backwards."""
    found: list[str] = []
    start = ""
    while True:
        page = client.ask("GET", f"{V3}/rooms/{room}/messages?dir=b&limit=100{start}")
        found += [
            event["content"]["body"] for event in page["chunk"] if event["type"] == "m.room.message"
        ]
        if "end" not in page:
            return found
        start = f"&from={page['end']}"


@pytest.fixture
def written(tmp_path: Path) -> tuple[RunningServer, Path]:
    """A server that is not running, and its backup."""
    (tmp_path / "old").mkdir()
    server = prepared_server(tmp_path / "old", 1, {})
    server.start()
    registered(server, "alice")
    server.stop()
    backup = tmp_path / "backup"
    assert run("backup", server, "--to", str(backup)) == 0
    return server, backup


def target(tmp_path: Path) -> RunningServer:
    folder = tmp_path / "new"
    folder.mkdir()
    return RunningServer(folder, free_port(), {})


def test_a_backup_is_private_and_not_overwritten(
    written: tuple[RunningServer, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    server, backup = written
    assert backup.stat().st_mode & 0o077 == 0
    assert run("backup", server, "--to", str(backup)) == 1
    assert f"{backup} exists" in capsys.readouterr().err


def test_a_missing_configuration_comes_from_the_backup(
    written: tuple[RunningServer, Path], tmp_path: Path
) -> None:
    server, backup = written
    new = target(tmp_path)
    assert run("restore", new, "--from", str(backup)) == 0
    assert new.config_path.read_text() == server.config_path.read_text()
    for name in ("localhost.signing.key", "homeserver.yaml"):
        assert (new.folder / name).read_bytes() == (server.folder / name).read_bytes()
        assert (new.folder / name).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["database.sqlite3", "keys/localhost.signing.key"])
def test_a_file_that_rotted_is_noticed(
    name: str,
    written: tuple[RunningServer, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = written[1] / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    new = target(tmp_path)
    assert run("restore", new, "--from", str(written[1])) == 1
    assert f"{path} is not what was written" in capsys.readouterr().err
    assert list(new.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("localhost.signing.key", "exists and is another than the backup's"),
        ("media_store/local_content/ab/cd/ef", "is not empty"),
    ],
)
def test_what_is_there_already_is_not_touched(
    name: str,
    complaint: str,
    written: tuple[RunningServer, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    new = target(tmp_path)
    path = new.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    assert run("restore", new, "--from", str(written[1])) == 1
    assert complaint in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert not (new.folder / "homeserver.db").exists()


def test_a_backup_of_another_server_is_refused(
    written: tuple[RunningServer, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = target(tmp_path)
    new.config_path.write_text("server_name: other.example\n")
    assert run("restore", new, "--from", str(written[1])) == 1
    assert "is of localhost, not of other.example" in capsys.readouterr().err
    assert run("restore", new, "--from", str(tmp_path / "absent")) == 1
    assert "is no backup" in capsys.readouterr().err
