"""Spec: client-server-api/#push-rules"""

from typing import Any

import pytest

from chat.protocol.event import Event
from chat.protocol.push_rules import PushEvent, compile_rules, default_rules, evaluate
from chat_testing.protocol_rooms import ALICE, BOB, make_room

ROOM = make_room("12")


def event_of(
    event_type: str, content: dict[str, Any], state_key: str | None = None, sender: str = ALICE
) -> Event:
    return ROOM.event(ROOM.draft(event_type, sender, content, state_key=state_key))


def seen(event: Event, members: int = 5, sender_level: float = 0, level: float = 50) -> PushEvent:
    return PushEvent(event, members, sender_level, lambda key: level)


def message(body: Any) -> PushEvent:
    return seen(event_of("m.room.message", {"msgtype": "m.text", "body": body}))


def matches(condition: dict[str, Any], event: PushEvent, display_name: str | None = None) -> bool:
    rules = compile_rules({"override": [{"rule_id": "r", "conditions": [condition]}]})
    return evaluate(rules, event, display_name) is not None


TOPIC = seen(event_of("m.room.topic", {"topic": "Lunch plans"}, ""))


@pytest.mark.parametrize(
    ("topic", "expected"),
    [("Lunch plans", True), ("LUNCH", True), (" lunch", False), ("lunc", False), (None, False)],
)
def test_event_match_matches_whole_values(topic: Any, expected: bool) -> None:
    event = seen(event_of("m.room.topic", {"topic": topic}, ""))
    condition = {"kind": "event_match", "key": "content.topic", "pattern": "lunc?*"}
    assert matches(condition, event) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("An example event.", True),
        ("exple", True),
        ("An exciting triple-whammy", True),
        ("examples", False),
        (["example"], False),
    ],
)
def test_event_match_finds_words_in_the_body(body: Any, expected: bool) -> None:
    condition = {"kind": "event_match", "key": "content.body", "pattern": "ex*ple"}
    assert matches(condition, message(body)) is expected


def test_event_match_on_absent_properties_fails_even_for_a_star() -> None:
    for key in ("content.none", "state_key", "content.body.x"):
        condition = {"kind": "event_match", "key": key, "pattern": "*"}
        assert not matches(condition, message("hello"))


def test_event_match_on_room_id_and_type() -> None:
    room = {"kind": "event_match", "key": "room_id", "pattern": str(ROOM.room_id)}
    assert matches(room, TOPIC)
    assert matches({"kind": "event_match", "key": "type", "pattern": "M.ROOM.*"}, TOPIC)
    assert matches({"kind": "event_match", "key": "state_key", "pattern": ""}, TOPIC)


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        (True, True, True),
        ("true", True, False),
        (1, True, False),
        (True, 1, False),
        (None, None, True),
        ("a", "A", False),
        (5, 5, True),
        ([1], [1], False),
        ({}, {}, False),
    ],
)
def test_event_property_is_does_not_cast(value: Any, wanted: Any, expected: bool) -> None:
    event = seen(event_of("m.room.create", {"m.federate": value}, ""))
    condition = {"kind": "event_property_is", "key": "content.m\\.federate", "value": wanted}
    assert matches(condition, event) is expected


def test_event_property_is_needs_the_property() -> None:
    condition = {"kind": "event_property_is", "key": "content.x", "value": None}
    assert not matches(condition, TOPIC)


def test_event_property_contains() -> None:
    aliases = ["#somewhere:example.org", 1, None, ["#x"], "#myroom:example.com"]
    event = seen(event_of("m.room.canonical_alias", {"alt_aliases": aliases}, ""))

    def contains(value: Any, key: str = "content.alt_aliases") -> bool:
        condition = {"kind": "event_property_contains", "key": key, "value": value}
        return matches(condition, event)

    assert contains("#myroom:example.com")
    assert contains(1)
    assert contains(None)
    assert not contains(":example.com")
    assert not contains(True)
    assert not contains(["#x"])
    assert not contains("x", "content.alias")


@pytest.mark.parametrize(
    ("body", "name", "expected"),
    [
        ("Hello ALICE!", "Alice", True),
        ("malice", "Alice", False),
        ("a * here", "*", True),
        ("anything", "*", False),
        ("hello", None, False),
        ("hello", "", False),
        (5, "Alice", False),
    ],
)
def test_display_names_in_the_body(body: Any, name: str | None, expected: bool) -> None:
    assert matches({"kind": "contains_display_name"}, message(body), name) is expected


