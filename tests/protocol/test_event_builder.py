"""Spec: server-server-api/#adding-hashes-and-signatures-to-outgoing-events"""

import pytest

from chat.protocol import signatures
from chat.protocol.errors import BadJson, EventTooLarge, InvalidEvent
from chat.protocol.event import parse_event
from chat.protocol.identifiers import EventId
from chat_testing.protocol_rooms import ALICE, make_room


def test_a_built_event_is_signed_and_hashed(every_version: str) -> None:
    room = make_room(every_version)
    event = room.send("m.room.message", ALICE, {"body": "hello"})
    assert signatures.content_hash_matches(event.pdu, room.rules)
    assert signatures.event_id(event.pdu, room.rules) == event.event_id
    signatures.verify_event_signature(
        event.pdu, room.rules, "a", room.key.key_id, room.key.verify_key
    )
    assert parse_event(event.pdu, room.rules) == event
    assert event.prev_events == (list(room.events)[-2],)
    assert not event.is_state
    assert ("event_id" in event.pdu) == (every_version in ("1", "2"))


def test_two_equal_drafts_at_one_place_are_one_event_and_others_differ(every_version: str) -> None:
    room = make_room(every_version)
    draft = room.draft("m.room.message", ALICE, {"body": "hello"})
    assert room.event(draft, 5).event_id == room.event(draft, 5).event_id
    assert room.event(draft, 5).event_id != room.event(draft, 6).event_id


def test_a_redaction_names_its_target_where_the_version_wants_it(every_version: str) -> None:
    room = make_room(every_version)
    target = room.send("m.room.message", ALICE, {"body": "hello"})
    draft = room.draft("m.room.redaction", ALICE, {"reason": "r"}, redacts=target.event_id)
    event = room.event(draft)
    assert event.redacts == target.event_id
    assert ("redacts" in event.content) == (int(every_version) >= 11)
    assert ("redacts" in event.pdu) == (int(every_version) < 11)
    assert "redacts" not in draft.content


def test_depth_stops_at_the_limit(every_version: str) -> None:
    room = make_room(every_version)
    draft = room.draft("m.room.message", ALICE, {})
    assert room.event(draft, depth=2**70).depth == room.rules.max_depth


def test_unsigned_travels_without_being_signed() -> None:
    room = make_room("12")
    draft = room.draft("m.room.message", ALICE, {}, unsigned={"age": 1})
    event = room.event(draft, 5)
    assert event.unsigned == {"age": 1}
    assert event.event_id == room.event(room.draft("m.room.message", ALICE, {}), 5).event_id


def test_oversized_events_are_refused() -> None:
    room = make_room("12")
    with pytest.raises(EventTooLarge):
        room.event(room.draft("m.room.message", ALICE, {"body": "x" * 66_000}))


def test_floats_are_refused_where_the_version_forbids_them(every_version: str) -> None:
    room = make_room(every_version)
    draft = room.draft("m.room.message", ALICE, {"value": 0.5})
    if room.rules.strict_canonical_json:
        with pytest.raises(BadJson):
            room.event(draft)
    else:
        assert room.event(draft).content == {"value": 0.5}


@pytest.mark.parametrize("version", ["1", "2"])
def test_old_versions_cite_hashes(version: str) -> None:
    room = make_room(version)
    draft = room.draft("m.room.message", ALICE, {})
    event_id, hashes = room.event(draft).pdu["prev_events"][0]
    digest = signatures.reference_hash(room.events[event_id].pdu, room.rules)
    assert hashes == {"sha256": signatures.encode_base64(digest)}
    with pytest.raises(InvalidEvent, match="reference hash"):
        room.event(draft, prev_events=[EventId("$unknown:a")])
