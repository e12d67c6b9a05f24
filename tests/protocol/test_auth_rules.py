"""The rules as a whole; every single rule in every version is shown in tests/protocol_proofs.

Spec: the "Authorisation rules" section of each room version
"""

from typing import Any

import pytest

from chat.protocol import auth_rules, canonical_json
from chat.protocol.auth_rules import INFINITE_LEVEL, auth_keys, check_auth_events
from chat.protocol.auth_rules.levels import creators_of
from chat.protocol.errors import AuthRefused, BadJson, NotFound
from chat.protocol.event import Event
from chat.protocol.event_builder import Draft
from chat.protocol.identifiers import RoomId, UserId
from chat.protocol.room_versions import rules_for
from chat.protocol.signatures import generate_signing_key, sign_json
from chat_testing.protocol_rooms import ALICE, BOB, CHARLIE, Room, make_room

CREATE, LEVELS = ("m.room.create", ""), ("m.room.power_levels", "")
JOIN_RULES = ("m.room.join_rules", "")


def member(user: str) -> tuple[str, str]:
    return ("m.room.member", user)


def refused(room: Room, rule: str | None, *draft: Any, **more: Any) -> None:
    """The draft is refused; by the rule of this number, unless None."""
    with pytest.raises(AuthRefused) as caught:
        room.check_draft(*draft, **more)
    if rule is not None:
        assert caught.value.rule == rule


def test_a_new_room_stands_on_its_own_rules(every_version: str) -> None:
    room = make_room(every_version)
    replay = Room(room.rules, room.key)
    for event in room.events.values():
        replay.check(event)
        replay.append(event)


def test_members_may_speak_and_outsiders_may_not(every_version: str) -> None:
    room = make_room(every_version).with_member(BOB)
    room.check_draft("m.room.message", BOB, {"body": "hello"})
    number = "5" if 6 <= int(every_version) <= 11 else "6"
    refused(room, number, "m.room.message", CHARLIE, {"body": "hello"})


def test_those_who_left_or_were_banned_may_not_speak(every_version: str) -> None:
    room = make_room(every_version).with_member(BOB).with_member(CHARLIE)
    room.with_member(BOB, "leave").with_member(CHARLIE, "ban", sender=ALICE)
    for user in (BOB, CHARLIE):
        refused(room, None, "m.room.message", user, {})
    refused(room, None, "m.room.member", CHARLIE, {"membership": "join"}, CHARLIE)
    room.check_draft("m.room.member", BOB, {"membership": "join"}, BOB)


def test_a_closed_room_is_entered_by_invitation(every_version: str) -> None:
    room = make_room(every_version).with_join_rule("invite")
    join = ("m.room.member", BOB, {"membership": "join"}, BOB)
    refused(room, None, *join)
    room.with_member(BOB, "invite", sender=ALICE)
    room.check_draft(*join)
    room.check_draft("m.room.member", BOB, {"membership": "leave"}, BOB)


def test_a_room_without_join_rules_is_closed(every_version: str) -> None:
    room = make_room(every_version)
    del room.state[JOIN_RULES]
    refused(room, None, "m.room.member", BOB, {"membership": "join"}, BOB)


def test_knocking_came_with_version_7(every_version: str) -> None:
    room = make_room(every_version).with_join_rule("knock")
    knock = ("m.room.member", BOB, {"membership": "knock"}, BOB)
    if int(every_version) < 7:
        refused(room, None, *knock)
        return
    room.check_draft(*knock)
    room.with_member(BOB, "knock")
    refused(room, None, "m.room.member", BOB, {"membership": "join"}, BOB)
    room.with_member(BOB, "invite", sender=ALICE)
    room.check_draft("m.room.member", BOB, {"membership": "join"}, BOB)


@pytest.mark.parametrize(("join_rule", "first"), [("restricted", 8), ("knock_restricted", 10)])
def test_restricted_joins(join_rule: str, first: int, every_version: str) -> None:
    room = make_room(every_version).with_join_rule(join_rule, allow=[])
    via = {"membership": "join", "join_authorised_via_users_server": ALICE}
    draft = room.draft("m.room.member", BOB, via, state_key=BOB)
    event = room.event(draft)
    authorised = {"signed_by": lambda _, server: server == "a"}
    if int(every_version) < first:
        with pytest.raises(AuthRefused):
            auth_rules.check(event, room.lookup, room.rules, **authorised)
        return
    auth_rules.check(event, room.lookup, room.rules, **authorised)
    refused(room, "5.2.1" if every_version == "12" else "4.2.1", *draft_fields(draft))
    refused(room, None, "m.room.member", BOB, {"membership": "join"}, BOB)
    room.with_levels(users={ALICE: 100} if int(every_version) < 12 else {}, invite=1)
    auth_rules.check(room.event(draft), room.lookup, room.rules, **authorised)


