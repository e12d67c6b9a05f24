"""Spec: appendices/#cryptographic-test-vectors, server-server-api/#signing-events"""

import copy
from typing import Any

import pytest

from chat.protocol import signatures
from chat.protocol.errors import InvalidEvent, InvalidIdentifier, InvalidParam, SignatureInvalid
from chat.protocol.room_versions import ROOM_VERSIONS, rules_for
from chat.protocol.signatures import SignedEvent, SigningKey, decode_base64, encode_base64
from chat_testing.protocol_rooms import ALICE, SEED, Room, make_room

DAY_MS = 24 * 60 * 60 * 1000


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"f", "Zg"),
        (b"fo", "Zm8"),
        (b"foo", "Zm9v"),
        (b"foob", "Zm9vYg"),
        (b"fooba", "Zm9vYmE"),
        (b"foobar", "Zm9vYmFy"),
    ],
)
def test_base64_examples_of_the_spec(data: bytes, text: str) -> None:
    assert encode_base64(data) == text
    assert decode_base64(text) == data
    assert decode_base64(text + "=" * (-len(text) % 4)) == data


def test_both_base64_alphabets_are_read() -> None:
    assert encode_base64(b"\xfb\xff") == "+/8"
    assert encode_base64(b"\xfb\xff", url_safe=True) == "-_8"
    assert decode_base64("-_8") == decode_base64("+/8") == b"\xfb\xff"


@pytest.mark.parametrize("text", ["a", "a b", "ab\n", "ä", "=ab", "ab===", None, 5, b"Zg"])
def test_what_is_no_base64_is_refused(text: Any) -> None:
    with pytest.raises(InvalidParam):
        decode_base64(text)


JSON_VECTORS: list[tuple[dict[str, Any], str]] = [
    (
        {},
        "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ",
    ),
    (
        {"one": 1, "two": "Two"},
        "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
    ),
]


@pytest.mark.parametrize(("obj", "signature"), JSON_VECTORS)
def test_json_signing_vectors(obj: dict[str, Any], signature: str, key: SigningKey) -> None:
    before = copy.deepcopy(obj)
    signed = signatures.sign_json(obj, "domain", key)
    assert signed == {**obj, "signatures": {"domain": {"ed25519:1": signature}}}
    assert obj == before
    signatures.verify_json(signed, "domain", "ed25519:1", key.verify_key)


MINIMAL_EVENT = {
    "room_id": "!x:domain",
    "sender": "@a:domain",
    "origin": "domain",
    "origin_server_ts": 1000000,
    "signatures": {},
    "hashes": {},
    "type": "X",
    "content": {},
    "prev_events": [],
    "auth_events": [],
    "depth": 3,
    "unsigned": {"age_ts": 1000000},
}
REDACTABLE_EVENT = {
    "content": {"body": "Here is the message content"},
    "event_id": "$0:domain",
    "origin": "domain",
    "origin_server_ts": 1000000,
    "type": "m.room.message",
    "room_id": "!r:domain",
    "sender": "@u:domain",
    "signatures": {},
    "unsigned": {"age_ts": 1000000},
}
EVENT_VECTORS = [
    (
        MINIMAL_EVENT,
        "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos",
        "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg",
    ),
    (
        REDACTABLE_EVENT,
        "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g",
        "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA",
    ),
]


@pytest.mark.parametrize(("pdu", "content_hash", "signature"), EVENT_VECTORS)
def test_event_signing_vectors(
    pdu: dict[str, Any], content_hash: str, signature: str, key: SigningKey
) -> None:
    rules = ROOM_VERSIONS["1"]
    signed = signatures.hash_and_sign_event(pdu, rules, "domain", key)
    assert signed == {
        **pdu,
        "hashes": {"sha256": content_hash},
        "signatures": {"domain": {"ed25519:1": signature}},
    }
    signatures.verify_event_signature(signed, rules, "domain", "ed25519:1", key.verify_key)
    assert signatures.content_hash_matches(signed, rules)


def test_a_second_signature_joins_the_first(key: SigningKey) -> None:
    other = signatures.generate_signing_key("2", bytes(32))
    signed = signatures.sign_json({"a": 1, "unsigned": {"age": 2}}, "one", key)
    twice = signatures.sign_json(signed, "two", other)
    assert twice["unsigned"] == {"age": 2}
    signatures.verify_json(twice, "one", "ed25519:1", key.verify_key)
    signatures.verify_json(twice, "two", "ed25519:2", other.verify_key)


def test_what_is_unsigned_may_change(key: SigningKey) -> None:
    signed = signatures.sign_json({"a": 1}, "one", key)
    signatures.verify_json({**signed, "unsigned": {}}, "one", "ed25519:1", key.verify_key)


GOOD = signatures.sign_json({"a": 1}, "one", signatures.generate_signing_key("1", SEED))


@pytest.mark.parametrize(
    "obj",
    [
        {**GOOD, "a": 2},
        {"a": 1},
        {"a": 1, "signatures": None},
        {"a": 1, "signatures": {"one": []}},
        {"a": 1, "signatures": {"two": GOOD["signatures"]["one"]}},
        {"a": 1, "signatures": {"one": {"ed25519:1": 5}}},
        {"a": 1, "signatures": {"one": {"ed25519:1": "!"}}},
        {"a": 1, "signatures": {"one": {"ed25519:1": "AAAA"}}},
        {"a": 1, "signatures": {"one": {"rsa:1": GOOD["signatures"]["one"]["ed25519:1"]}}},
    ],
)
def test_missing_and_wrong_signatures_are_refused(obj: dict[str, Any], key: SigningKey) -> None:
    with pytest.raises(SignatureInvalid):
        signatures.verify_json(obj, "one", "ed25519:1", key.verify_key)


