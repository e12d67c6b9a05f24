"""Every vector, in every room version it names; and the oracle agrees with all of them."""

import base64
import itertools
import json
from collections.abc import Callable
from typing import Any

import checks
import generate
import naive_json
import oracle
import pytest
import vectors
from rule_numbers import VERSIONS
from subject import Subject, event_of, rejected_ids

from chat.protocol import (
    canonical_json,
    event_format,
    globs,
    identifiers,
    property_paths,
    redaction,
    signatures,
)
from chat.protocol.errors import ChatError, EventTooLarge, InvalidIdentifier
from chat.protocol.event import parse_event
from chat.protocol.room_versions import rules_for

LISTS: dict[str, Callable[[], list[checks.Check]]] = {
    "auth": checks.auth_checks,
    "auth_events": checks.auth_events_checks,
    "resolution": checks.resolution_checks,
    "further": checks.further_checks,
}


def _named_cases() -> list[Any]:
    grouped: dict[tuple[str, str], list[checks.Check]] = {}
    for kind, make in LISTS.items():
        for check in make():
            grouped.setdefault((kind, check.name), []).append(check)
    return [pytest.param(group, id=f"{kind}: {name}") for (kind, name), group in grouped.items()]


@pytest.mark.parametrize("group", _named_cases())
def test_vector_holds_in_every_version(group: list[checks.Check]) -> None:
    subject = Subject()
    wrong = {check.version: message for check in group if (message := check.run(subject))}
    assert not wrong


def test_the_vector_files_are_up_to_date() -> None:
    assert generate.main(["--check"]) == 0


def test_there_are_enough_resolution_cases() -> None:
    assert len(vectors.load("resolution.json")["cases"]) >= 60


def test_no_case_name_stands_twice() -> None:
    for name in ("auth.json", "auth_events.json", "resolution.json"):
        names = [case["name"] for case in vectors.load(name)["cases"]]
        assert len(names) == len(set(names)), name


# ---------------------------------------------------------------- the oracle agrees


def test_the_oracle_agrees_with_the_auth_vectors() -> None:
    wrong = []
    for vector in vectors.auth_vectors():
        verdict = oracle.authorise(vector.event, vector.state, vector.version, vector.signed_by)
        if (verdict.allowed, verdict.rule) != (vector.allowed, vector.rule):
            wrong.append((vector.name, vector.version, verdict))
    assert not wrong


def test_the_oracle_agrees_with_the_auth_events_vectors() -> None:
    wrong = []
    for vector in vectors.auth_events_vectors():
        verdict = oracle.judge_auth_events(vector.event, vector.auth_events, vector.version)
        if verdict.allowed != vector.allowed or verdict.reached[-1] != vector.rule:
            wrong.append((vector.name, vector.version, verdict))
    assert not wrong


def test_the_oracle_agrees_with_the_resolution_vectors() -> None:
    wrong = []
    for vector in vectors.resolution_vectors():
        expected = vectors.common_entries(vector.states)
        expected |= {oracle.key_of(vector.room[one]): one for one in vector.winners}
        if oracle.resolve(vector.version, vector.states, vector.room) != expected:
            wrong.append((vector.name, vector.version))
    assert not wrong


def test_the_published_state_resets_are_wrong_before_version_12_and_right_in_it() -> None:
    kept = {
        "MSC4297 problem A: join rules reset": "rulesInvite",
        "MSC4297 problem B: power levels reset": "power3",
    }
    for case in vectors.load("resolution.json")["cases"]:
        if case["name"] in kept:
            resolved = dict(vectors.versions_of(case["resolved"]))
            assert kept.pop(case["name"]) in resolved["12"]
            assert not set(resolved["12"]) <= set(resolved["11"])
    assert not kept


# ---------------------------------------------------------------- orders of the inputs