def draft_fields(draft: Draft) -> tuple[Any, ...]:
    return (draft.type, draft.sender, draft.content, draft.state_key)


def test_an_authorising_user_must_be_allowed_to_invite() -> None:
    room = make_room("11").with_member(CHARLIE).with_levels(users={ALICE: 100}, invite=50)
    room.with_join_rule("restricted")
    for authoriser in (CHARLIE, "@nobody:a", "nobody", 5):
        via = {"membership": "join", "join_authorised_via_users_server": authoriser}
        event = room.event(room.draft("m.room.member", BOB, via, state_key=BOB))
        with pytest.raises(AuthRefused):
            auth_rules.check(event, room.lookup, room.rules, signed_by=lambda *_: True)


def test_carried_signatures_count_once_verified() -> None:
    room = make_room("12")
    event = room.event(room.draft("m.room.message", ALICE, {}))
    assert auth_rules.carries_signature(event, "a")
    assert not auth_rules.carries_signature(event, "b")


IDENTITY = generate_signing_key("0", b"i" * 32)


def third_party_invite(room: Room, public_keys: dict[str, Any]) -> dict[str, Any]:
    room.send("m.room.third_party_invite", ALICE, {"display_name": "B", **public_keys}, "token")
    signed = sign_json({"mxid": BOB, "token": "token"}, "identity.server", IDENTITY)
    return {
        "membership": "invite",
        "third_party_invite": {"display_name": "B", "signed": signed},
    }


@pytest.mark.parametrize(
    "public_keys",
    [
        {"public_key": IDENTITY.public_base64},
        {"public_key": "A" * 43, "public_keys": [{"public_key": IDENTITY.public_base64}]},
        {"public_keys": [1, {}, {"public_key": "?"}, {"public_key": IDENTITY.public_base64}]},
    ],
)
def test_a_third_party_invite_is_signed_by_its_key(
    public_keys: dict[str, Any], every_version: str
) -> None:
    room = make_room(every_version).with_join_rule("invite")
    content = third_party_invite(room, public_keys)
    room.check_draft("m.room.member", ALICE, content, BOB)


def test_a_third_party_invite_by_another_key_is_refused(every_version: str) -> None:
    room = make_room(every_version).with_join_rule("invite")
    content = third_party_invite(room, {"public_key": "A" * 43})
    refused(room, None, "m.room.member", ALICE, content, BOB)


def test_endless_signatures_are_not_all_tried() -> None:
    room = make_room("12")
    signatures = {f"s{n}": {f"ed25519:{n}": "A" * 86} for n in range(300)}
    keys = [{"public_key": IDENTITY.public_base64}] * 300
    content = third_party_invite(room, {"public_keys": keys})
    content["third_party_invite"]["signed"]["signatures"] = signatures
    refused(room, "5.4.1.8", "m.room.member", ALICE, content, BOB)


def test_levels_decide_who_may_send_what(every_version: str) -> None:
    own = {} if every_version == "12" else {ALICE: 100}
    room = make_room(every_version).with_member(BOB).with_member(CHARLIE)
    room.with_levels(users={**own, BOB: 60}, events={"m.room.name": 70}, events_default=10)
    room.check_draft("m.room.topic", BOB, {}, "")
    room.check_draft("m.room.message", BOB, {})
    refused(room, None, "m.room.name", BOB, {}, "")
    refused(room, None, "m.room.message", CHARLIE, {})
    refused(room, None, "org.example", BOB, {}, ALICE)
    room.check_draft("org.example", BOB, {}, BOB)
    room.check_draft("m.room.member", BOB, {"membership": "leave"}, CHARLIE)
    refused(room, None, "m.room.member", BOB, {"membership": "ban"}, ALICE)


def test_nobody_raises_anybody_above_himself(every_version: str) -> None:
    own = {} if every_version == "12" else {ALICE: 100}
    levels: dict[str, Any] = {"users": {**own, BOB: 60}, "ban": 50, "events": {"m.room.name": 70}}
    room = make_room(every_version).with_member(BOB).with_levels(**levels)
    good = {**levels, "ban": 60, "users": {**own, BOB: 60, CHARLIE: 60}}
    room.check_draft("m.room.power_levels", BOB, good, "")
    bad = [
        {**levels, "ban": 61},
        {**levels, "invite": 61},
        {**levels, "events": {}},
        {**levels, "events": {"m.room.name": 60}},
        {**levels, "events": {"m.room.name": 70, "m.room.topic": 61}},
        {**levels, "users": {**own, BOB: 61}},
        {**levels, "users": {**own, BOB: 60, CHARLIE: 61}},
    ]
    if own:
        bad.append({**levels, "users": {BOB: 60}})
    for content in bad:
        refused(room, None, "m.room.power_levels", BOB, content, "")


