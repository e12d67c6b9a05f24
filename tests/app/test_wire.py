"""What becomes of a request's head, whom it comes from, and how an answer is sent."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chat.app.wire import STEP_BYTES, client_address, environ_of, scheme, send_all
from chat.config.load import parse
from chat.config.model import Listener


def listener(**values: Any) -> Listener:
    config, _ = parse({"server_name": "a", "listeners": [{"port": 1, **values}]}, Path())
    return config.listeners[0]


@pytest.mark.parametrize(
    ("trusted", "connection", "header", "address"),
    [
        (False, "192.0.2.1", None, "192.0.2.1"),
        (False, "192.0.2.1", "198.51.100.7", "192.0.2.1"),
        (True, "127.0.0.1", "198.51.100.7", "198.51.100.7"),
        (True, "127.0.0.1", "10.0.0.1, 198.51.100.7", "198.51.100.7"),
        (True, "127.0.0.1", None, "127.0.0.1"),
        (False, "::ffff:192.0.2.1", None, "192.0.2.1"),
        (False, "2001:db8::1", None, "2001:db8::1"),
        (True, "", "2001:db8::1", "2001:db8::1"),
    ],
)
def test_only_a_trusted_proxy_s_last_word_on_the_address_counts(
    trusted: bool, connection: str, header: str | None, address: str
) -> None:
    environ = {"REMOTE_ADDR": connection}
    if header is not None:
        environ["HTTP_X_FORWARDED_FOR"] = header
    assert client_address(listener(x_forwarded=trusted), environ) == address


@pytest.mark.parametrize(
    ("values", "header", "expected"),
    [
        ({}, None, "http"),
        ({"tls": True}, None, "https"),
        ({}, "https", "http"),
        ({"x_forwarded": True}, "https", "https"),
        ({"x_forwarded": True}, "gopher", "http"),
    ],
)
def test_only_a_trusted_proxy_tells_the_scheme(
    values: dict[str, Any], header: str | None, expected: str
) -> None:
    environ = {"HTTP_X_FORWARDED_PROTO": header} if header else {}
    assert scheme(replace(listener(), **values), environ) == expected


def test_headers_stand_under_their_wsgi_names() -> None:
    headers = [("CONTENT-TYPE", "a/b"), ("X-ONE", "1"), ("CONTENT-LENGTH", "7"), ("X-ONE", "2")]
    request = SimpleNamespace(
        method="POST",
        uri="/a%2Fb?c=%20",
        path="/a%2Fb",
        query="c=%20",
        version=(1, 1),
        body=None,
        headers=headers,
    )
    environ = environ_of(request, listener(), ("192.0.2.1", 5), multiprocess=False)
    facts = {name: environ[name] for name in environ if name.startswith(("HTTP", "CONTENT"))}
    assert facts == {"CONTENT_TYPE": "a/b", "CONTENT_LENGTH": "7", "HTTP_X_ONE": "1,2"}
    assert (environ["PATH_INFO"], environ["RAW_URI"]) == ("/a/b", "/a%2Fb?c=%20")
    assert (environ["REMOTE_ADDR"], environ["SERVER_PORT"]) == ("192.0.2.1", "1")


class FullSocket:
    """A socket whose buffer takes `room` bytes at once."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.received = b""
        self.waits = 0

    def send(self, data: memoryview) -> int:
        self.received += data[: self.room]
        return min(self.room, len(data))

    def sendall(self, data: memoryview) -> None:
        self.received += data
        self.waits += 1


@pytest.mark.parametrize(("room", "waits"), [(10, 3), (STEP_BYTES, 0)])
def test_every_step_of_a_large_answer_has_its_own_time_limit(room: int, waits: int) -> None:
    client = FullSocket(room)
    data = bytes(range(256)) * (STEP_BYTES // 128) + b"the end, and more"
    send_all(client, data)
    assert client.received == data
    assert client.waits == waits