@pytest.mark.parametrize(
    ("wanted", "members"),
    [
        ("2", {2}),
        ("==2", {2}),
        ("<2", {1}),
        ("<=2", {1, 2}),
        (">2", {3}),
        (">=2", {2, 3}),
        ("=2", set()),
        ("2.0", set()),
        ("-1", set()),
        ("", set()),
        (2, set()),
        (None, set()),
        ("9" * 100, set()),
    ],
)
def test_member_counts(wanted: Any, members: set[int]) -> None:
    condition = {"kind": "room_member_count", "is": wanted}
    event = event_of("m.room.message", {})
    assert {n for n in (1, 2, 3) if matches(condition, seen(event, members=n))} == members


def test_sender_notification_permission() -> None:
    condition = {"kind": "sender_notification_permission", "key": "room"}
    event = event_of("m.room.message", {})
    assert matches(condition, seen(event, sender_level=50))
    assert not matches(condition, seen(event, sender_level=49))
    assert not matches({"kind": "sender_notification_permission"}, seen(event, sender_level=99))


@pytest.mark.parametrize(
    "condition",
    [
        {"kind": "org.example.unknown"},
        {"kind": "event_match"},
        {"kind": "event_match", "key": "type", "pattern": 5},
        {"kind": "event_match", "key": 5, "pattern": "*"},
        {"kind": "event_property_is", "key": "type"},
        {"kind": ["event_match"]},
        {},
        "event_match",
        None,
    ],
)
def test_unrecognised_conditions_never_match(condition: Any) -> None:
    rule = {"rule_id": "r", "conditions": [condition], "actions": ["notify"]}
    assert compile_rules({"override": [rule]}) == ()


def test_kinds_are_tried_in_their_order() -> None:
    everything = {"conditions": [], "actions": ["notify"]}
    ruleset: dict[str, list[dict[str, Any]]] = {
        "underride": [{"rule_id": "u", **everything}],
        "sender": [{"rule_id": ALICE, "actions": []}],
        "room": [{"rule_id": str(ROOM.room_id), "actions": []}],
        "content": [{"rule_id": "c", "pattern": "tea", "actions": ["notify"]}],
        "override": [{"rule_id": "o", **everything, "enabled": False}],
    }
    tried = []
    while rule := evaluate(compile_rules(ruleset), message("time for tea"), None):
        tried.append(rule.kind)
        ruleset = {kind: rules for kind, rules in ruleset.items() if kind != rule.kind}
    assert tried == ["content", "room", "sender", "underride"]


def test_rules_of_other_rooms_and_senders_do_not_match() -> None:
    ruleset = {"room": [{"rule_id": "!other:a"}], "sender": [{"rule_id": BOB}]}
    assert evaluate(compile_rules(ruleset), message("hello"), None) is None


def test_actions_are_read() -> None:
    actions = [
        "notify",
        "dont_notify",
        "coalesce",
        {"set_tweak": "highlight"},
        {"set_tweak": "sound", "value": "ring"},
        {"set_tweak": "org.flash", "value": {"times": 2}},
        {"set_tweak": 5},
    ]
    (rule,) = compile_rules({"override": [{"rule_id": "r", "actions": actions}]})
    assert rule.notifies
    assert rule.highlights
    assert rule.tweaks == {"highlight": True, "sound": "ring", "org.flash": {"times": 2}}
    assert not {"dont_notify", "coalesce"} & {one for one in rule.actions if isinstance(one, str)}
    off = [{"set_tweak": "highlight", "value": False}]
    (quiet,) = compile_rules({"override": [{"rule_id": "r", "actions": off}]})
    assert not quiet.notifies
    assert not quiet.highlights


# ── predefined rules ─────────────────────────────────────────────────────────────────────────