def test_levels_as_text_and_floats_end_with_version_10(every_version: str) -> None:
    room = make_room(every_version).with_member(BOB)
    users = {ALICE: " +0100 ", BOB: "50"}
    if int(every_version) >= 10:
        refused(room, None, "m.room.power_levels", ALICE, {"users": users}, "")
        refused(room, None, "m.room.power_levels", ALICE, {"ban": "50"}, "")
        return
    room.with_levels(users=users, kick="-1", ban="many")
    room.check_draft("m.room.topic", BOB, {}, "")
    levels = room.lookup(LEVELS)
    assert auth_rules.named_level("kick", levels, room.rules) == -1
    assert auth_rules.named_level("ban", levels, room.rules) == 50
    # "50" and 50 are the same: nobody's level changes
    room.check_draft("m.room.power_levels", BOB, {"users": {ALICE: 100, BOB: 50}, "kick": -1}, "")


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (50.57, 50),
        (-1.9, -1),
        ("5.0", None),
        ("1_000", None),
        ("٣", None),
        ("", None),
        ("+-1", None),
        (True, None),
        (None, None),
        ([], None),
        (float("inf"), None),
        ("\u00a05", None),
    ],
)
def test_levels_of_old_versions_are_read(value: Any, level: int | None) -> None:
    assert auth_rules.levels.read_level(value, rules_for("1")) == level
    assert auth_rules.levels.read_level(value, rules_for("12")) is None


TEXT_EXAMPLE = """{"ban": "50", "events": {"m.room.power_levels": "100"}, "events_default": "0",
    "state_default": "50", "users": {"@example:localhost": "100"}, "users_default": "0"}"""
FLOAT_EXAMPLE = """{"ban": 50, "events": {"m.room.power_levels": 100}, "events_default": 0,
    "state_default": 50, "users": {"@example:example.org": 100, "@alice:localhost": 50,
    "@bob:localhost": 50.57}, "users_default": 0}"""


@pytest.mark.parametrize(("example", "last"), [(TEXT_EXAMPLE, 9), (FLOAT_EXAMPLE, 5)])
def test_examples_of_deprecated_levels(example: str, last: int, every_version: str) -> None:
    """Spec: rooms/v1/#deprecated-event-content-schemas"""
    room, content = make_room(every_version), canonical_json.decode_object(example)
    if int(every_version) > last:
        with pytest.raises((AuthRefused, BadJson)):
            room.check_draft("m.room.power_levels", ALICE, content, "")
        return
    room.check_draft("m.room.power_levels", ALICE, content, "")
    room.with_levels(**content)
    create, levels = room.lookup(CREATE), room.lookup(LEVELS)
    assert create is not None
    for user, level in content["users"].items():
        found = auth_rules.power_level_of(user, levels, create, room.rules)
        assert found == int(float(level))


def test_creators_of_version_12_stand_above_all_levels() -> None:
    room = make_room("12", creators=[CHARLIE]).with_member(BOB).with_member(CHARLIE)
    room.with_levels(users={BOB: 2**53 - 1}, events={"m.room.tombstone": 2**53 - 1})
    create, levels = room.lookup(CREATE), room.lookup(LEVELS)
    assert create is not None
    for creator in (ALICE, CHARLIE):
        level = auth_rules.power_level_of(creator, levels, create, room.rules)
        assert level == INFINITE_LEVEL > 2**53
        room.check_draft("m.room.member", creator, {"membership": "ban"}, BOB)
        refused(room, "10.4", "m.room.power_levels", BOB, {"users": {creator: 0}}, "")
    refused(room, "5.6.3", "m.room.member", BOB, {"membership": "ban"}, CHARLIE)
    refused(room, "5.6.3", "m.room.member", ALICE, {"membership": "ban"}, CHARLIE)


def test_a_creator_without_levels_has_100_until_version_11(every_version: str) -> None:
    room = make_room(every_version)
    create = room.lookup(CREATE)
    assert create is not None
    level = auth_rules.power_level_of(ALICE, None, create, room.rules)
    assert level == (INFINITE_LEVEL if every_version == "12" else 100)
    assert auth_rules.power_level_of(BOB, None, create, room.rules) == 0


