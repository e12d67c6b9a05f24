"""Hostile input into every public function: only declared refusals, in bounded time.

Random JSON from Hypothesis, and the classics by hand: nesting of 10 000, keys of 64 KiB, integers
of 100 000 digits. A function may answer or raise a ChatError; any other exception is a fault.
"""

import ast
import contextlib
import json
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rule_numbers import VERSIONS
from test_purity import FILES, PROTOCOL

from chat.protocol import (
    auth_rules,
    canonical_json,
    event_builder,
    event_format,
    federation_auth,
    filters,
    globs,
    identifiers,
    presence,
    property_paths,
    push_rules,
    redaction,
    relations,
    signatures,
    state_resolution,
    uia,
)
from chat.protocol.auth_rules import levels, selection, third_party
from chat.protocol.errors import ChatError
from chat.protocol.event import Event, parse_event
from chat.protocol.room_versions import RoomRules, rules_for

PROVE = os.environ.get("CHAT_PROVE") == "1"
pytestmark = pytest.mark.timeout(3600 if PROVE else 300)
MAX_S = 4.0  # of CPU time, on a slow machine
USER = "@alice:example.org"
KEY = signatures.generate_signing_key("1", bytes(32))
VERIFY = KEY.verify_key


class Hostile(NamedTuple):
    """One piece of input in the shapes that functions take."""

    value: Any  # any JSON value
    text: str  # any text, lone surrogates included
    obj: dict[str, Any]  # any JSON object
    event: dict[str, Any]  # an event whose fields have the right types; its content is any object
    state: list[dict[str, Any]]  # such events for the entries that authorise
    rules: RoomRules


# ---------------------------------------------------------------- shapes

ANY_TEXT = st.text(st.characters(), max_size=20)
TELLING = st.sampled_from(
    [
        *("", USER, "@bob:other.net", "!r:example.org", "$e:example.org", "m.room.member", "50"),
        *("join", "invite", "leave", "ban", "knock", "public", "restricted", "ed25519:1", " 7 "),
        *("content.body", "a\\.b", "*", "a*?*b", ">2", "mxc://example.org/a", "AAAA", "\ud800"),
        'X-Matrix origin="example.org",key="ed25519:1",sig="AAAA",destination="x"',
    ]
)
NAMES = st.sampled_from(
    [
        *("membership", "users", "events", "notifications", "ban", "kick", "invite", "creator"),
        *("additional_creators", "room_version", "m.federate", "join_rule", "third_party_invite"),
        *("signed", "mxid", "token", "signatures", "public_key", "public_keys", "redacts"),
        *("join_authorised_via_users_server", "users_default", "unsigned", "hashes", "sha256"),
        *("conditions", "kind", "key", "pattern", "is", "value", "actions", "set_tweak", "enabled"),
        *("override", "content", "room", "sender", "underride", "rule_id", "types", "limit"),
        *("m.relates_to", "rel_type", "event_id", "m.new_content"),
        *("event_fields", "rooms", "not_types", "timeline", "state", "type", "state_key"),
        *(USER, "@bob:other.net", "m.room.name", "example.org", "ed25519:1"),
    ]
)
NUMBERS = st.one_of(
    st.integers(-100, 100), st.integers(-(2**70), 2**70), st.floats(), st.just(10**4000)
)
SCALARS = st.none() | st.booleans() | NUMBERS | TELLING | st.text(max_size=10)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES | st.text(max_size=5), VALUES, max_size=6)


def _event(
    kind: str, state_key: str | None, content: dict[str, Any], version: str
) -> dict[str, Any]:
    pdu: dict[str, Any] = {
        "event_id": "$" + kind + ":example.org",
        "type": kind,
        "sender": USER,
        "room_id": "!create" if version == "12" else "!r:example.org",
        "content": content,
        "depth": 1,
        "origin_server_ts": 1,
        "prev_events": [],
        "auth_events": [],
        "hashes": {"sha256": "A"},
        "signatures": {},
    }
    if state_key is not None:
        pdu["state_key"] = state_key
    return pdu