@pytest.mark.parametrize("version", ["1", "2", "12"])
def test_the_order_of_the_states_does_not_matter(version: str) -> None:
    subject = Subject()
    for vector in vectors.resolution_vectors():
        if vector.version == version:
            room = {one: event_of(pdu, version) for one, pdu in vector.room.items()}
            rejected = rejected_ids(vector.room)
            results = [
                subject.resolve(version, list(order), room, rejected)
                for order in itertools.permutations(vector.states[:3])
            ]
            assert all(result == results[0] for result in results), vector.name


# ---------------------------------------------------------------- canonical JSON


@pytest.mark.parametrize(
    "case", vectors.load("canonical_json.json")["cases"], ids=lambda case: case["name"]
)
@pytest.mark.parametrize("strict", [True, False])
def test_canonical_json(case: dict[str, Any], strict: bool) -> None:
    accepted = case["strict" if strict else "lenient"]

    def encoded() -> bytes:
        text = case["input"].encode()
        return canonical_json.encode(canonical_json.decode(text), strict=strict)

    if accepted:
        assert encoded().decode() == case["canonical"]
    else:
        with pytest.raises(ChatError):
            encoded()


@pytest.mark.parametrize("version", VERSIONS)
def test_only_versions_from_6_on_are_strict(version: str) -> None:
    assert rules_for(version).strict_canonical_json == (int(version) >= 6)


# ---------------------------------------------------------------- hashes and signatures

SIGNING = vectors.load("signing.json")


def _key() -> signatures.SigningKey:
    return signatures.load_signing_key(f"ed25519 1 {SIGNING['seed']}")


@pytest.mark.parametrize(("plain", "encoded"), SIGNING["base64"])
def test_unpadded_base64(plain: str, encoded: str) -> None:
    padded = base64.b64encode(plain.encode()).decode()
    assert signatures.encode_base64(plain.encode()) == encoded
    assert signatures.decode_base64(encoded) == plain.encode()
    assert signatures.decode_base64(padded) == plain.encode()


@pytest.mark.parametrize("case", SIGNING["objects"], ids=lambda case: case["name"])
def test_json_signing(case: dict[str, Any]) -> None:
    key = _key()
    signed = signatures.sign_json(case["object"], SIGNING["server"], key)
    assert signed == {
        **case["object"],
        "signatures": {SIGNING["server"]: {SIGNING["key_id"]: case["signature"]}},
    }
    signatures.verify_json(signed, SIGNING["server"], SIGNING["key_id"], key.verify_key)


def _event_signings() -> list[Any]:
    return [
        pytest.param(case, version, id=f"{case['name']}, version {version}")
        for case in SIGNING["events"]
        for version in case["versions"]
    ]


@pytest.mark.parametrize(("case", "version"), _event_signings())
def test_event_signing(case: dict[str, Any], version: str) -> None:
    key, rules = _key(), rules_for(version)
    signed = signatures.hash_and_sign_event(case["event"], rules, SIGNING["server"], key)
    assert signed == {
        **case["event"],
        "hashes": {"sha256": case["sha256"]},
        "signatures": {SIGNING["server"]: {SIGNING["key_id"]: case["signature"]}},
    }
    assert signatures.content_hash_matches(signed, rules)
    assert not signatures.content_hash_matches({**signed, "depth": 4}, rules)
    place = (SIGNING["server"], SIGNING["key_id"], key.verify_key)
    signatures.verify_event_signature(signed, rules, *place)
    redacted = redaction.redact(signed, rules)
    signatures.verify_event_signature(redacted, rules, *place)
    with pytest.raises(ChatError):
        signatures.verify_event_signature({**signed, "sender": "@x:domain"}, rules, *place)


@pytest.mark.parametrize(
    ("case", "version"),
    [
        pytest.param(case, version, id=f"{case['name']}, version {version}")
        for case in SIGNING["event_ids"]
        for version in case["versions"]
    ],
)
def test_event_id(case: dict[str, Any], version: str) -> None:
    assert signatures.event_id(case["event"], rules_for(version)) == case["event_id"]


@pytest.mark.parametrize(
    "case", vectors.load("key_validity.json")["cases"], ids=lambda case: case["name"]
)
def test_key_validity(case: dict[str, Any]) -> None:
    for version in case["versions"]:
        found = signatures.key_valid(case["origin_server_ts"], rules_for(version), **case["key"])
        assert found == case["valid"], version


