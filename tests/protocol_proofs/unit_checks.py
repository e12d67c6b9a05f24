"""Further checks, beside the vectors: questions on levels, redactions, selection and look-ups.

Each is a plain function of a Subject that asserts; most also feed values no accepted event has.
"""

import math
from collections.abc import Callable
from typing import Any

import oracle
import vectors
from rule_numbers import VERSIONS, numbers
from subject import Subject, event_of
from timeline import Room

from chat.protocol.errors import NotFound
from chat.protocol.event import Event
from chat.protocol.room_versions import rules_for

ALICE = "@alice:example.org"
BOB = "@bob:example.org"
CAROL = "@carol:other.net"
State = dict[tuple[str, str], Event]
MAX_LOOKUPS_PER_ENTRY = 50


def _event(version: str, kind: str, sender: str, content: Any, **more: Any) -> Event:
    pdu = {
        "event_id": "$" + kind.replace(".", "").ljust(43, "0"),
        "type": kind,
        "sender": sender,
        "content": content,
        "room_id": "!room:example.org",
        "auth_events": [],
        "prev_events": [],
        "depth": 1,
        "origin_server_ts": 1,
        **more,
    }
    if int(version) >= 12:
        pdu["room_id"] = "!" + "mroomcreate".ljust(43, "0")
        if kind == "m.room.create":
            del pdu["room_id"]
    return event_of(pdu, version)


def _state(version: str, power: Any = None, **members: Any) -> State:
    creator = {"creator": ALICE} if int(version) <= 10 else {}
    events = [_event(version, "m.room.create", ALICE, creator, state_key="")]
    if power is not None:
        events.append(_event(version, "m.room.power_levels", ALICE, power, state_key=""))
    for user, membership in {ALICE: "join", BOB: "join", **members}.items():
        content = {"membership": membership}
        events.append(_event(version, "m.room.member", user, content, state_key=user))
    return {event.key: event for event in events}


# ---------------------------------------------------------------- authorisation


def nothing_is_allowed_without_create_event(subject: Subject, version: str) -> None:
    message = _event(version, "m.room.message", BOB, {})
    rule = "room_id" if int(version) >= 12 else "auth_events.no_create"
    assert subject.refused_by(message, {}, version, []) == numbers(version)[rule]


def a_lookup_function_serves_as_state(subject: Subject, version: str) -> None:
    state = _state(version)
    message = _event(version, "m.room.message", BOB, {})
    subject.auth.check(message, state.get, rules_for(version))


def the_create_event_needs_no_auth_events(subject: Subject, version: str) -> None:
    create = _state(version)[oracle.CREATE]
    assert subject.auth_events_refused_by(create, [], version, frozenset()) is None


def a_missing_auth_event_is_not_found(subject: Subject, version: str) -> None:
    reference: Any = ["$gone", {}] if int(version) <= 2 else "$gone"
    message = _event(version, "m.room.message", BOB, {}, auth_events=[reference])
    try:
        subject.auth.check_auth_events(message, {}, rules_for(version))
    except NotFound:
        return
    raise AssertionError("an unknown auth event was passed over")


def infinite_levels_are_refused(subject: Subject, version: str) -> None:
    state = _state(version)
    for value in (math.inf, -math.inf, math.nan):
        levels = {"users": {BOB: value}}
        event = _event(version, "m.room.power_levels", ALICE, levels, state_key="")
        found = subject.refused_by(event, state, version, [])
        assert found == numbers(version)["power.users"]


def odd_memberships_are_none(subject: Subject, version: str) -> None:
    state = _state(version, **{CAROL: ["ban"]})
    invite = _event(version, "m.room.member", BOB, {"membership": "invite"}, state_key=CAROL)
    assert subject.refused_by(invite, state, version, []) is None


def creators(subject: Subject, version: str) -> None:
    rules = rules_for(version)
    content = {"creator": BOB, "additional_creators": [CAROL]}
    create = _event(version, "m.room.create", ALICE, content, state_key="")
    found = set(subject.auth.creators_of(create, rules))
    assert found == (
        {BOB} if int(version) <= 10 else {ALICE, CAROL} - ({CAROL} if version == "11" else set())
    )
    nobody = _event(version, "m.room.create", ALICE, {"creator": [BOB]}, state_key="")
    assert list(subject.auth.creators_of(nobody, rules)) == ([] if int(version) <= 10 else [ALICE])