STATE_KEYS = [
    ("m.room.create", ""),
    ("m.room.power_levels", ""),
    ("m.room.join_rules", ""),
    ("m.room.member", USER),
    ("m.room.member", "@bob:other.net"),
    ("m.room.third_party_invite", "token"),
]
KINDS = st.sampled_from(
    [
        "m.room.member",
        "m.room.power_levels",
        "m.room.create",
        "m.room.aliases",
        "m.room.redaction",
        "m.room.third_party_invite",
        "m.room.message",
        "m.room.join_rules",
    ]
)
CONTENTS = OBJECTS | st.fixed_dictionaries(
    {"membership": st.sampled_from(["join", "invite", "leave", "ban", "knock"])},
    optional={
        "third_party_invite": VALUES,
        "join_authorised_via_users_server": VALUES,
        "users": VALUES,
        "events": VALUES,
    },
)


@st.composite
def hostile(draw: st.DrawFn) -> Hostile:
    version = draw(st.sampled_from(VERSIONS))
    key = draw(st.sampled_from([None, "", USER, "@bob:other.net"]))
    return Hostile(
        draw(VALUES),
        draw(ANY_TEXT | TELLING),
        draw(OBJECTS),
        _event(draw(KINDS), key, draw(CONTENTS), version),
        [_event(kind, state_key, draw(CONTENTS), version) for kind, state_key in STATE_KEYS],
        rules_for(version),
    )


# ---------------------------------------------------------------- every public function


def _trusted(pdu: dict[str, Any], rules: RoomRules) -> Event:
    event_id = "$create" if pdu["type"] == "m.room.create" else str(pdu["event_id"])
    return Event.trusted(identifiers.EventId(event_id), pdu, rules)


def _state(given: Hostile) -> dict[tuple[str, str], Event]:
    events = [_trusted(pdu, given.rules) for pdu in given.state]
    return {event.key: event for event in events}


def _resolve(given: Hostile) -> Any:
    """Two states that differ in every entry but create."""
    state = _state(given)
    create = state.pop(("m.room.create", ""))
    events = {event.event_id: event for event in [create, *state.values()]}
    changed = {key: f"$other{number}" for number, key in enumerate(state)}
    for key, event_id in changed.items():
        pdu = {**state[key].pdu, "content": given.event["content"]}
        events[identifiers.EventId(event_id)] = Event.trusted(
            identifiers.EventId(event_id), pdu, given.rules
        )
    return state_resolution.resolve(
        {key: [state[key].event_id, identifiers.EventId(changed[key])] for key in state},
        rules=given.rules,
        event=events.__getitem__,
        unconflicted=lambda key: create.event_id if key == create.key else None,
        auth_difference=list,
        conflicted_subgraph=list,
    )


def _push(given: Hostile) -> Any:
    rules = push_rules.compile_ruleset(
        {"override": [given.obj, {"conditions": given.value}, {**given.obj, "actions": []}]}
    ).rules
    event = push_rules.PushEvent(_trusted(given.event, given.rules), 2, 0, lambda _: 50)
    rule = push_rules.evaluate(rules, event, given.text)
    for one in rules:
        _ = (one.notifies, one.highlights, one.tweaks)
    return rule


def _build(given: Hostile) -> Any:
    draft = event_builder.Draft(
        identifiers.RoomId("!r:example.org"),
        identifiers.UserId(USER),
        given.text,
        given.obj,
        state_key=given.text,
    )
    return event_builder.build(
        draft,
        given.rules,
        prev_events=[],
        auth_events=[],
        depth=1,
        origin_server_ts=1,
        server="example.org",
        key=KEY,
    )


def _filter(given: Hostile) -> Any:
    compiled = filters.compile_event_filter(given.value)
    compiled.matches_room(given.text)
    return compiled.matches(given.text, given.text, given.obj)


