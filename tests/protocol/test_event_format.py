"""Spec: the "Event format" section of each room version, client-server-api/#size-limits"""

from typing import Any

import pytest

from chat.protocol import canonical_json, event_format
from chat.protocol.errors import BadJson, ChatError, EventTooLarge, InvalidEvent
from chat.protocol.event import Event, parse_event
from chat.protocol.room_versions import rules_for
from chat_testing.protocol_rooms import ALICE, make_room

STRICT = [str(number) for number in range(6, 13)]


def message(version: str) -> dict[str, Any]:
    """A valid message event, to be spoilt."""
    pdu = make_room(version).send("m.room.message", ALICE, {"body": "hello"}).pdu
    return dict(pdu)


def refused(pdu: Any, version: str, error: type[ChatError] = InvalidEvent) -> None:
    with pytest.raises(error):
        parse_event(pdu, rules_for(version))


def test_a_built_event_parses_to_itself(every_version: str) -> None:
    room = make_room(every_version)
    for event in room.events.values():
        parsed = parse_event(event.pdu, room.rules)
        assert parsed == event
        assert (parsed.room_id, parsed.prev_events) == (event.room_id, event.prev_events)


@pytest.mark.parametrize("pdu", [None, [], "x", 1, 1.5, True, {}])
def test_other_values_are_no_events(pdu: Any, every_version: str) -> None:
    refused(pdu, every_version)


@pytest.mark.parametrize(
    "name",
    [
        *("type", "sender", "content", "origin_server_ts", "depth", "prev_events", "auth_events"),
        *("hashes", "signatures", "room_id"),
    ],
)
def test_required_fields(name: str, every_version: str) -> None:
    pdu = message(every_version)
    del pdu[name]
    refused(pdu, every_version)