def levels_of_users(subject: Subject, version: str) -> None:
    for content, expected in (
        ({"users": {BOB: 30}, "users_default": 5}, 30),
        ({"users": {BOB: []}, "users_default": 5}, 5),
        ({"users": {}, "users_default": 5}, 5),
        ({"users": [BOB], "users_default": 5}, 5),
        ({"users": {}, "users_default": {}}, 0),
        ({}, 0),
    ):
        state = _state(version, content)
        power, create = state[oracle.POWER], state[oracle.CREATE]
        assert subject.auth.power_level_of(BOB, power, create, rules_for(version)) == expected


def levels_without_power_levels(subject: Subject, version: str) -> None:
    create, rules = _state(version)[oracle.CREATE], rules_for(version)
    assert subject.auth.power_level_of(BOB, None, create, rules) == 0
    founder = subject.auth.power_level_of(ALICE, None, create, rules)
    assert founder == (100 if int(version) <= 11 else math.inf)


def levels_to_send(subject: Subject, version: str) -> None:
    for content, message, topic in (
        ({"events": {"t": 7}}, 7, 7),
        ({"events": {"t": []}}, 0, 50),
        ({"events": ["t"]}, 0, 50),
        ({"events_default": 3, "state_default": 4}, 3, 4),
    ):
        power = _state(version, content)[oracle.POWER]
        for is_state, expected in ((False, message), (True, topic)):
            found = subject.auth.required_level("t", power, rules_for(version), is_state=is_state)
            assert found == expected


def levels_to_notify(subject: Subject, version: str) -> None:
    for content, expected in (
        ({"notifications": {"room": 20}}, 20),
        ({"notifications": {"other": 20}}, 50),
        ({"notifications": {"room": []}}, 50),
        ({"notifications": ["room"]}, 50),
        ({}, 50),
    ):
        power = _state(version, content)[oracle.POWER]
        assert subject.auth.notification_level("room", power, rules_for(version)) == expected
    assert subject.auth.notification_level("room", None, rules_for(version)) == 50


def signatures_are_looked_for(subject: Subject, version: str) -> None:
    signed = {"example.org": {"ed25519:1": "x"}, "other.net": {}}
    event = _event(version, "m.room.message", BOB, {}, signatures=signed)
    assert subject.auth.carries_signature(event, "example.org")
    assert not subject.auth.carries_signature(event, "other.net")
    assert not subject.auth.carries_signature(event, "third.net")


# ---------------------------------------------------------------- redactions


def _redaction(version: str, sender: str, target: str, **more: Any) -> Event:
    content = {"redacts": target} if int(version) >= 11 else {}
    return _event(version, "m.room.redaction", sender, content, redacts=target, **more)


def redactions_apply(subject: Subject, version: str) -> None:
    """Versions 3 and later: at the redact level or from the same server; the same room."""
    state, rules = _state(version, {"users": {ALICE: 50, BOB: 49}}), rules_for(version)
    if int(version) >= 12:
        state = _state(version, {"users": {"@mod:third.net": 50}})
    moderator = ALICE if int(version) <= 11 else "@mod:third.net"
    target = _event(version, "m.room.message", CAROL, {}, event_id="$target")
    applies = subject.auth.redaction_applies
    assert applies(_redaction(version, moderator, "$target"), target, state, rules)
    assert applies(_redaction(version, "@else:other.net", "$target"), target, state, rules)
    assert applies(_redaction(version, BOB, "$target"), target, state, rules) == (
        int(version) <= 2  # there, authorisation has decided already
    )
    assert not applies(_redaction(version, moderator, "$another"), target, state, rules)
    if int(version) <= 11:
        elsewhere = _event(
            version, "m.room.message", CAROL, {}, event_id="$target", room_id="!b:example.org"
        )
        assert not applies(_redaction(version, moderator, "$target"), elsewhere, state, rules)


# ---------------------------------------------------------------- selection