def test_defaults_of_levels(every_version: str) -> None:
    room = make_room(every_version)
    for levels in (None, room.event(room.draft("m.room.power_levels", ALICE, {}, state_key=""))):
        named = {
            name: auth_rules.named_level(name, levels, room.rules)
            for name in ("ban", "kick", "redact", "invite", "users_default")
        }
        assert named == {"ban": 50, "kick": 50, "redact": 50, "invite": 0, "users_default": 0}
        assert auth_rules.required_level("x", levels, room.rules, is_state=True) == 50
        assert auth_rules.required_level("x", levels, room.rules, is_state=False) == 0
        assert auth_rules.notification_level("room", levels, room.rules) == 50


def test_notification_levels_are_read() -> None:
    room = make_room("12").with_levels(notifications={"room": 20})
    levels = room.lookup(LEVELS)
    assert auth_rules.notification_level("room", levels, room.rules) == 20
    assert auth_rules.notification_level("other", levels, room.rules) == 50


def test_an_unfederated_room_keeps_to_its_server(every_version: str) -> None:
    closed: dict[str, Any] = {"m.federate": False}
    room = make_room(every_version, **closed)
    number = "4" if every_version == "12" else "3"
    refused(room, number, "m.room.member", BOB, {"membership": "join"}, BOB)
    room.check_draft("m.room.member", "@dora:a", {"membership": "join"}, "@dora:a")


def test_without_a_create_event_nothing_is_allowed(every_version: str) -> None:
    room = make_room(every_version)
    event = room.event(room.draft("m.room.message", ALICE, {}))
    with pytest.raises(AuthRefused) as caught:
        auth_rules.check(event, {}, room.rules)
    assert caught.value.rule == ("2" if every_version == "12" else "2.4")


def test_a_version_12_room_id_is_that_of_its_create_event() -> None:
    room, other = make_room("12"), make_room("12", name="other")
    event = room.event(room.draft("m.room.message", ALICE, {}))
    with pytest.raises(AuthRefused) as caught:
        auth_rules.check(event, other.lookup, room.rules)
    assert caught.value.rule == "2"


def test_a_mapping_serves_as_state() -> None:
    room = make_room("12")
    state = {key: room.events[event_id] for key, event_id in room.state.items()}
    auth_rules.check(room.event(room.draft("m.room.message", ALICE, {})), state, room.rules)


# ── selection and auth events ────────────────────────────────────────────────────────────────


def test_auth_events_of_a_message(every_version: str) -> None:
    keys = auth_keys("m.room.message", BOB, None, {}, rules_for(every_version))
    expected = [LEVELS, member(BOB)]
    assert keys == (expected if every_version == "12" else [CREATE, *expected])
    assert auth_keys("m.room.create", BOB, "", {}, rules_for(every_version)) == []


def test_auth_events_of_memberships() -> None:
    rules = rules_for("12")

    def keys(sender: str, target: str, **content: Any) -> set[tuple[str, str]]:
        found = auth_keys("m.room.member", sender, target, content, rules)
        assert len(found) == len(set(found))
        return set(found) - {LEVELS}

    assert keys(BOB, BOB, membership="join") == {member(BOB), JOIN_RULES}
    assert keys(BOB, BOB, membership="knock") == {member(BOB), JOIN_RULES}
    assert keys(BOB, BOB, membership="leave") == {member(BOB)}
    assert keys(ALICE, BOB, membership="ban") == {member(ALICE), member(BOB)}
    invite = {member(ALICE), member(BOB), JOIN_RULES}
    assert keys(ALICE, BOB, membership="invite") == invite
    third = {"signed": {"token": "t"}}
    token = ("m.room.third_party_invite", "t")
    assert keys(ALICE, BOB, membership="invite", third_party_invite=third) == {*invite, token}
    oddities: list[Any] = [None, [], {"signed": 5}, {"signed": {"token": 5}}]
    for odd in oddities:
        assert keys(ALICE, BOB, membership="invite", third_party_invite=odd) == invite
    via = {"join_authorised_via_users_server": CHARLIE}
    joined = {member(BOB), JOIN_RULES}
    assert keys(BOB, BOB, membership="join", **via) == {*joined, member(CHARLIE)}
    assert keys(BOB, BOB, membership="leave", **via) == {member(BOB)}


def test_only_versions_with_restricted_joins_select_the_authoriser(every_version: str) -> None:
    rules = rules_for(every_version)
    content = {"membership": "join", "join_authorised_via_users_server": CHARLIE}
    selected = auth_keys("m.room.member", BOB, BOB, content, rules)
    assert (member(CHARLIE) in selected) == rules.restricted_joins


