"""Spec: client-server-api/#filtering"""

from typing import Any

import pytest

from chat.protocol.errors import BadJson
from chat.protocol.filters import compile_event_filter, compile_sync_filter

SENDER = "@alice:a"


def included(data: dict[str, Any], event_type: str = "m.room.message", **content: Any) -> bool:
    return compile_event_filter(data).matches(event_type, SENDER, content)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, True),
        ({"types": ["m.room.message"]}, True),
        ({"types": []}, False),
        ({"types": ["m.room.*"]}, True),
        ({"types": ["*.message"]}, True),
        ({"types": ["m.*.message", "x"]}, True),
        ({"types": ["m.room.messag?"]}, False),
        ({"types": ["m.room"]}, False),
        ({"not_types": ["m.room.message"]}, False),
        ({"not_types": ["m.call.*"]}, True),
        ({"types": ["m.room.message"], "not_types": ["m.*"]}, False),
        ({"senders": [SENDER]}, True),
        ({"senders": ["@bob:b"]}, False),
        ({"senders": []}, False),
        ({"not_senders": [SENDER]}, False),
        ({"senders": [SENDER], "not_senders": [SENDER]}, False),
        ({"contains_url": True}, False),
        ({"contains_url": False}, True),
        ({"types": None, "org.example.unknown": 5}, True),
    ],
)
def test_event_filters(data: dict[str, Any], expected: bool) -> None:
    assert included(data, body="x") is expected


def test_filters_that_leave_nothing_out_are_known() -> None:
    for data in ({}, {"limit": 5, "lazy_load_members": True}, {"types": None}):
        assert compile_event_filter(data).includes_all
    for name in ("types", "not_types", "senders", "not_senders", "rooms", "not_rooms"):
        assert not compile_event_filter({name: []}).includes_all
    assert not compile_event_filter({"contains_url": False}).includes_all


def test_urls() -> None:
    assert included({"contains_url": True}, url="mxc://a/b")
    assert not included({"contains_url": False}, url=None)


def test_rooms() -> None:
    some = compile_event_filter({"rooms": ["!a:a", "!b:b"], "not_rooms": ["!b:b"]})
    assert [some.matches_room(room) for room in ("!a:a", "!b:b", "!c:c")] == [True, False, False]
    others = compile_event_filter({"not_rooms": ["!b:b"]})
    assert [others.matches_room(room) for room in ("!a:a", "!b:b")] == [True, False]
    assert not compile_event_filter({"rooms": []}).matches_room("!a:a")


def test_options() -> None:
    plain = compile_event_filter({})
    assert plain.limit is None
    assert not plain.lazy_load_members
    assert not plain.include_redundant_members
    assert not plain.unread_thread_notifications
    options = {
        "limit": 7,
        "lazy_load_members": True,
        "include_redundant_members": True,
        "unread_thread_notifications": True,
    }
    full = compile_event_filter(options)
    assert full.limit == 7
    assert full.lazy_load_members
    assert full.include_redundant_members
    assert full.unread_thread_notifications


def test_a_sync_filter() -> None:
    compiled = compile_sync_filter(
        {
            "event_fields": ["type", "content.m\\.x"],
            "event_format": "federation",
            "presence": {"types": []},
            "account_data": {"not_types": ["*"]},
            "room": {
                "rooms": ["!a:a"],
                "include_leave": True,
                "timeline": {"limit": 3},
                "state": {"lazy_load_members": True},
                "ephemeral": {"types": ["m.typing"]},
                "account_data": {"types": ["m.tag"]},
            },
        }
    )
    assert compiled.event_fields == (("type",), ("content", "m.x"))
    assert compiled.federation_format
    assert not compiled.presence.matches("m.presence", SENDER, {})
    assert not compiled.account_data.matches("m.direct", None, {})
    room = compiled.room
    assert room.include_leave
    assert room.matches_room("!a:a")
    assert not room.matches_room("!b:b")
    assert room.timeline.limit == 3
    assert room.state.lazy_load_members
    assert room.ephemeral.matches("m.typing", None, {})
    assert not room.account_data.matches("m.fully_read", None, {})


def test_an_empty_filter_includes_everything() -> None:
    compiled = compile_sync_filter({})
    assert compiled.event_fields is None
    assert not compiled.federation_format
    assert not compiled.room.include_leave
    assert compiled.room.matches_room("!a:a")
    parts = [compiled.presence, compiled.account_data, compiled.room.state]
    assert all(part.includes_all for part in [*parts, compiled.room.timeline])


def test_rooms_can_be_left_out() -> None:
    room = compile_sync_filter({"room": {"not_rooms": ["!a:a"]}}).room
    assert not room.matches_room("!a:a")
    assert room.matches_room("!b:b")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ([], "filter"),
        (None, "filter"),
        ({"room": []}, "room"),
        ({"room": {"timeline": 5}}, "filter"),
        ({"room": {"timeline": {"types": "x"}}}, "types"),
        ({"room": {"state": {"not_types": [1]}}}, "not_types"),
        ({"presence": {"senders": {}}}, "senders"),
        ({"account_data": {"limit": "5"}}, "limit"),
        ({"account_data": {"limit": True}}, "limit"),
        ({"account_data": {"limit": -1}}, "limit"),
        ({"room": {"state": {"lazy_load_members": 1}}}, "lazy_load_members"),
        ({"room": {"timeline": {"contains_url": "yes"}}}, "contains_url"),
        ({"room": {"rooms": "!a:a"}}, "rooms"),
        ({"room": {"include_leave": "yes"}}, "include_leave"),
        ({"event_fields": "type"}, "event_fields"),
        ({"event_format": "xml"}, "event_format"),
        ({"event_format": []}, "event_format"),
    ],
)
def test_malformed_filters_are_refused_by_field(data: Any, field: str) -> None:
    with pytest.raises(BadJson, match=field):
        compile_sync_filter(data)
