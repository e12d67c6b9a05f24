"""Spec: appendices/#dot-separated-property-paths"""

import pytest

from chat.protocol.property_paths import ABSENT, parse_path, select, value_at


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("content.body", ("content", "body")),
        ("content.m\\.relates_to", ("content", "m.relates_to")),
        ("content.m\\\\foo", ("content", "m\\foo")),
        ("content.\\x", ("content", "\\x")),
        ("type", ("type",)),
        ("", ("",)),
        ("a..b", ("a", "", "b")),
        (".", ("", "")),
        ("a\\", ("a\\",)),
        ("a\\\\.b", ("a\\", "b")),
        ("a\n.b", ("a\n", "b")),
    ],
)
def test_paths_are_parsed(text: str, path: tuple[str, ...]) -> None:
    assert parse_path(text) == path


def test_values_are_found_in_objects_only() -> None:
    event = {"content": {"m.relates_to": {"rel_type": "m.replace"}, "list": [1], "null": None}}
    assert value_at(event, ("content", "m.relates_to", "rel_type")) == "m.replace"
    assert value_at(event, ("content", "null")) is None
    for path in (("content", "x"), ("content", "list", "0"), ("x", "y"), ("content", "null", "a")):
        assert value_at(event, path) is ABSENT


def test_selected_properties_keep_their_places() -> None:
    event = {"type": "t", "content": {"body": "b", "url": "u", "info": {"w": 1}}, "sender": "s"}
    paths = [("content", "body"), ("type",), ("content", "info", "w"), ("content", "none")]
    assert select(event, paths) == {"type": "t", "content": {"body": "b", "info": {"w": 1}}}
    whole_then_part = [("content",), ("content", "body")]
    assert select(event, whole_then_part) == {"content": event["content"]}
    part_then_whole = [("content", "body"), ("content",)]
    assert select(event, part_then_whole) == {"content": event["content"]}
    assert select(event, []) == {}
    assert event["content"] == {"body": "b", "url": "u", "info": {"w": 1}}
