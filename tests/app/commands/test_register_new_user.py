"""register_new_user against a running server."""

import json
import urllib.request
from collections.abc import Iterator

import pytest

from chat.app.commands.register_new_user import main
from chat_testing.running import SHARED_SECRET, RunningServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(enable_registration=False) as running:
        yield running


def login(server: RunningServer, user: str, password: str) -> str:
    """The user ID of a successful login."""
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user},
        "password": password,
    }
    request = urllib.request.Request(
        f"{server.url}/_matrix/client/v3/login", data=json.dumps(body).encode()
    )
    with urllib.request.urlopen(request) as answer:
        user_id: str = json.load(answer)["user_id"]
    return user_id


def test_the_configuration_tells_secret_and_address(
    server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["-c", str(server.config_path), "-u", "alice", "-p", "pass of alice", "--no-admin"]
    assert main(options) == 0
    assert capsys.readouterr().out == "Success! @alice:localhost\n"
    assert login(server, "alice", "pass of alice") == "@alice:localhost"


def test_the_secret_and_the_address_may_be_given(server: RunningServer) -> None:
    assert main(["-k", SHARED_SECRET, "-u", "bob", "-p", "pass of bob", "-a", server.url]) == 0
    assert login(server, "bob", "pass of bob") == "@bob:localhost"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["-k", "wrong", "-u", "carol"], "M_FORBIDDEN"),
        (["-k", SHARED_SECRET, "-u", "not a name"], "M_INVALID_USERNAME"),
    ],
)
def test_refusals_are_told_with_status_1(
    server: RunningServer,
    options: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*options, "-p", "some password", "--no-admin", server.url]) == 1
    assert complaint in capsys.readouterr().err


def test_a_taken_name_is_refused_unless_that_is_fine(
    server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["-k", SHARED_SECRET, "-u", "dora", "-p", "pass of dora", "--no-admin", server.url]
    assert main(options) == 0
    assert main(options) == 1
    assert "M_USER_IN_USE" in capsys.readouterr().err
    assert main(["--exists-ok", *options]) == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "file:///etc/passwd", "ftp://example.org"])
def test_an_unusable_address_is_told_with_status_1(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-k", "x", "-u", "alice", "-p", "some password", "--no-admin", url]) == 1
    assert "error: " in capsys.readouterr().err
