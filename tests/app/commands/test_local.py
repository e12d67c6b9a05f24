"""Commands that need no server."""

import io
import stat
from pathlib import Path

import bcrypt
import pytest

from chat.app.commands import generate_signing_key, hash_password
from chat.protocol.signatures import load_signing_key


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "homeserver.yaml"
    path.write_text("server_name: a\nbcrypt_rounds: 4\npassword_config: {pepper: salt}\n")
    return str(path)


def test_the_hash_has_the_configured_rounds_and_pepper(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hash_password.main(["-p", "secret", "-c", config]) == 0
    printed = capsys.readouterr().out.strip()
    assert printed.startswith("$2b$04$")
    assert bcrypt.checkpw(b"secretsalt", printed.encode())


def test_a_password_is_read_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from stdin\n"))
    assert hash_password.main(["-r", "4"]) == 0
    assert bcrypt.checkpw(b"from stdin", capsys.readouterr().out.strip().encode())


def test_an_empty_password_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert hash_password.main(["-r", "4"]) == 1
    assert "the password is empty" in capsys.readouterr().err


def test_a_wrong_configuration_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hash_password.main(["-p", "x", "-c", str(tmp_path / "absent.yaml")]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_a_signing_key_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_signing_key.main([]) == 0
    line = capsys.readouterr().out
    assert line.endswith("\n")
    assert load_signing_key(line).key_id.startswith("ed25519:a_")


def test_a_signing_key_is_written_for_its_owner_only_and_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "key"
    assert generate_signing_key.main(["-o", str(path)]) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_text()
    assert generate_signing_key.main(["-o", str(path)]) == 1
    assert path.read_text() == before
    assert "File exists" in capsys.readouterr().err