# ---------------------------------------------------------------- event formats


def _format_groups() -> list[Any]:
    return [
        pytest.param(case, id=f"{case['name']}, version {case['versions'][0]}")
        for case in vectors.load("event_format.json")["cases"]
    ]


@pytest.mark.parametrize("case", _format_groups())
def test_event_format(case: dict[str, Any]) -> None:
    for version in case["versions"]:
        example = vectors.load("event_format.json")["examples"][version]
        event = {**example, **case["set"]}
        for name in case["drop"]:
            del event[name]
        if case["valid"]:
            parse_event(event, rules_for(version))
        else:
            with pytest.raises(ChatError):
                parse_event(event, rules_for(version))


def test_every_version_has_an_example_of_its_format() -> None:
    assert set(vectors.load("event_format.json")["examples"]) == set(VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_event_has_at_most_65536_bytes(version: str) -> None:
    example = vectors.load("event_format.json")["examples"][version]
    bare = len(naive_json.encode({**example, "content": {"body": ""}}))
    full = {**example, "content": {"body": "x" * (65_536 - bare)}}
    assert event_format.check_size(full, rules_for(version)) == 65_536
    parse_event(full, rules_for(version))
    with pytest.raises(EventTooLarge):
        parse_event({**full, "content": {"body": "x" * (65_537 - bare)}}, rules_for(version))


# ---------------------------------------------------------------- paths and globs


@pytest.mark.parametrize(("text", "names"), vectors.load("patterns.json")["paths"])
def test_property_path(text: str, names: list[str]) -> None:
    assert list(property_paths.parse_path(text)) == names


@pytest.mark.parametrize(("pattern", "text", "expected"), vectors.load("patterns.json")["globs"])
def test_glob(pattern: str, text: str, expected: bool) -> None:
    assert globs.Glob(pattern).matches(text) == expected


# ---------------------------------------------------------------- redaction


@pytest.mark.parametrize(
    ("case", "version"),
    [
        pytest.param(case, version, id=f"{case['name']}, version {version}")
        for case in vectors.load("redaction.json")["cases"]
        for version in case["versions"]
    ],
)
def test_redaction(case: dict[str, Any], version: str) -> None:
    before = json.dumps(case["event"])
    assert redaction.redact(case["event"], rules_for(version)) == case["redacted"]
    assert json.dumps(case["event"]) == before, "the original must stay whole"


def test_redaction_vectors_run_in_every_version() -> None:
    covered: dict[str, set[str]] = {}
    for case in vectors.load("redaction.json")["cases"]:
        covered.setdefault(case["name"], set()).update(case["versions"])
    assert all(versions == set(VERSIONS) for versions in covered.values())


# ---------------------------------------------------------------- identifiers

PARSERS: dict[str, Callable[[str], Any]] = {
    "server_name": identifiers.parse_server_name,
    "user_id": identifiers.parse_user_id,
    "room_alias": identifiers.parse_room_alias,
    "room_id": identifiers.parse_room_id,
    "event_id": identifiers.parse_event_id,
    "mxc": identifiers.parse_mxc,
}


def _identifiers(*groups: str) -> list[Any]:
    kinds = vectors.load("identifiers.json")["kinds"]
    return [
        pytest.param(kind, text, id=f"{kind} {text[:40]!a}")
        for kind, texts in kinds.items()
        for group in groups
        for text in texts.get(group, [])
    ]


@pytest.mark.parametrize(("kind", "text"), _identifiers("valid", "historical"))
def test_identifier_is_accepted(kind: str, text: str) -> None:
    PARSERS[kind](text)


@pytest.mark.parametrize(("kind", "text"), _identifiers("invalid"))
def test_identifier_is_refused(kind: str, text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        PARSERS[kind](text)


@pytest.mark.parametrize(("kind", "text"), _identifiers("historical"))
def test_historical_user_id_is_refused_for_new_users(kind: str, text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        identifiers.parse_user_id(text, historical=False)