def test_another_key_does_not_verify() -> None:
    other = signatures.generate_signing_key("1", bytes(32))
    with pytest.raises(SignatureInvalid):
        signatures.verify_json(GOOD, "one", "ed25519:1", other.verify_key)


def test_floats_of_requests_can_be_signed(key: SigningKey) -> None:
    signed = signatures.sign_json({"pdus": [{"depth": 1.5}]}, "one", key)
    signatures.verify_json(signed, "one", "ed25519:1", key.verify_key)


def test_a_key_file_line_is_read_and_written(key: SigningKey) -> None:
    # The vector's seed, but with the spare bits of its last character zero.
    line = "ed25519 a_1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA0"
    loaded = signatures.load_signing_key(line + "\n")
    assert loaded.key_id == "ed25519:a_1"
    assert loaded.public_base64 == key.public_base64
    assert signatures.dump_signing_key(loaded) == line
    assert signatures.load_verify_key(loaded.public_base64) == key.verify_key


@pytest.mark.parametrize("line", ["", "ed25519 1", "rsa 1 AAAA", "ed25519 1 AAAA", "ed25519 a-b x"])
def test_malformed_key_lines_are_refused(line: str) -> None:
    with pytest.raises(InvalidParam):
        signatures.load_signing_key(line)


def test_a_verify_key_has_32_bytes() -> None:
    with pytest.raises(InvalidParam):
        signatures.load_verify_key("AAAA")


@pytest.mark.parametrize("version", ["4", "5"])
def test_old_keys_count_until_they_were_retired(version: str) -> None:
    rules = rules_for(version)
    dates = {"fetched_ts": 0, "valid_until_ts": 0, "expired_ts": 1000}
    assert signatures.key_valid(1000, rules, **dates)
    assert not signatures.key_valid(1001, rules, **dates)


def test_versions_before_5_ignore_how_long_a_key_is_valid() -> None:
    dates = {"fetched_ts": 0, "valid_until_ts": 1000}
    assert signatures.key_valid(1001, rules_for("4"), **dates)
    assert signatures.key_valid(1000, rules_for("5"), **dates)
    assert not signatures.key_valid(1001, rules_for("5"), **dates)


def test_a_key_is_valid_for_7_days_at_most() -> None:
    dates = {"fetched_ts": DAY_MS, "valid_until_ts": 100 * DAY_MS}
    assert signatures.key_valid(8 * DAY_MS, rules_for("12"), **dates)
    assert not signatures.key_valid(8 * DAY_MS + 1, rules_for("12"), **dates)


def test_event_ids_by_version() -> None:
    pdu = {**REDACTABLE_EVENT, "hashes": {"sha256": "A"}}
    digest = signatures.reference_hash(pdu, rules_for("3"))
    assert signatures.event_id(pdu, rules_for("2")) == "$0:domain"
    assert signatures.event_id(pdu, rules_for("3")) == "$" + encode_base64(digest)
    assert signatures.event_id(pdu, rules_for("4")) == "$" + encode_base64(digest, url_safe=True)
    with pytest.raises(InvalidEvent):
        signatures.event_id({"type": "x"}, rules_for("1"))


def test_the_reference_hash_covers_the_redacted_event(every_version: str) -> None:
    room = make_room(every_version)
    event = room.send("m.room.message", ALICE, {"body": "hello"})
    changed = {**event.pdu, "content": {"body": "bye"}, "unsigned": {"age": 1}, "signatures": {}}
    rules = room.rules
    assert signatures.reference_hash(changed, rules) == signatures.reference_hash(event.pdu, rules)
    assert not signatures.content_hash_matches(changed, rules)
    assert signatures.content_hash_matches(event.pdu, rules)


@pytest.mark.parametrize("hashes", [None, {}, {"sha256": 1}, {"sha256": "?"}, {"sha256": ""}])
def test_an_event_without_content_hash_does_not_match(hashes: Any) -> None:
    pdu = {**MINIMAL_EVENT, "hashes": hashes}
    assert not signatures.content_hash_matches(pdu, rules_for("4"))


def member_pdu(room: Room, **content: Any) -> dict[str, Any]:
    return {
        "type": "m.room.member",
        "sender": "@a:one",
        "event_id": "$e:two",
        "content": {"membership": "join", **content},
    }


def test_who_has_to_sign(every_version: str) -> None:
    room = make_room(every_version)
    rules = room.rules
    by_id = {"two"} if rules.version in ("1", "2") else set()
    restricted = {"three"} if rules.restricted_joins else set()
    via = {"join_authorised_via_users_server": "@x:three"}
    third_party = {"membership": "invite", "third_party_invite": {}}
    required = signatures.required_signers
    assert required(member_pdu(room), rules) == {"one"} | by_id
    assert required(member_pdu(room, **via), rules) == {"one"} | by_id | restricted
    assert required(member_pdu(room, **third_party), rules) == by_id


def test_a_signer_without_server_is_refused() -> None:
    with pytest.raises(InvalidIdentifier):
        signatures.required_signers({"sender": "nobody"}, rules_for("12"))


def test_many_signatures_are_judged_one_by_one(key: SigningKey) -> None:
    room = make_room("12")
    event = room.send("m.room.message", ALICE, {"body": "hello"})
    good = SignedEvent(event.pdu, room.rules, "a", "ed25519:1", key.verify_key)
    bad = good._replace(server="b")
    broken = good._replace(pdu={**event.pdu, "depth": 1.5})
    assert signatures.verify_many([good, bad, broken, good]) == [True, False, False, True]
