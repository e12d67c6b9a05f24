"""Whom a request comes from: the connection's address, or what a trusted proxy says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chat.app.worker import client_address, scheme
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