def _auth_keys(given: Hostile) -> Any:
    event = _trusted(given.event, given.rules)
    return auth_rules.auth_keys(
        event.type, event.sender, event.state_key, event.content, given.rules
    )


def _x_matrix(given: Hostile) -> Any:
    header = federation_auth.parse_header(given.text)
    federation_auth.build_header(header)
    return federation_auth.verify_request(
        header, given.text, given.text, "example.org", VERIFY, given.value
    )


def _signed_event(given: Hostile) -> signatures.SignedEvent:
    return signatures.SignedEvent(given.obj, given.rules, "example.org", "ed25519:1", VERIFY)


def _power(given: Hostile) -> tuple[Event, Event]:
    state = _state(given)
    return state[("m.room.power_levels", "")], state[("m.room.create", "")]


def _graph(given: Hostile) -> dict[identifiers.EventId, list[identifiers.EventId]]:
    ids = [identifiers.EventId(f"${number}") for number in range(len(given.text) % 5 + 1)]
    return {one: ids[:place] for place, one in enumerate(ids)}


def _each(function: Callable[[Any, RoomRules], Any], given: Hostile) -> None:
    """Calls a function on a value, an event, and an event with odd fields."""
    for pdu in (given.value, given.event, {**given.event, **given.obj}):
        with contextlib.suppress(ChatError):
            function(pdu, given.rules)


