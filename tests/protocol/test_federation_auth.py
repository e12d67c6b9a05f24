"""Spec: server-server-api/#request-authentication"""

from typing import Any

import pytest

from chat.protocol import federation_auth
from chat.protocol.errors import Unauthorized
from chat.protocol.federation_auth import NO_CONTENT, XMatrix, parse_header
from chat.protocol.identifiers import ServerName
from chat.protocol.signatures import SigningKey

ORIGIN, DESTINATION = ServerName("origin.hs.example.com"), ServerName("destination.hs.example.com")
EXPECTED = XMatrix(ORIGIN, DESTINATION, "ed25519:key1", "ABCDEF...")
EXAMPLE = (
    'X-Matrix origin="origin.hs.example.com",destination="destination.hs.example.com",'
    'key="ed25519:key1",sig="ABCDEF..."'
)


def test_the_example_of_the_spec_is_written_and_read() -> None:
    assert federation_auth.build_header(EXPECTED) == EXAMPLE
    assert parse_header(EXAMPLE) == EXPECTED


@pytest.mark.parametrize(
    "header",
    [
        EXAMPLE.replace("X-Matrix ", "x-MATRIX   "),
        EXAMPLE.replace('"', ""),
        EXAMPLE.replace(",", " \t, \t"),
        EXAMPLE.replace("origin=", "ORIGIN="),
        EXAMPLE.replace('"ABCDEF..."', '"\\A\\BCDEF..."'),
        EXAMPLE + ',unknown="x, y=\\"z\\""',
        "X-Matrix " + ",".join(reversed(EXAMPLE.removeprefix("X-Matrix ").split(","))),
        EXAMPLE + ",",
    ],
)
def test_other_ways_to_write_it_are_read(header: str) -> None:
    assert parse_header(header) == EXPECTED


def test_the_destination_may_be_missing() -> None:
    header = 'X-Matrix origin=[::1]:8448,key="ed25519:1",sig=AB+/C=='
    assert parse_header(header) == XMatrix(ServerName("[::1]:8448"), None, "ed25519:1", "AB+/C==")
    assert "destination" not in federation_auth.build_header(EXPECTED._replace(destination=None))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "X-Matrix",
        "X-Matrix ",
        "Bearer token",
        EXAMPLE.replace("origin=", "orign="),
        EXAMPLE.replace(',sig="ABCDEF..."', ""),
        EXAMPLE.replace("key=", "kay="),
        EXAMPLE.replace("origin.hs", "origin hs"),
        EXAMPLE.replace("destination.hs", "destination_hs"),
        EXAMPLE[:-1],
        EXAMPLE + "\\",
        EXAMPLE + '"',
        EXAMPLE.replace('",', '";'),
        "X-Matrix " + "a" * 100_000,
        "X-Matrix a=" + '"\\' * 50_000,
        "X-Matrix " + "a=b, " * 10_000,
    ],
)
def test_malformed_headers_are_unauthorized(header: str) -> None:
    with pytest.raises(Unauthorized):
        parse_header(header)


REQUEST = ("PUT", "/_matrix/federation/v1/send/1?x=%20")


@pytest.mark.parametrize("content", [NO_CONTENT, {}, {"pdus": [{"depth": 1.5}]}, None])
def test_a_signed_request_is_verified(content: Any, key: SigningKey) -> None:
    header = federation_auth.sign_request(*REQUEST, ORIGIN, DESTINATION, key, content)
    x_matrix = parse_header(header)
    federation_auth.verify_request(x_matrix, *REQUEST, DESTINATION, key.verify_key, content)
    older = x_matrix._replace(destination=None)
    federation_auth.verify_request(older, *REQUEST, DESTINATION, key.verify_key, content)


def test_what_differs_from_what_was_signed_is_unauthorized(key: SigningKey) -> None:
    header = federation_auth.sign_request(*REQUEST, ORIGIN, DESTINATION, key, {"a": 1})
    x_matrix = parse_header(header)
    method, uri = REQUEST

    def refused(x_matrix: XMatrix, method: str, uri: str, name: str, content: Any) -> None:
        with pytest.raises(Unauthorized):
            federation_auth.verify_request(x_matrix, method, uri, name, key.verify_key, content)

    refused(x_matrix, "POST", uri, DESTINATION, {"a": 1})
    refused(x_matrix, method, uri + "&", DESTINATION, {"a": 1})
    refused(x_matrix, method, uri, "other.example", {"a": 1})
    refused(x_matrix, method, uri, DESTINATION, {"a": 2})
    refused(x_matrix, method, uri, DESTINATION, NO_CONTENT)
    refused(x_matrix._replace(origin=DESTINATION), method, uri, DESTINATION, {"a": 1})
    refused(x_matrix._replace(signature="?"), method, uri, DESTINATION, {"a": 1})
    refused(x_matrix._replace(key_id="rsa:1"), method, uri, DESTINATION, {"a": 1})


def test_a_request_without_body_is_signed_without_content() -> None:
    obj = federation_auth.request_object(*REQUEST, ORIGIN, DESTINATION)
    assert set(obj) == {"method", "uri", "origin", "destination"}
