"""Spec: the "Redactions" section of each room version."""

from typing import Any

import pytest

from chat.protocol.errors import InvalidEvent
from chat.protocol.redaction import redact
from chat.protocol.room_versions import rules_for

TOP_LEVEL = {
    "event_id": "$e",
    "type": "m.test",
    "room_id": "!r",
    "sender": "@s",
    "state_key": "",
    "hashes": {},
    "signatures": {},
    "depth": 1,
    "prev_events": [],
    "auth_events": [],
    "origin_server_ts": 1,
}
UNTIL_V10 = {"prev_state": [], "origin": "o", "membership": "join"}
GOES = {"unsigned": {}, "redacts": "$x", "age": 1, "org.example": True}


def redacted_content(version: str, event_type: str, content: dict[str, Any]) -> dict[str, Any]:
    pdu = {**TOP_LEVEL, "type": event_type, "content": content}
    result: dict[str, Any] = redact(pdu, rules_for(version))["content"]
    return result


def test_top_level_keys(every_version: str) -> None:
    pdu = {**TOP_LEVEL, **UNTIL_V10, **GOES, "content": {"body": 1}}
    kept = TOP_LEVEL if int(every_version) >= 11 else {**TOP_LEVEL, **UNTIL_V10}
    assert redact(pdu, rules_for(every_version)) == {**kept, "content": {}}


LEVELS = ["ban", "events", "events_default", "kick", "redact", "state_default", "users"]
KEPT: list[tuple[str, list[str], int, int]] = [
    ("m.room.member", ["membership"], 1, 12),
    ("m.room.member", ["join_authorised_via_users_server"], 9, 12),
    ("m.room.create", ["creator"], 1, 12),
    ("m.room.create", ["room_version", "org.example", "additional_creators"], 11, 12),
    ("m.room.join_rules", ["join_rule"], 1, 12),
    ("m.room.join_rules", ["allow"], 8, 12),
    ("m.room.power_levels", [*LEVELS, "users_default"], 1, 12),
    ("m.room.power_levels", ["invite"], 11, 12),
    ("m.room.aliases", ["aliases"], 1, 5),
    ("m.room.history_visibility", ["history_visibility"], 1, 12),
    ("m.room.redaction", ["redacts"], 11, 12),
    ("m.room.power_levels", ["notifications"], 13, 13),
    ("m.room.member", ["displayname", "reason", "third_party_invite"], 13, 13),
    ("m.room.message", ["body"], 13, 13),
    ("m.room.join_rules", ["org.example"], 13, 13),
]


@pytest.mark.parametrize(("event_type", "keys", "first", "last"), KEPT)
def test_content_keys(
    event_type: str, keys: list[str], first: int, last: int, every_version: str
) -> None:
    content = dict.fromkeys(keys, "x")
    kept = content if first <= int(every_version) <= last else {}
    assert redacted_content(every_version, event_type, content) == kept


def test_a_third_party_invite_keeps_what_was_signed(every_version: str) -> None:
    content = {"third_party_invite": {"signed": {"token": "t"}, "display_name": "D"}}
    kept = {"third_party_invite": {"signed": {"token": "t"}}} if int(every_version) >= 11 else {}
    assert redacted_content(every_version, "m.room.member", content) == kept


@pytest.mark.parametrize("invite", [{}, {"display_name": "D"}, "text", None, [1]])
def test_a_third_party_invite_without_signed_goes(invite: Any) -> None:
    assert redacted_content("12", "m.room.member", {"third_party_invite": invite}) == {}


def test_the_original_stays_whole() -> None:
    pdu = {**TOP_LEVEL, "content": {"body": "text"}, "unsigned": {}}
    redact(pdu, rules_for("12"))
    assert pdu == {**TOP_LEVEL, "content": {"body": "text"}, "unsigned": {}}


def test_odd_types_are_no_trouble() -> None:
    assert redact({"type": ["x"], "content": {"a": 1}}, rules_for("12")) == {
        "type": ["x"],
        "content": {},
    }
    assert redact({}, rules_for("12")) == {}
    with pytest.raises(InvalidEvent):
        redact({"type": "x", "content": []}, rules_for("12"))
