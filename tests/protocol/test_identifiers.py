"""Spec: appendices/#identifier-grammar"""

from collections.abc import Callable

import pytest

from chat.protocol.errors import InvalidIdentifier
from chat.protocol.identifiers import (
    is_user_id,
    localpart_of,
    parse_event_id,
    parse_mxc,
    parse_new_localpart,
    parse_room_alias,
    parse_room_id,
    parse_server_name,
    parse_user_id,
    server_of,
)

HASH = "31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM"
Parser = Callable[[str], object]


@pytest.mark.parametrize(
    "name",
    [
        "matrix.org",
        "matrix.org:8888",
        "1.2.3.4",
        "1.2.3.4:1234",
        "[1234:5678::abcd]",
        "[1234:5678::abcd]:5678",
        "localhost",
        "UPPER.example",
        "[::1]:8448",
        "a" * 230,
    ],
)
def test_server_names_are_accepted(name: str) -> None:
    assert parse_server_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ":",
        "a:",
        ":80",
        "a:123456",
        "a:80:80",
        "a b",
        "a_b",
        "a/b",
        "ä.example",
        "[::1",
        "::1",
        "[::1]x",
        "[]",
        "[12345::]",
        "[::1%eth0]",
        "256.1.1.1",
        "a\n",
        "a\x00",
        "a" * 256,
    ],
)
def test_malformed_server_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidIdentifier):
        parse_server_name(name)


ACCEPTED: list[tuple[Parser, str]] = [
    (parse_user_id, "@alice:example.org"),
    (parse_user_id, "@a+b/c=d.e_f-0:example.org:8448"),
    (parse_user_id, "@ALICE:example.org"),
    (parse_user_id, "@älice 😀\n:example.org"),
    (parse_user_id, "@:example.org"),
    (parse_user_id, "@" + "a" * 252 + ":b"),
    (parse_room_id, "!opaque:example.org"),
    (parse_room_id, "!" + HASH),
    (parse_event_id, "$opaque:example.org"),
    (parse_event_id, "$" + HASH),
    (parse_event_id, "$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk"),
    (parse_room_alias, "#somewhere:example.org"),
    (parse_room_alias, "#日本 語:[::1]:80"),
]


@pytest.mark.parametrize(("parse", "text"), ACCEPTED)
def test_identifiers_are_accepted(parse: Parser, text: str) -> None:
    assert parse(text) == text


REFUSED: list[tuple[Parser, str]] = [
    (parse_user_id, ""),
    (parse_user_id, "alice:example.org"),
    (parse_user_id, "@alice"),
    (parse_user_id, "@alice:"),
    (parse_user_id, "@alice:not a server"),
    (parse_user_id, "@al\x00ice:example.org"),
    (parse_user_id, "@al\ud800ice:example.org"),
    (parse_user_id, "@" + "a" * 253 + ":b"),
    (parse_user_id, "@" + "ä" * 127 + ":b"),
    (parse_room_id, "!opaque"),
    (parse_room_id, "!:example.org"),
    (parse_room_id, "$opaque:example.org"),
    (parse_room_id, "!" + HASH + "x"),
    (parse_room_id, "!" + HASH[1:] + "*"),
    (parse_event_id, "!" + HASH),
    (parse_event_id, "$"),
    (parse_room_alias, "#:example.org"),
    (parse_room_alias, "#alias"),
    (parse_room_alias, "#al\x00ias:example.org"),
]


@pytest.mark.parametrize(("parse", "text"), REFUSED)
def test_malformed_identifiers_are_refused(parse: Parser, text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        parse(text)


@pytest.mark.parametrize("value", [None, 1, True, 1.5, [], {}, b"@alice:example.org"])
@pytest.mark.parametrize(
    "parse",
    [
        parse_user_id,
        parse_room_id,
        parse_event_id,
        parse_room_alias,
        parse_server_name,
        parse_mxc,
        parse_new_localpart,
    ],
)
def test_what_is_no_string_is_refused(parse: Callable[[object], object], value: object) -> None:
    with pytest.raises(InvalidIdentifier):
        parse(value)


@pytest.mark.parametrize("localpart", ["ALICE", "älice", "al ice", "al:ice", "", "a*"])
def test_new_users_keep_to_the_strict_grammar(localpart: str) -> None:
    with pytest.raises(InvalidIdentifier):
        parse_new_localpart(localpart)
    with pytest.raises(InvalidIdentifier):
        parse_user_id(f"@{localpart}:example.org", historical=False)


def test_a_strict_localpart_is_returned() -> None:
    assert parse_new_localpart("alice_0=x/y+z.-") == "alice_0=x/y+z.-"
    assert parse_user_id("@alice:example.org", historical=False) == "@alice:example.org"


def test_user_ids_are_told_from_other_values() -> None:
    assert is_user_id("@a:b")
    assert not any(map(is_user_id, ["a:b", "@a", None, 3, ["@a:b"]]))


def test_mxc_uris_are_split() -> None:
    assert parse_mxc("mxc://example.org:80/Ab_0-z") == ("example.org:80", "Ab_0-z")


@pytest.mark.parametrize(
    "uri",
    [
        "http://a/b",
        "mxc://a",
        "mxc://a/",
        "mxc:///b",
        "mxc://a/b/c",
        "mxc://a/..",
        "mxc://a/b?c",
        "mxc://a b/c",
        "mxc://a/" + "m" * 256,
    ],
)
def test_malformed_mxc_uris_are_refused(uri: str) -> None:
    with pytest.raises(InvalidIdentifier):
        parse_mxc(uri)


def test_parts_of_identifiers() -> None:
    assert server_of("@a:b:80") == "b:80"
    assert localpart_of("@a:b:80") == "a"
    with pytest.raises(InvalidIdentifier):
        server_of("!" + HASH)