T = Callable[[Hostile], Any]
TARGETS: dict[str, T] = {
    "auth_rules.carries_signature": lambda h: auth_rules.carries_signature(
        Event.trusted(identifiers.EventId("$e"), {**h.event, **h.obj, **h.event}, h.rules), h.text
    ),
    "auth_rules.check": lambda h: auth_rules.check(_trusted(h.event, h.rules), _state(h), h.rules),
    "auth_rules.check_auth_events": lambda h: auth_rules.check_auth_events(
        _trusted(
            {**h.event, "auth_events": ["$e"] if not h.rules.hashed_references else []}, h.rules
        ),
        {identifiers.EventId("$e"): _trusted(h.state[1], h.rules)},
        h.rules,
    ),
    "auth_rules.redaction_applies": lambda h: auth_rules.redaction_applies(
        _trusted({**h.event, "redacts": h.value}, h.rules),
        _trusted(h.state[1], h.rules),
        _state(h),
        h.rules,
    ),
    "auth_rules.levels.read_level": lambda h: levels.read_level(h.value, h.rules),
    "auth_rules.levels.creators_of": lambda h: levels.creators_of(_power(h)[1], h.rules),
    "auth_rules.levels.power_level_of": lambda h: levels.power_level_of(USER, *_power(h), h.rules),
    "auth_rules.levels.named_level": lambda h: levels.named_level("ban", _power(h)[0], h.rules),
    "auth_rules.levels.required_level": lambda h: levels.required_level(
        h.text, _power(h)[0], h.rules, is_state=True
    ),
    "auth_rules.levels.notification_level": lambda h: levels.notification_level(
        h.text, _power(h)[0], h.rules
    ),
    "auth_rules.selection.auth_keys": _auth_keys,
    "auth_rules.selection.third_party_token": lambda h: selection.third_party_token(h.obj),
    "auth_rules.third_party.check_third_party_signature": (
        lambda h: third_party.check_third_party_signature(h.obj, _power(h)[0], h.rules)
    ),
    "canonical_json.encode": lambda h: canonical_json.encode(
        h.value, strict=h.rules.strict_canonical_json
    ),
    "canonical_json.check_strict": lambda h: canonical_json.check_strict(h.value),
    "canonical_json.decode": lambda h: canonical_json.decode(h.text),
    "canonical_json.decode_object": lambda h: canonical_json.decode_object(h.text),
    "event.parse_event": lambda h: _each(parse_event, h),
    "event_builder.build": _build,
    "event_format.check": lambda h: _each(event_format.check, h),
    "event_format.check_size": lambda h: event_format.check_size(h.obj, h.rules),
    "event_format.stripped_state": lambda h: event_format.stripped_state(_state(h).values()),
    "event_format.strip_event": lambda h: event_format.strip_event(h.value),
    "federation_auth.parse_header": lambda h: federation_auth.parse_header(h.text),
    "federation_auth.build_header": _x_matrix,
    "federation_auth.request_object": lambda h: federation_auth.request_object(
        h.text, h.text, h.text, h.text, h.value
    ),
    "federation_auth.sign_request": lambda h: federation_auth.sign_request(
        "PUT", h.text, "example.org", "other.net", KEY, h.value
    ),
    "federation_auth.verify_request": _x_matrix,
    "filters.compile_event_filter": _filter,
    "filters.compile_sync_filter": lambda h: filters.compile_sync_filter(h.value),
    "identifiers.parse_user_id": lambda h: identifiers.parse_user_id(h.value),
    "identifiers.is_user_id": lambda h: identifiers.is_user_id(h.value),
    "identifiers.parse_new_localpart": lambda h: identifiers.parse_new_localpart(h.value),
    "identifiers.parse_room_id": lambda h: identifiers.parse_room_id(h.value),
    "identifiers.parse_event_id": lambda h: identifiers.parse_event_id(h.value),
    "identifiers.parse_room_alias": lambda h: identifiers.parse_room_alias(h.value),
    "identifiers.parse_server_name": lambda h: identifiers.parse_server_name(h.value),
    "identifiers.parse_mxc": lambda h: identifiers.parse_mxc(h.value),
    "identifiers.server_of": lambda h: identifiers.server_of(h.text),
    "identifiers.localpart_of": lambda h: identifiers.localpart_of(h.text),
    "property_paths.parse_path": lambda h: property_paths.parse_path(h.text),
    "property_paths.value_at": lambda h: property_paths.value_at(
        h.value, property_paths.parse_path(h.text)
    ),
    "property_paths.select": lambda h: property_paths.select(
        h.obj, [property_paths.parse_path(h.text), ("content", "a"), ("users",)]
    ),
    "push_rules.compile_rules": _push,
    "push_rules.compile_ruleset": _push,
    "push_rules.evaluate": _push,
    "push_rules.default_rules": lambda h: push_rules.compile_rules(
        push_rules.default_rules(h.text)
    ),
    "redaction.redact": lambda h: redaction.redact({**h.event, **h.obj}, h.rules),
    "room_versions.rules_for": lambda h: rules_for(h.value),
    "signatures.encode_base64": lambda h: signatures.encode_base64(
        h.text.encode(errors="surrogatepass")
    ),
    "signatures.decode_base64": lambda h: signatures.decode_base64(h.value),
    "signatures.generate_signing_key": lambda h: signatures.generate_signing_key(
        h.text, h.text.encode(errors="surrogatepass")
    ),
    "signatures.load_signing_key": lambda h: signatures.load_signing_key(h.text),
    "signatures.dump_signing_key": lambda h: signatures.load_signing_key(
        signatures.dump_signing_key(KEY)
    ),
    "signatures.load_verify_key": lambda h: signatures.load_verify_key(h.value),
    "signatures.key_valid": lambda h: signatures.key_valid(
        h.event["depth"], h.rules, fetched_ts=1, valid_until_ts=2
    ),
    "signatures.sign_json": lambda h: signatures.sign_json(h.obj, "example.org", KEY),
    "signatures.with_signature": lambda h: signatures.with_signature(
        h.obj, "example.org", "ed25519:1", "A"
    ),
    "signatures.verify_json": lambda h: signatures.verify_json(
        h.obj, "example.org", "ed25519:1", VERIFY
    ),
    "signatures.signature_of": lambda h: signatures.signature_of(h.obj, "example.org", "ed25519:1"),
    "signatures.signatures_by": lambda h: signatures.signatures_by(h.obj, "example.org"),
    "signatures.verify_bytes": lambda h: signatures.verify_bytes(b"x", h.value, VERIFY),
    "signatures.content_hash": lambda h: signatures.content_hash(h.obj, h.rules),
    "signatures.content_hash_matches": lambda h: signatures.content_hash_matches(h.obj, h.rules),
    "signatures.signed_bytes": lambda h: signatures.signed_bytes(h.obj, h.rules),
    "signatures.reference_hash": lambda h: signatures.reference_hash(h.obj, h.rules),
    "signatures.event_id": lambda h: signatures.event_id(h.obj, h.rules),
    "signatures.event_id_from_hash": lambda h: signatures.event_id_from_hash(
        h.text.encode(errors="surrogatepass"), h.rules
    ),
    "signatures.sign_event": lambda h: signatures.sign_event(h.obj, h.rules, "example.org", KEY),
    "signatures.hash_and_sign_event": lambda h: signatures.hash_and_sign_event(
        h.obj, h.rules, "example.org", KEY
    ),
    "signatures.verify_event_signature": lambda h: signatures.verify_event_signature(
        *_signed_event(h)
    ),
    "signatures.required_signers": lambda h: signatures.required_signers(h.obj, h.rules),
    "signatures.verify_many": lambda h: signatures.verify_many([_signed_event(h)]),
    "state_resolution.resolve": _resolve,
    "state_resolution.auth_difference_of": lambda h: state_resolution.auth_difference_of(
        [_graph(h), [identifiers.EventId("$0")]], lambda one: _graph(h)[one]
    ),
    "state_resolution.conflicted_subgraph_of": lambda h: state_resolution.conflicted_subgraph_of(
        _graph(h).keys(), lambda one: _graph(h)[one]
    ),
    "uia.next_stages": lambda h: uia.next_stages([["a", h.text]], ("a",)),
    "uia.is_complete": lambda h: uia.is_complete([["a", h.text]], (h.text,)),
    "uia.advance": lambda h: uia.advance([["a", h.text]], ("a",), h.text),
    "uia.challenge": lambda h: uia.challenge(h.text, [["a"]], (h.text,), h.obj),
    "relations.relation_of": lambda h: relations.relation_of({"m.relates_to": h.obj, **h.obj}),
    "relations.may_replace": lambda h: relations.may_replace(h.text, None, h.obj),
    "presence.situation": lambda h: presence.situation(
        [presence.Device(presence.State.ONLINE, len(h.text), by_hand=False)], len(h.text), 5
    ),
    "globs.Glob": lambda h: (
        globs.Glob(h.text).matches(h.text),
        globs.Glob(h.text).matches_words(h.text),
    ),
}