WRONG: list[tuple[str, Any]] = [
    ("type", 1),
    ("type", None),
    ("sender", "alice"),
    ("sender", ["@a:b"]),
    ("content", []),
    ("content", None),
    ("origin_server_ts", "1"),
    ("origin_server_ts", True),
    ("depth", "1"),
    ("depth", True),
    ("depth", -1),
    ("depth", None),
    ("prev_events", {}),
    ("prev_events", [1]),
    ("prev_events", ["x"]),
    ("prev_events", [["$x"]]),
    ("auth_events", [None]),
    ("auth_events", "$x"),
    ("hashes", {}),
    ("hashes", {"sha256": 1}),
    ("signatures", []),
    ("signatures", {"a": 1}),
    ("signatures", {"a": {"ed25519:1": 1}}),
    ("state_key", 1),
    ("state_key", None),
    ("unsigned", []),
    ("room_id", 1),
    ("room_id", "room"),
    ("room_id", "!room"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_fields_of_the_wrong_type(name: str, value: Any, every_version: str) -> None:
    refused({**message(every_version), name: value}, every_version)


def test_redacts_is_a_top_level_string_before_version_11(every_version: str) -> None:
    pdu = {**message(every_version), "redacts": 5}
    if int(every_version) < 11:
        refused(pdu, every_version)
    else:
        assert parse_event(pdu, rules_for(every_version)).redacts is None


@pytest.mark.parametrize("version", ["1", "2"])
def test_references_with_hashes(version: str) -> None:
    pdu = message(version)
    refused({**pdu, "prev_events": ["$x:a"]}, version)
    refused({**pdu, "prev_events": [["$x:a", "hash"]]}, version)
    refused({**pdu, "event_id": "$x"}, version)
    refused({name: value for name, value in pdu.items() if name != "event_id"}, version)
    pairs = [["$x:a", {"sha256": "h"}], ["$y:b", {}]]
    event = parse_event({**pdu, "prev_events": pairs}, rules_for(version))
    assert event.prev_events == ("$x:a", "$y:b")


@pytest.mark.parametrize("version", ["3", "12"])
def test_references_without_hashes(version: str) -> None:
    refused({**message(version), "auth_events": [["$x", {"sha256": "h"}]]}, version)


def reference(version: str, number: int) -> Any:
    return [f"$e{number}:a", {"sha256": "h"}] if version in ("1", "2") else f"$e{number}"


@pytest.mark.parametrize(("name", "limit"), [("prev_events", 20), ("auth_events", 10)])
def test_numbers_of_references(name: str, limit: int, every_version: str) -> None:
    pdu = message(every_version)
    references = [reference(every_version, number) for number in range(limit + 1)]
    refused({**pdu, name: references}, every_version)
    assert parse_event({**pdu, name: references[1:]}, rules_for(every_version))


def test_depth_range(every_version: str) -> None:
    rules = rules_for(every_version)
    limit = 2**53 - 1 if every_version in STRICT else 2**63 - 1
    pdu = message(every_version)
    assert parse_event({**pdu, "depth": limit}, rules).depth == limit
    assert parse_event({**pdu, "depth": 0}, rules).depth == 0
    refused({**pdu, "depth": limit + 1}, every_version, BadJson)


def test_floats_and_wide_integers_in_content(every_version: str) -> None:
    for value in (1.5, 2**60):
        pdu = {**message(every_version), "content": {"value": value}}
        if every_version in STRICT:
            refused(pdu, every_version, BadJson)
        else:
            assert parse_event(pdu, rules_for(every_version)).content == {"value": value}


def test_a_lone_surrogate_is_refused(every_version: str) -> None:
    refused({**message(every_version), "content": {"body": "\ud800"}}, every_version, BadJson)


def test_room_ids_have_a_server_until_version_11(every_version: str) -> None:
    room_id = "!room:a" if every_version == "12" else "!" + "A" * 43
    refused({**message(every_version), "room_id": room_id}, every_version)


def test_only_a_create_event_goes_without_room_id_in_version_12() -> None:
    create = next(iter(make_room("12").events.values()))
    assert "room_id" not in create.pdu
    assert create.room_id == "!" + create.event_id[1:]


def padded(pdu: dict[str, Any], size_bytes: int) -> dict[str, Any]:
    empty = {**pdu, "content": {"body": ""}}
    room = size_bytes - len(canonical_json.encode(empty, strict=False))
    return {**pdu, "content": {"body": "ä" * (room // 2) + "a" * (room % 2)}}


def test_an_event_has_65536_bytes_at_most(every_version: str) -> None:
    rules = rules_for(every_version)
    pdu = message(every_version)
    assert parse_event(padded(pdu, 65_536), rules)
    with pytest.raises(EventTooLarge):
        parse_event(padded(pdu, 65_537), rules)


@pytest.mark.parametrize("name", ["type", "state_key"])
def test_short_fields_have_255_bytes_at_most(name: str, every_version: str) -> None:
    pdu = message(every_version)
    assert parse_event({**pdu, name: "ä" * 127 + "a"}, rules_for(every_version))
    refused({**pdu, name: "ä" * 128}, every_version, EventTooLarge)


def test_identifiers_have_255_bytes_at_most() -> None:
    refused({**message("12"), "sender": "@" + "a" * 253 + ":b"}, "12", EventTooLarge)
    refused({**message("11"), "room_id": "!" + "a" * 253 + ":b"}, "11", EventTooLarge)
    refused({**message("1"), "event_id": "$" + "a" * 253 + ":b"}, "1", EventTooLarge)


def test_historical_senders_are_accepted() -> None:
    assert parse_event({**message("12"), "sender": "@Älice !:a"}, rules_for("12"))


def test_stripped_state_has_four_keys() -> None:
    room = make_room("12")
    events = list(room.events.values())
    stripped = event_format.stripped_state(events)
    assert len(stripped) == len(events)
    for event, one in zip(events, stripped, strict=True):
        assert one == {
            "type": event.type,
            "sender": event.sender,
            "state_key": event.state_key,
            "content": event.content,
        }


def test_received_stripped_state_is_cut_down() -> None:
    good = {"type": "t", "sender": "@a:b", "state_key": "", "content": {}}
    assert event_format.strip_event({**good, "event_id": "$x", "unsigned": {}}) == good
    for name in good:
        assert event_format.strip_event({**good, name: 1}) is None
        assert event_format.strip_event({k: v for k, v in good.items() if k != name}) is None
    assert event_format.strip_event("x") is None


def test_events_are_equal_by_id_and_cannot_be_changed() -> None:
    room = make_room("12")
    event = room.send("m.room.message", ALICE, {"body": "x"})
    twin = Event.trusted(event.event_id, event.pdu, room.rules)
    assert twin == event
    assert len({twin, event}) == 1
    assert event != event.event_id
    with pytest.raises(AttributeError):
        event.depth = 7  # type: ignore[misc]
    assert "hello" not in repr(event)
