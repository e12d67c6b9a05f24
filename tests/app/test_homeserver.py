"""The command line of `python -m chat.app.homeserver`."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from chat.app import homeserver
from chat.config.load import load


def generate(path: Path, name: str = "example.org") -> int:
    options = ["--generate-config", "--server-name", name, "--report-stats=no"]
    return homeserver.main([*options, "--config-path", str(path)])


def test_a_generated_file_is_short_private_and_loads_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "new" / "homeserver.yaml"
    assert generate(path) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().splitlines()) < 70
    loaded = load([path], {})
    assert loaded.warnings == ()
    assert loaded.config.server_name == "example.org"
    assert not loaded.config.enable_registration
    assert (tmp_path / "new" / "example.org.signing.key").exists()


def test_two_generated_files_share_no_secret(tmp_path: Path) -> None:
    paths = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for path in paths:
        generate(path)
    first, second = (load([path], {}).config for path in paths)
    assert first.registration_shared_secret != second.registration_shared_secret
    assert len(first.registration_shared_secret or "") >= 32


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "homeserver.yaml"
    generate(path)
    before = path.read_bytes(), (tmp_path / "example.org.signing.key").read_bytes()
    assert generate(path, "other.example") == 0
    assert (path.read_bytes(), (tmp_path / "example.org.signing.key").read_bytes()) == before
    assert "exists and is left as it is" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--generate-config", "--config-path", "x"],
        ["--generate-config", "--config-path", "x", "--server-name", "a"],
        ["--generate-config", "--config-path", "x", "--server-name", "a b", "--report-stats=no"],
        ["--generate-config", "--server-name", "a", "--report-stats=no"],
        [],
    ],
)
def test_incomplete_command_lines_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        homeserver.main(arguments)
    assert ended.value.code == 2


def test_keys_are_generated_once(tmp_path: Path) -> None:
    path = tmp_path / "homeserver.yaml"
    path.write_text("server_name: example.org\nregistration_shared_secret_path: secret\n")
    for _ in range(2):
        assert homeserver.main(["-c", str(path), "--generate-keys"]) == 0
    key = (tmp_path / "example.org.signing.key").read_text()
    assert homeserver.main(["-c", str(path), "--generate-keys"]) == 0
    assert (tmp_path / "example.org.signing.key").read_text() == key
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert load([path], {}).config.registration_shared_secret


def test_mistakes_are_told_with_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "homeserver.yaml"
    path.write_text("server_name: example.org\nbcrypt_rounds: 99\n")
    assert homeserver.main(["-c", str(path), "--generate-keys"]) == 1
    assert "error: bcrypt_rounds: 99 is not allowed" in capsys.readouterr().err
    done = subprocess.run(
        [sys.executable, "-m", "chat.app.homeserver", "-c", str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "error: bcrypt_rounds: 99 is not allowed" in done.stderr
    assert "Traceback" not in done.stderr