def _member_events(version: str) -> list[dict[str, Any]]:
    signed = {"signed": {"token": "token"}}
    contents: list[dict[str, Any]] = [
        {"membership": membership, **more}
        for membership in ("join", "invite", "leave", "ban", "knock", "sulk")
        for more in (
            {},
            {"third_party_invite": signed},
            {"third_party_invite": {"signed": {"token": 7}}},
            {"third_party_invite": "x"},
            {"join_authorised_via_users_server": BOB},
            {"join_authorised_via_users_server": CAROL},
            {"join_authorised_via_users_server": 7},
        )
    ]
    base = {"type": "m.room.member", "auth_events": [], "prev_events": []}
    events = [
        {**base, "sender": sender, "state_key": CAROL, "content": content}
        for content in contents
        for sender in (ALICE, CAROL)
    ]
    no_key = {**base, "sender": ALICE, "content": {"membership": "join"}}
    other = {"auth_events": [], "prev_events": [], "sender": ALICE, "content": contents[8]}
    return [
        *events,
        no_key,
        {**other, "type": "m.room.topic", "state_key": CAROL},
        {**other, "type": "m.room.create", "state_key": ""},
        {**other, "type": "m.room.message"},
    ]


def auth_events_are_selected(subject: Subject, version: str) -> None:
    for event in _member_events(version):
        found = subject.auth.auth_keys(
            event["type"],
            event["sender"],
            event.get("state_key"),
            event["content"],
            rules_for(version),
        )
        assert len(found) == len(set(found)), event
        assert set(found) == oracle.selected_keys(event, version), event


# ---------------------------------------------------------------- look-ups of a resolution


def auth_graphs_are_walked_once(subject: Subject, _version: str) -> None:
    """A ladder in which every event cites both events below: paths double with each rung."""
    graph: dict[str, list[str]] = {"$0a": [], "$0b": []}
    for rung in range(1, 60):
        for side in "ab":
            graph[f"${rung}{side}"] = [f"${rung - 1}a", f"${rung - 1}b"]
    asked: list[str] = []

    def auth_events(event_id: str) -> list[str]:
        asked.append(event_id)
        assert len(asked) <= 2 * len(graph), "the same events are walked again and again"
        return graph[event_id]

    both = subject.resolution.auth_difference_of([["$59a"], ["$58a"]], auth_events)
    assert both == {"$58a", "$58b"}
    asked.clear()
    between = subject.resolution.conflicted_subgraph_of(["$59a", "$57b", "$59b"], auth_events)
    assert between == {"$59a", "$59b", "$58a", "$58b", "$57b"}


def lookups_do_not_grow_with_the_room(subject: Subject, version: str) -> None:
    """Two join rules and two topics in conflict, after few and after many epochs and members."""
    few, many = (_lookups(subject, version, size) for size in (3, 30))
    assert few == many
    assert many <= MAX_LOOKUPS_PER_ENTRY * 2


def _lookups(subject: Subject, version: str, size: int) -> int:
    main = Room().branch()
    main.create(ALICE)
    main.join(ALICE)
    for number in range(size):
        main.power(f"power{number}x", ALICE, {ALICE: 100})
    main.rules("rules1", ALICE, "public")
    for number in range(size):
        main.join(f"@user{number}:example.org", f"join{number}x")
    other = main.fork()
    main.rules("rulesA", ALICE, "invite")
    main.topic("topicA", ALICE)
    other.rules("rulesB", ALICE, "knock")
    other.topic("topicB", ALICE)
    room, ids = vectors.rendered(list(main.room.events.values()), version)
    events = {event_id: event_of(pdu, version) for event_id, pdu in room.items()}
    states = [{key: ids[name] for key, name in branch.state.items()} for branch in (main, other)]
    counted: list[str] = []
    subject.resolve(version, states, events, on_lookup=counted.append)
    return len(counted)


CHECKS: list[tuple[Callable[[Subject, str], None], list[str]]] = [
    (nothing_is_allowed_without_create_event, list(VERSIONS)),
    (a_lookup_function_serves_as_state, list(VERSIONS)),
    (the_create_event_needs_no_auth_events, list(VERSIONS)),
    (a_missing_auth_event_is_not_found, list(VERSIONS)),
    (infinite_levels_are_refused, list(VERSIONS)),
    (odd_memberships_are_none, list(VERSIONS)),
    (creators, list(VERSIONS)),
    (levels_of_users, list(VERSIONS)),
    (levels_without_power_levels, list(VERSIONS)),
    (levels_to_send, list(VERSIONS)),
    (levels_to_notify, list(VERSIONS)),
    (signatures_are_looked_for, list(VERSIONS)),
    (redactions_apply, list(VERSIONS)),
    (auth_events_are_selected, list(VERSIONS)),
    (auth_graphs_are_walked_once, ["2"]),
    (lookups_do_not_grow_with_the_room, list(VERSIONS)),
]