# Targets that are no module's own functions: a class, and names of a package's `__init__`.
ALIASES = {"globs.Glob"}

# Inner functions whose arguments only another public function can make.
REACHED_THROUGH = {
    "auth_rules.create.check_create": "auth_rules.check",
    "auth_rules.member.check_member": "auth_rules.check",
    "auth_rules.power_levels.check_power_levels": "auth_rules.check",
    "auth_rules.redactions.check_redaction": "auth_rules.check",
    "auth_rules.redactions.takes_effect": "auth_rules.redaction_applies",
    "auth_rules.third_party.check_third_party_invite": "auth_rules.check",
    "auth_rules.numbering.refusal": "auth_rules.check",
    "state_resolution.mainline.mainline_order": "state_resolution.resolve",
    "state_resolution.power_order.is_power_event": "state_resolution.resolve",
    "state_resolution.power_order.with_ancestors": "state_resolution.resolve",
    "state_resolution.power_order.power_order": "state_resolution.resolve",
    "state_resolution.v1.resolve_v1": "state_resolution.resolve",
    "state_resolution.v2.resolve_v2": "state_resolution.resolve",
}


def _public_functions() -> set[str]:
    found = set()
    for path in FILES:
        parts = path.relative_to(PROTOCOL).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                found.add(f"{module}.{node.name}")
    return found