def check_cited(room: Room, event: Event, **more: Any) -> None:
    check_auth_events(event, room.events, room.rules, **more)


def test_selected_auth_events_pass(every_version: str) -> None:
    room = make_room(every_version)
    for event in room.events.values():
        check_cited(room, event)


def test_wrong_auth_events_are_refused(every_version: str) -> None:
    room = make_room(every_version)
    draft = room.draft("m.room.message", ALICE, {})
    good = list(room.event(draft).auth_events)
    first = "3" if every_version == "12" else "2"
    extra = room.state[JOIN_RULES]

    def refused_with(rule: str, auth_events: list[Any], **more: Any) -> None:
        with pytest.raises(AuthRefused) as caught:
            check_cited(room, room.event(draft, auth_events=auth_events), **more)
        assert caught.value.rule == f"{first}.{rule}"

    refused_with("1", [*good, good[-1]])
    refused_with("2", [*good, extra])
    refused_with("3", good, rejected={good[-1]})
    if every_version == "12":
        refused_with("2", [*good, room.state[CREATE]])
    else:
        refused_with("4", good[1:])


def test_auth_events_of_another_room_are_refused(every_version: str) -> None:
    room, other = make_room(every_version), make_room(every_version, name="other")
    if every_version != "12":
        other = Room(room.rules, room.key, room_id=RoomId("!other:a"))
        create = {"creator": ALICE, "name": "other"}
        other.send("m.room.create", ALICE, create, "")
        other.with_member(ALICE)
    room.events.update(other.events)
    foreign = other.state[member(ALICE)]
    auth = [room.state[CREATE], foreign] if every_version != "12" else [foreign]
    event = room.event(room.draft("m.room.message", ALICE, {}), auth_events=auth)
    with pytest.raises(AuthRefused) as caught:
        check_cited(room, event)
    assert caught.value.rule == ("3.4" if every_version == "12" else "2.5")


def test_unknown_auth_events_are_not_judged() -> None:
    room = make_room("12")
    event = room.event(room.draft("m.room.message", ALICE, {}))
    with pytest.raises(NotFound):
        check_auth_events(event, {}, room.rules)


# ── redactions ───────────────────────────────────────────────────────────────────────────────


def redaction(room: Room, sender: str, target: Event) -> Event:
    return room.event(room.draft("m.room.redaction", sender, {}, redacts=target.event_id))


def test_who_may_redact(every_version: str) -> None:
    room = make_room(every_version).with_member(BOB).with_member("@dora:a")
    target = room.send("m.room.message", ALICE, {"body": "x"})
    for user, same_server in ((BOB, False), ("@dora:a", True), (ALICE, True)):
        event = redaction(room, user, target)
        if int(every_version) <= 2:
            if same_server:
                room.check(event)
            else:
                with pytest.raises(AuthRefused, match="redact"):
                    room.check(event)
                continue
        else:
            room.check(event)
        applies = auth_rules.redaction_applies(event, target, room.lookup, room.rules)
        assert applies == same_server


def test_moderators_redact_what_others_sent(every_version: str) -> None:
    own = {} if every_version == "12" else {ALICE: 100}
    room = make_room(every_version).with_member(BOB).with_levels(users={**own, BOB: 50})
    target = room.send("m.room.message", ALICE, {"body": "x"})
    event = redaction(room, BOB, target)
    room.check(event)
    assert auth_rules.redaction_applies(event, target, room.lookup, room.rules)


def test_a_redaction_reaches_its_target_only() -> None:
    room = make_room("12")
    target, other = (room.send("m.room.message", ALICE, {"n": n}) for n in (1, 2))
    event = redaction(room, ALICE, target)
    assert not auth_rules.redaction_applies(event, other, room.lookup, room.rules)
    elsewhere = make_room("12", name="other")
    stranger = elsewhere.event(
        Draft(elsewhere.room_id, UserId(ALICE), "m.room.redaction", {}, redacts=target.event_id)
    )
    lookup, rules = elsewhere.lookup, elsewhere.rules
    assert not auth_rules.redaction_applies(stranger, target, lookup, rules)


@pytest.mark.parametrize("named", [None, 1, "@x:y", {"@x:y": 1}])
def test_additional_creators_that_are_no_list_name_nobody(named):
    rules = rules_for("12")
    pdu = {
        "type": "m.room.create",
        "sender": "@a:b",
        "state_key": "",
        "content": {"room_version": "12", "additional_creators": named},
        "prev_events": [],
        "auth_events": [],
        "depth": 1,
        "origin_server_ts": 1,
    }
    create = Event.trusted("$create", pdu, rules)
    assert creators_of(create, rules) == ["@a:b"]