CASES: list[tuple[str, PushEvent, str | None]] = [
    ("a message", message("hello"), ".m.rule.message"),
    (
        "a notice",
        seen(event_of("m.room.message", {"msgtype": "m.notice", "body": "x"})),
        ".m.rule.suppress_notices",
    ),
    (
        "an invite for the user",
        seen(event_of("m.room.member", {"membership": "invite"}, BOB)),
        ".m.rule.invite_for_me",
    ),
    (
        "an invite for another",
        seen(event_of("m.room.member", {"membership": "invite"}, "@x:x")),
        ".m.rule.member_event",
    ),
    (
        "a mention",
        seen(event_of("m.room.message", {"m.mentions": {"user_ids": [BOB]}})),
        ".m.rule.is_user_mention",
    ),
    (
        "a mention of the room by a moderator",
        seen(event_of("m.room.message", {"m.mentions": {"room": True}}), sender_level=50),
        ".m.rule.is_room_mention",
    ),
    (
        "a mention of the room by anybody",
        seen(event_of("m.room.message", {"m.mentions": {"room": True}})),
        ".m.rule.message",
    ),
    ("a tombstone", seen(event_of("m.room.tombstone", {}, "")), ".m.rule.tombstone"),
    ("a tombstone that is no state", seen(event_of("m.room.tombstone", {})), None),
    ("a reaction", seen(event_of("m.reaction", {})), ".m.rule.reaction"),
    ("server ACLs", seen(event_of("m.room.server_acl", {}, "")), ".m.rule.room.server_acl"),
    (
        "an edit",
        seen(event_of("m.room.message", {"m.relates_to": {"rel_type": "m.replace"}})),
        ".m.rule.suppress_edits",
    ),
    ("a call", seen(event_of("m.call.invite", {})), ".m.rule.call"),
    (
        "an encrypted event between two",
        seen(event_of("m.room.encrypted", {}), members=2),
        ".m.rule.encrypted_room_one_to_one",
    ),
    (
        "a message between two",
        seen(event_of("m.room.message", {}), members=2),
        ".m.rule.room_one_to_one",
    ),
    ("an encrypted event", seen(event_of("m.room.encrypted", {})), ".m.rule.encrypted"),
    ("a topic", TOPIC, None),
]
DEFAULTS = compile_rules(default_rules(BOB))


@pytest.mark.parametrize(("event", "rule_id"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_predefined_rules(event: PushEvent, rule_id: str | None) -> None:
    rule = evaluate(DEFAULTS, event, "Bob")
    assert (rule.rule_id if rule else None) == rule_id


def test_predefined_rules_are_those_of_the_spec_in_its_order() -> None:
    rules = default_rules(BOB)
    assert [rule["rule_id"] for rule in rules["override"]] == [
        ".m.rule.master",
        ".m.rule.suppress_notices",
        ".m.rule.invite_for_me",
        ".m.rule.member_event",
        ".m.rule.is_user_mention",
        ".m.rule.is_room_mention",
        ".m.rule.tombstone",
        ".m.rule.reaction",
        ".m.rule.room.server_acl",
        ".m.rule.suppress_edits",
    ]
    assert [rule["rule_id"] for rule in rules["underride"]] == [
        ".m.rule.call",
        ".m.rule.encrypted_room_one_to_one",
        ".m.rule.room_one_to_one",
        ".m.rule.message",
        ".m.rule.encrypted",
    ]
    assert rules["content"] == rules["room"] == rules["sender"] == []
    assert all(rule["default"] for kind in rules.values() for rule in kind)
    off = [rule["rule_id"] for kind in rules.values() for rule in kind if not rule["enabled"]]
    assert off == [".m.rule.master"]


@pytest.mark.parametrize(
    ("rule_id", "actions"),
    [
        (".m.rule.invite_for_me", ["notify", {"set_tweak": "sound", "value": "default"}]),
        (
            ".m.rule.is_user_mention",
            [
                "notify",
                {"set_tweak": "sound", "value": "default"},
                {"set_tweak": "highlight"},
            ],
        ),
        (".m.rule.is_room_mention", ["notify", {"set_tweak": "highlight"}]),
        (".m.rule.tombstone", ["notify", {"set_tweak": "highlight"}]),
        (".m.rule.call", ["notify", {"set_tweak": "sound", "value": "ring"}]),
        (".m.rule.room_one_to_one", ["notify", {"set_tweak": "sound", "value": "default"}]),
        (".m.rule.message", ["notify"]),
        (".m.rule.encrypted", ["notify"]),
        (".m.rule.member_event", []),
        (".m.rule.suppress_notices", []),
        (".m.rule.reaction", []),
        (".m.rule.master", []),
    ],
)
def test_predefined_actions(rule_id: str, actions: list[Any]) -> None:
    found = [r for kind in default_rules(BOB).values() for r in kind if r["rule_id"] == rule_id]
    assert [rule["actions"] for rule in found] == [actions]


def test_the_master_rule_silences_everything() -> None:
    rules = default_rules(BOB)
    rules["override"][0]["enabled"] = True
    rule = evaluate(compile_rules(rules), message("hello"), None)
    assert rule is not None
    assert not rule.notifies


@pytest.mark.parametrize("actions", [1, "notify", {"notify": 1}, None, True])
def test_actions_that_are_no_list_do_nothing(actions):
    (rule,) = compile_rules({"override": [{"rule_id": "x", "conditions": [], "actions": actions}]})
    assert rule.actions == ()