def test_every_public_function_is_fuzzed() -> None:
    functions = _public_functions()
    assert not functions - TARGETS.keys() - REACHED_THROUGH.keys()
    assert not (TARGETS.keys() | REACHED_THROUGH.keys()) - functions - ALIASES
    assert set(REACHED_THROUGH.values()) <= TARGETS.keys()


def _call(target: T, given: Hostile) -> None:
    """Runs a target; only ChatErrors are fine, and only within the time."""
    started = time.process_time()
    try:
        target(given)
    except ChatError as error:
        assert isinstance(error.message, str)
        assert len(error.message) < 2000
    seconds = time.process_time() - started
    assert seconds < MAX_S, f"took {seconds:.1f} s"


@settings(
    max_examples=5000 if PROVE else 150,
    deadline=None,
    derandomize=not PROVE,
    suppress_health_check=list(HealthCheck),
)
@given(given=hostile())
def test_random_input_is_answered_or_refused(given: Hostile) -> None:
    """One input goes into every function: drawing it costs more than all the calls."""
    for name, target in TARGETS.items():
        try:
            _call(target, given)
        except Exception as error:
            raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error


# ---------------------------------------------------------------- the classics


def _nested(depth: int, kind: str) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return value


LONG_KEY = "k" * 65_536
CLASSICS: dict[str, Any] = {
    "nested lists": _nested(10_000, "list"),
    "nested objects": _nested(10_000, "object"),
    "nesting at the limit": _nested(260, "list"),
    "key of 64 KiB": {LONG_KEY: 1},
    "text of 64 KiB": LONG_KEY,
    "many keys": {str(number): number for number in range(20_000)},
    "integer of 100 000 digits": 10**100_000,
    "integer of 4 300 digits": 10**4_299,
    "stars": "*a" * 5_000,
    "backslashes": "\\" * 65_535,
    "dots": "." * 65_535,
    "colons": "@" + ":" * 65_535,
    "zeros": "0" * 100_000,
    "lone surrogates": "\ud800" * 100,
    "quotes": 'X-Matrix origin="' + '\\"' * 30_000,
    "commas": "X-Matrix " + "," * 60_000,
}


def _classic(value: Any, version: str) -> Hostile:
    text = value if isinstance(value, str) else "text"
    content = {"membership": "join", "users": value, "body": value, "signed": value}
    content |= {"join_authorised_via_users_server": value, "third_party_invite": {"signed": value}}
    event = _event("m.room.member", USER, content, version)
    state = [_event(kind, key, content, version) for kind, key in STATE_KEYS]
    return Hostile(value, text, {"a": value, **content}, event, state, rules_for(version))


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("classic", CLASSICS)
def test_classic_is_answered_or_refused(classic: str, name: str) -> None:
    for version in ("1", "12"):
        _call(TARGETS[name], _classic(CLASSICS[classic], version))


TEXTS: dict[str, str] = {
    "nested lists": "[" * 10_000 + "]" * 10_000,
    "nested objects": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "unclosed lists": "[" * 100_000,
    "key of 64 KiB": json.dumps({LONG_KEY: 1}),
    "integer of 100 000 digits": "1" * 100_000,
    "fraction of 100 000 digits": "0." + "1" * 100_000,
    "huge exponent": "1e999999999",
    "huge negative exponent": "1e-999999999",
    "exponent of 100 000 digits": "1e" + "9" * 100_000,
    "many zeros": "[" + ",".join(["0"] * 100_000) + "]",
    "escapes": '"' + "\\u0000" * 20_000 + '"',
    "surrogates": '"' + "\\ud800" * 20_000 + '"',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("strict", [True, False])
def test_classic_text_is_decoded_or_refused(text: str, strict: bool) -> None:
    for data in (text, text.encode()):
        started = time.process_time()
        try:
            canonical_json.encode(canonical_json.decode(data), strict=strict)
        except ChatError as error:
            assert len(error.message) < 2000
        assert time.process_time() - started < MAX_S
