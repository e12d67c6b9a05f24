"""The authorisation cases, written by hand from the rules of rooms/v1.md … v12.md.

Each case names the rule that decides; `generate.py` turns names into the numbers of every version
and writes `auth.json` and `auth_events.json`.
"""

import base64
from collections.abc import Iterable
from typing import Any

import naive_json
from nacl.signing import SigningKey
from rule_numbers import VERSIONS, numbers

Neutral = dict[str, Any]

ALICE = "@alice:example.org"  # created the room; level 100
BOB = "@bob:example.org"  # joined, level 50
CAROL = "@carol:example.org"  # joined, level 0
DAVE = "@dave:example.org"  # never was in the room
EVE = "@eve:example.org"  # banned
FRANK = "@frank:example.org"  # invited
GREG = "@greg:example.org"  # joined, level 50
HEIDI = "@heidi:example.org"  # joined, level 100, not a creator
KIM = "@kim:example.org"  # knocked
ZOE = "@zoe:other.net"  # on another server, never was in the room
MAX_LEVEL = 2**53 - 1

IDENTITY_KEY = SigningKey(bytes(range(32)))
OTHER_KEY = SigningKey(bytes(range(1, 33)))


# ---------------------------------------------------------------- events


def event(
    name: str,
    kind: str,
    sender: str,
    content: dict[str, Any],
    state_key: str | None = None,
    **more: Any,
) -> Neutral:
    """A neutral event; `more` takes prev, auth, ts, depth, verbatim, redacts, room_id, …"""
    made: Neutral = {"name": name, "type": kind, "sender": sender, "content": content}
    if state_key is not None:
        made["state_key"] = state_key
    return {**made, **more}


def entry(name: str, value: Any) -> dict[str, Any]:
    """One property of a content, to be spread into the arguments of a helper below."""
    return {name: value}


def create(sender: str = ALICE, **content: Any) -> Neutral:
    return event("create", "m.room.create", sender, content, "")


def member(user: str, membership: str, sender: str | None = None, **more: Any) -> Neutral:
    name = f"{membership}{user[1:].partition(':')[0].capitalize()}"
    content = {"membership": membership, **more.pop("content", {})}
    return event(name, "m.room.member", sender or user, content, user, **more)


def power(users: Any = None, *, sender: str = ALICE, **content: Any) -> Neutral:
    levels = {ALICE: 100, BOB: 50, GREG: 50, HEIDI: 100} if users is None else users
    return event("power", "m.room.power_levels", sender, {"users": levels, **content}, "")


def join_rules(rule: str) -> Neutral:
    return event("joinRules", "m.room.join_rules", ALICE, {"join_rule": rule}, "")


def message(sender: str, **more: Any) -> Neutral:
    return event("message", "m.room.message", sender, {"body": "hello"}, **more)


def topic(sender: str, **more: Any) -> Neutral:
    return event("topic", "m.room.topic", sender, {"topic": "news"}, "", **more)


BASE_ROOM: list[Neutral] = [
    create(),
    member(ALICE, "join"),
    power(),
    join_rules("public"),
    member(BOB, "join"),
    member(CAROL, "join"),
    member(GREG, "join"),
    member(HEIDI, "join"),
    member(EVE, "ban", BOB),
    member(FRANK, "invite", BOB),
]

# ---------------------------------------------------------------- outcomes

Outcome = dict[str, tuple[str, str]]  # version → ("allowed" | "refused", rule name)


def span(first: int, last: int) -> list[str]:
    return [version for version in VERSIONS if first <= int(version) <= last]


def _outcome(word: str, rule: str, versions: Iterable[str]) -> Outcome:
    return {version: (word, rule) for version in versions if rule in numbers(version)}


def allowed(rule: str, first: int = 1, last: int = 12) -> Outcome:
    """Allowed by this rule in every version from first to last that has it."""
    return _outcome("allowed", rule, span(first, last))


def refused(rule: str, first: int = 1, last: int = 12) -> Outcome:
    """Refused by this rule in every version from first to last that has it."""
    return _outcome("refused", rule, span(first, last))


CASES: list[dict[str, Any]] = []


def case(
    name: str,
    tested: Neutral,
    *outcomes: Outcome,
    changed: Iterable[Neutral] = (),
    without: Iterable[str] = (),
    only: Iterable[Neutral] | None = None,
    signed_by: Iterable[str] = (),
) -> None:
    """Adds a case: the base room with `changed` entries and `without` named ones, or `only`."""
    if only is None:
        state = {(e["type"], e["state_key"]): e for e in BASE_ROOM if e["name"] not in without}
        state |= {(e["type"], e["state_key"]): e for e in changed}
        events = list(state.values())
    else:
        events = list(only)
    expected: Outcome = {}
    for outcome in outcomes:
        assert not set(expected) & set(outcome), f"{name}: two outcomes for one version"
        expected |= outcome
    assert expected, name
    CASES.append(
        {
            "name": name,
            "state": events,
            "event": {"prev": ["latest"], **tested},
            "signed_by": list(signed_by),
            "expect": expected,
        }
    )


def base64_of(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def public_key(key: SigningKey) -> str:
    return base64_of(bytes(key.verify_key))


def signed_by_identity_server(key: SigningKey, **body: Any) -> dict[str, Any]:
    signature = base64_of(key.sign(naive_json.encode(body)).signature)
    return {**body, "signatures": {"identity.example.org": {"ed25519:0": signature}}}


# ---------------------------------------------------------------- rule 1: create


def create_cases() -> None:
    case("create", {**create(), "prev": []}, allowed("create.otherwise"), only=[])
    case("create with prev_events", create(), refused("create.prev_events"), only=[])
    case(
        "create whose room_id names another server",
        {**create(), "prev": [], "room_id": "!room:other.net"},
        refused("create.domain"),
        refused("create.room_id"),
        only=[],
    )
    case(
        "create whose room_id is its own event ID",
        {**create(), "prev": [], "room_id": "!create00000000000000000000000000000000000000"},
        refused("create.room_id"),
        only=[],
    )
    case(
        "create of an unknown room version",
        {**create(room_version="org.example.unknown"), "prev": []},
        refused("create.room_version"),
        only=[],
    )
    case(
        "create whose room version is a number",
        {**create(room_version=1), "prev": []},
        refused("create.room_version"),
        only=[],
    )
    case(
        "create whose room version is a list",
        {**create(room_version=["1"]), "prev": []},
        refused("create.room_version"),
        only=[],
    )
    case(
        "create without creator and room_version",
        {**create(), "prev": [], "verbatim": True},
        refused("create.creator"),
        allowed("create.otherwise", 11),
        only=[],
    )
    for label, value in {
        "a string": BOB,
        "an object": {BOB: 1},
        "a list with a number": [BOB, 7],
        "a list with a name that is no user ID": [BOB, "carol"],
        "a list with a room alias": ["#carol:example.org"],
        "a list with a user ID without server": ["@carol"],
    }.items():
        case(
            f"additional_creators is {label}",
            {**create(additional_creators=value), "prev": []},
            allowed("create.otherwise", 1, 11),
            refused("create.additional_creators"),
            only=[],
        )
    case(
        "additional_creators are user IDs",
        {**create(additional_creators=[BOB, ZOE, "@Old Style:example.org"]), "prev": []},
        allowed("create.otherwise"),
        only=[],
    )
    case(
        "additional_creators is an empty list",
        {**create(additional_creators=[]), "prev": []},
        allowed("create.otherwise"),
        only=[],
    )


# ---------------------------------------------------------------- room_id, federate, aliases


def room_cases() -> None:
    case(
        "event of a room whose ID is not the create event's",
        {**message(CAROL), "room_id": "!another000000000000000000000000000000000000"},
        refused("room_id"),
    )
    case(
        "event of a room whose create event was rejected",
        message(CAROL),
        refused("room_id"),
        changed=[{**create(), "rejected": True}],
    )
    closed = create(**entry("m.federate", False))
    case(
        "join from another server into an unfederated room",
        member(ZOE, "join"),
        refused("federate"),
        changed=[closed],
    )
    case(
        "join from the own server into an unfederated room",
        member(DAVE, "join"),
        allowed("join.public"),
        changed=[closed],
    )
    case(
        "join from another server, m.federate true",
        member(ZOE, "join"),
        allowed("join.public"),
        changed=[create(**entry("m.federate", True))],
    )
    case("join from another server", member(ZOE, "join"), allowed("join.public"))


def aliases(sender: str, **more: Any) -> Neutral:
    content = {"aliases": ["#news:example.org"]}
    return event("aliases", "m.room.aliases", sender, content, **more)


def aliases_cases() -> None:
    case(
        "aliases of the own server",
        aliases(CAROL, state_key="example.org"),
        allowed("aliases.otherwise"),
        refused("required_level", 6),
    )
    case(
        "aliases by one who is not in the room",
        aliases(ZOE, state_key="other.net"),
        allowed("aliases.otherwise"),
        refused("sender_joined", 6),
    )
    case(
        "aliases for another server",
        aliases(BOB, state_key="other.net"),
        refused("aliases.domain"),
        allowed("otherwise", 6),
    )
    case(
        "aliases without state_key",
        aliases(BOB),
        refused("aliases.state_key"),
        allowed("otherwise", 6),
    )


# ---------------------------------------------------------------- m.room.member


def field_cases() -> None:
    no_key = member(DAVE, "join")
    del no_key["state_key"]
    case("member event without state_key", no_key, refused("member.fields"))
    case(
        "member event without membership",
        event("join", "m.room.member", DAVE, {}, DAVE),
        refused("member.fields"),
    )
    case("unknown membership", member(CAROL, "sulk"), refused("member.unknown"))
    for label, value in {"a number": 7, "null": None, "a list": ["join"], "empty": ""}.items():
        case(
            f"membership is {label}",
            event("join", "m.room.member", DAVE, {"membership": value}, DAVE),
            refused("member.unknown"),
        )
    case("unknown membership of another", member(CAROL, "sulk", BOB), refused("member.unknown"))
    case(
        "knock where knocking is unknown",
        member(DAVE, "knock"),
        refused("member.unknown", 1, 6),
        changed=[join_rules("knock")],
    )


def join_cases() -> None:
    start = [create()]
    first_join = member(ALICE, "join") | {"prev": ["create"]}
    case("the creator's first join", first_join, allowed("join.first"), only=start)
    case(
        "another's join right after create",
        member(BOB, "join") | {"prev": ["create"]},
        refused("join.otherwise"),
        only=start,
    )
    case(
        "the creator's join with a later event as parent",
        member(ALICE, "join"),
        refused("join.otherwise"),
        only=start,
    )
    case(
        "the creator's join with a second parent",
        member(ALICE, "join") | {"prev": ["create", "latest"]},
        refused("join.otherwise"),
        only=start,
    )
    case(
        "an additional creator's join right after create",
        member(BOB, "join") | {"prev": ["create"]},
        refused("join.otherwise"),
        only=[create(additional_creators=[BOB])],
    )
    other_creator = {**create(creator=BOB), "verbatim": True}
    case(
        "first join of the user in content.creator",
        member(BOB, "join") | {"prev": ["create"]},
        allowed("join.first", 1, 10),
        refused("join.otherwise", 11),
        only=[other_creator],
    )
    case(
        "first join of the sender of create, another being content.creator",
        first_join,
        refused("join.otherwise", 1, 10),
        allowed("join.first", 11),
        only=[other_creator],
    )
    case("join sent for another", member(DAVE, "join", BOB), refused("join.other_user"))
    case("join of a banned user", member(EVE, "join"), refused("join.banned"))
    case("join into a public room", member(DAVE, "join"), allowed("join.public"))
    case("join again", member(CAROL, "join"), allowed("join.public"))
    case(
        "join of an invited user into a public room", member(FRANK, "join"), allowed("join.public")
    )
    case(
        "join while the members' other rules allow it but the user is banned, invite-only room",
        member(EVE, "join"),
        refused("join.banned"),
        changed=[join_rules("invite")],
    )
    for label, user, outcome in (
        ("an invited user", FRANK, allowed("join.invite")),
        ("a member", CAROL, allowed("join.invite")),
        ("a stranger", DAVE, refused("join.otherwise")),
        ("one who left", KIM, refused("join.otherwise")),
    ):
        case(
            f"join of {label} into an invite-only room",
            member(user, "join"),
            outcome,
            changed=[join_rules("invite"), member(KIM, "leave")],
        )
    case(
        "join of an invited user where the rule is knock",
        member(FRANK, "join"),
        refused("join.otherwise", 1, 6),
        allowed("join.invite", 7),
        changed=[join_rules("knock")],
    )
    for label, user in (("a knocker", KIM), ("a stranger", DAVE)):
        case(
            f"join of {label} where the rule is knock",
            member(user, "join"),
            refused("join.otherwise"),
            changed=[join_rules("knock"), member(KIM, "knock")],
        )
    case(
        "join of an invited user where the rule is private",
        member(FRANK, "join"),
        refused("join.otherwise"),
        changed=[join_rules("private")],
    )
    case(
        "join where the join_rules name no rule",
        member(DAVE, "join"),
        refused("join.otherwise"),
        changed=[event("joinRules", "m.room.join_rules", ALICE, {}, "")],
    )


def via(user: str, authoriser: Any) -> Neutral:
    return member(user, "join", content={"join_authorised_via_users_server": authoriser})


def restricted_cases() -> None:
    for rule, since in (("restricted", 8), ("knock_restricted", 10)):
        unknown = refused("join.otherwise", 1, since - 1)
        changed = [join_rules(rule)]
        case(
            f"{rule}: join of an invited user",
            member(FRANK, "join"),
            unknown,
            allowed("restricted.member", since),
            changed=changed,
        )
        case(
            f"{rule}: join of a member",
            member(CAROL, "join"),
            unknown,
            allowed("restricted.member", since),
            changed=changed,
        )
        case(
            f"{rule}: join of a stranger without authoriser",
            member(DAVE, "join"),
            unknown,
            refused("restricted.authoriser", since),
            changed=changed,
        )
        case(
            f"{rule}: join of a banned user with authoriser",
            via(EVE, BOB),
            refused("join.banned"),
            changed=changed,
            signed_by=["example.org"],
        )
        case(
            f"{rule}: join with authoriser",
            via(DAVE, BOB),
            unknown,
            allowed("restricted.otherwise", since),
            changed=changed,
            signed_by=["example.org"],
        )
        case(
            f"{rule}: the authoriser is not in the room",
            via(DAVE, KIM),
            unknown,
            refused("restricted.authoriser", since),
            changed=changed,
            signed_by=["example.org"],
        )
        case(
            f"{rule}: the authoriser is only invited",
            via(DAVE, FRANK),
            unknown,
            refused("restricted.authoriser", since),
            changed=changed,
            signed_by=["example.org"],
        )
        guarded = [*changed, power(invite=50)]
        case(
            f"{rule}: the authoriser may not invite",
            via(DAVE, CAROL),
            unknown,
            refused("restricted.authoriser", since),
            changed=guarded,
            signed_by=["example.org"],
        )
        case(
            f"{rule}: the authoriser has exactly the invite level",
            via(DAVE, BOB),
            unknown,
            allowed("restricted.otherwise", since),
            changed=guarded,
            signed_by=["example.org"],
        )
        case(
            f"{rule}: the creator authorises below the invite level",
            via(DAVE, ALICE),
            unknown,
            refused("restricted.authoriser", since, 11),
            allowed("restricted.otherwise", 12),
            changed=[*changed, power(invite=101)],
            signed_by=["example.org"],
        )
    case(
        "join naming an authoriser whose server has not signed",
        via(DAVE, BOB),
        allowed("join.public", 1, 7),
        refused("member.authorised_via_signature"),
    )
    for label, value in {
        "a number": 7,
        "a name without server": "bob",
        "a server": "example.org",
    }.items():
        case(
            f"join naming an authoriser that is {label}",
            via(DAVE, value),
            allowed("join.public", 1, 7),
            refused("member.authorised_via_signature"),
            signed_by=["example.org", ""],
        )
    case(
        "join naming an authoriser, signed by another server",
        via(DAVE, BOB),
        allowed("join.public", 1, 7),
        refused("member.authorised_via_signature"),
        signed_by=["other.net"],
    )
    case(
        "join naming an authoriser, signed, into a public room",
        via(DAVE, BOB),
        allowed("join.public"),
        signed_by=["example.org"],
    )


def third_party(target: str = DAVE, sender: str = BOB, **invite: Any) -> Neutral:
    return member(target, "invite", sender, content={"third_party_invite": invite})


def issued(**content: Any) -> Neutral:
    return event(
        "issued", "m.room.third_party_invite", BOB, {"display_name": "D", **content}, "token"
    )


def third_party_cases() -> None:
    signed = signed_by_identity_server(IDENTITY_KEY, mxid=DAVE, token="token")
    mine, other = public_key(IDENTITY_KEY), public_key(OTHER_KEY)
    single = [issued(public_key=mine)]
    case(
        "third-party invite, key in public_key",
        third_party(signed=signed),
        allowed("third_party.public_key"),
        changed=single,
    )
    case(
        "third-party invite, key in public_keys",
        third_party(signed=signed),
        allowed("third_party.public_keys"),
        changed=[
            issued(public_key=other, public_keys=[{"public_key": other}, {"public_key": mine}])
        ],
    )
    case(
        "third-party invite, only public_keys",
        third_party(signed=signed),
        allowed("third_party.public_keys"),
        changed=[issued(public_keys=[{"public_key": mine}])],
    )
    case(
        "third-party invite signed with an unknown key",
        third_party(signed=signed),
        refused("third_party.otherwise"),
        changed=[issued(public_key=other, public_keys=[{"public_key": other}])],
    )
    case(
        "third-party invite without any key",
        third_party(signed=signed),
        refused("third_party.otherwise"),
        changed=[issued()],
    )
    forged = {**signed_by_identity_server(IDENTITY_KEY, mxid=CAROL, token="token"), "mxid": DAVE}
    case(
        "third-party invite whose signed part was altered",
        third_party(signed=forged),
        refused("third_party.otherwise"),
        changed=single,
    )
    case(
        "third-party invite without signatures",
        third_party(signed={"mxid": DAVE, "token": "token"}),
        refused("third_party.otherwise"),
        changed=single,
    )
    case(
        "third-party invite of a banned user",
        third_party(EVE, signed=signed_by_identity_server(IDENTITY_KEY, mxid=EVE, token="token")),
        refused("third_party.banned"),
        changed=single,
    )
    case(
        "third-party invite without signed",
        third_party(display_name="D"),
        refused("third_party.signed"),
        changed=single,
    )
    case(
        "third-party invite that is the text 'signed'",
        member(DAVE, "invite", BOB, content={"third_party_invite": "signed"}),
        refused("third_party.signed"),
        changed=single,
    )
    case(
        "third-party invite whose signed part is text",
        third_party(signed="mxid token"),
        refused("third_party.mxid_token"),
        changed=single,
    )
    case(
        "third-party invite whose token is a list",
        third_party(signed=signed_by_identity_server(IDENTITY_KEY, mxid=DAVE, token=["token"])),
        refused("third_party.event"),
        changed=single,
    )
    case(
        "third-party invite, entries of public_keys that are no objects",
        third_party(signed=signed),
        refused("third_party.otherwise"),
        changed=[issued(public_keys=[mine, 7, None])],
    )
    case(
        "third-party invite without mxid",
        third_party(signed=signed_by_identity_server(IDENTITY_KEY, token="token")),
        refused("third_party.mxid_token"),
        changed=single,
    )
    case(
        "third-party invite without token",
        third_party(signed=signed_by_identity_server(IDENTITY_KEY, mxid=DAVE)),
        refused("third_party.mxid_token"),
        changed=single,
    )
    case(
        "third-party invite for another user",
        third_party(CAROL, signed=signed),
        refused("third_party.mxid"),
        changed=single,
    )
    case(
        "third-party invite with an unknown token",
        third_party(signed=signed),
        refused("third_party.event"),
    )
    case(
        "third-party invite sent by another than the issuer",
        third_party(signed=signed, sender=CAROL),
        refused("third_party.sender"),
        changed=single,
    )
    case(
        "third-party invite below the invite level",
        third_party(signed=signed),
        allowed("third_party.public_key"),
        changed=[*single, power(invite=75)],
    )
    case(
        "third-party invite whose issuer has left",
        third_party(signed=signed),
        allowed("third_party.public_key"),
        changed=[*single, member(BOB, "leave")],
    )


def invite_cases() -> None:
    case("invite", member(DAVE, "invite", CAROL), allowed("invite.level"))
    case("invite again", member(FRANK, "invite", CAROL), allowed("invite.level"))
    case("invite by a stranger", member(KIM, "invite", DAVE), refused("invite.sender"))
    case("invite by one who is invited", member(KIM, "invite", FRANK), refused("invite.sender"))
    case("invite by a banned user", member(KIM, "invite", EVE), refused("invite.sender"))
    case("invite of a member", member(CAROL, "invite", BOB), refused("invite.target"))
    case("invite of a banned user", member(EVE, "invite", BOB), refused("invite.target"))
    guarded = [power(invite=50)]
    case(
        "invite below the invite level",
        member(DAVE, "invite", CAROL),
        refused("invite.otherwise"),
        changed=guarded,
    )
    case(
        "invite with exactly the invite level",
        member(DAVE, "invite", BOB),
        allowed("invite.level"),
        changed=guarded,
    )
    case(
        "invite by the creator below the invite level",
        member(DAVE, "invite", ALICE),
        refused("invite.otherwise", 1, 11),
        allowed("invite.level", 12),
        changed=[power(invite=101)],
    )
    case(
        "invite where no power levels were ever set",
        member(DAVE, "invite", CAROL),
        allowed("invite.level"),
        without=["power"],
    )
    case(
        "invite by a member with a negative level",
        member(DAVE, "invite", CAROL),
        refused("invite.otherwise"),
        changed=[power({ALICE: 100, CAROL: -1})],
    )


def leave_cases() -> None:
    case("leave", member(CAROL, "leave"), allowed("leave.self"))
    case("rejecting an invite", member(FRANK, "leave"), allowed("leave.self"))
    case("leave of a stranger", member(DAVE, "leave"), refused("leave.self"))
    case(
        "leave of one who left",
        member(KIM, "leave"),
        refused("leave.self"),
        changed=[member(KIM, "leave")],
    )
    case("leave of a banned user", member(EVE, "leave"), refused("leave.self"))
    case(
        "taking back a knock",
        member(KIM, "leave"),
        refused("leave.self", 1, 6),
        allowed("leave.self", 7),
        changed=[member(KIM, "knock")],
    )
    case("kick", member(CAROL, "leave", BOB), allowed("leave.kick"))
    case("kick by a stranger", member(CAROL, "leave", DAVE), refused("leave.sender"))
    case("kick by one who is invited", member(CAROL, "leave", FRANK), refused("leave.sender"))
    case(
        "kick by one who left, at a high level",
        member(CAROL, "leave", BOB),
        refused("leave.sender"),
        changed=[member(BOB, "leave")],
    )
    case("kick without the kick level", member(FRANK, "leave", CAROL), refused("leave.otherwise"))
    case("kick of an equal", member(GREG, "leave", BOB), refused("leave.otherwise"))
    case("kick of a higher user", member(HEIDI, "leave", BOB), refused("leave.otherwise"))
    case("kick of the creator", member(ALICE, "leave", BOB), refused("leave.otherwise"))
    case(
        "kick of the creator by an admin of the highest level",
        member(ALICE, "leave", HEIDI),
        allowed("leave.kick", 1, 11),
        refused("leave.otherwise", 12),
        changed=[power({ALICE: 100, HEIDI: MAX_LEVEL})],
    )
    case(
        "kick of an equal with kick level 0",
        member(CAROL, "leave", KIM),
        refused("leave.otherwise"),
        changed=[power(kick=0), member(KIM, "join")],
    )
    case(
        "kick where the kick level is above the sender",
        member(CAROL, "leave", BOB),
        refused("leave.otherwise"),
        changed=[power(kick=51)],
    )
    case(
        "kick by the creator where no power levels were ever set",
        member(CAROL, "leave", ALICE),
        allowed("leave.kick"),
        without=["power"],
    )
    case(
        "kick by a member where no power levels were ever set",
        member(CAROL, "leave", BOB),
        refused("leave.otherwise"),
        without=["power"],
    )
    case("taking back an invite", member(FRANK, "leave", BOB), allowed("leave.kick"))
    case("unban", member(EVE, "leave", BOB), allowed("leave.kick"))
    case(
        "unban below the ban level",
        member(EVE, "leave", BOB),
        refused("leave.banned"),
        changed=[power(ban=51)],
    )
    case(
        "unban with the ban level but below the kick level",
        member(EVE, "leave", BOB),
        refused("leave.otherwise"),
        changed=[power(kick=51)],
    )
    case(
        "kick below the ban level",
        member(CAROL, "leave", BOB),
        allowed("leave.kick"),
        changed=[power(ban=51)],
    )


def ban_cases() -> None:
    case("ban", member(CAROL, "ban", BOB), allowed("ban.level"))
    case("ban of a stranger", member(DAVE, "ban", BOB), allowed("ban.level"))
    case("ban of an invited user", member(FRANK, "ban", BOB), allowed("ban.level"))
    case("ban again", member(EVE, "ban", BOB), allowed("ban.level"))
    case("ban by a stranger", member(CAROL, "ban", DAVE), refused("ban.sender"))
    case(
        "ban by one who left, at a high level",
        member(CAROL, "ban", BOB),
        refused("ban.sender"),
        changed=[member(BOB, "leave")],
    )
    case("ban without the ban level", member(FRANK, "ban", CAROL), refused("ban.otherwise"))
    case("ban of an equal", member(GREG, "ban", BOB), refused("ban.otherwise"))
    case("ban of a higher user", member(HEIDI, "ban", BOB), refused("ban.otherwise"))
    case("ban of oneself", member(BOB, "ban"), refused("ban.otherwise"))
    case(
        "ban where the ban level is above the sender",
        member(CAROL, "ban", BOB),
        refused("ban.otherwise"),
        changed=[power(ban=51)],
    )
    case(
        "ban of an equal with ban level 0",
        member(CAROL, "ban", KIM),
        refused("ban.otherwise"),
        changed=[power(ban=0), member(KIM, "join")],
    )
    case(
        "ban of the creator by an admin of the highest level",
        member(ALICE, "ban", HEIDI),
        allowed("ban.level", 1, 11),
        refused("ban.otherwise", 12),
        changed=[power({ALICE: 100, HEIDI: MAX_LEVEL})],
    )
    case(
        "ban of an additional creator by an admin",
        member(BOB, "ban", HEIDI),
        allowed("ban.level", 1, 11),
        refused("ban.otherwise", 12),
        changed=[create(additional_creators=[BOB])],
    )
    case(
        "ban by an additional creator whom no power levels name",
        member(HEIDI, "ban", BOB),
        refused("ban.otherwise", 1, 11),
        allowed("ban.level", 12),
        changed=[create(additional_creators=[BOB]), power({ALICE: 100, HEIDI: MAX_LEVEL})],
    )
    case(
        "ban of a creator by a creator",
        member(BOB, "ban", ALICE),
        allowed("ban.level", 1, 11),
        refused("ban.otherwise", 12),
        changed=[create(additional_creators=[BOB])],
    )


def knock_cases() -> None:
    knocking = [join_rules("knock")]
    case("knock", member(DAVE, "knock"), allowed("knock.membership"), changed=knocking)
    case(
        "knock again",
        member(KIM, "knock"),
        allowed("knock.membership"),
        changed=[*knocking, member(KIM, "knock")],
    )
    case(
        "knock after having left",
        member(KIM, "knock"),
        allowed("knock.membership"),
        changed=[*knocking, member(KIM, "leave")],
    )
    for label, user in (("a member", CAROL), ("an invited user", FRANK), ("a banned user", EVE)):
        case(
            f"knock of {label}", member(user, "knock"), refused("knock.otherwise"), changed=knocking
        )
    case(
        "knock for another",
        member(DAVE, "knock", CAROL),
        refused("knock.other_user"),
        changed=knocking,
    )
    for rule in ("public", "invite", "restricted", "private"):
        case(
            f"knock where the rule is {rule}",
            member(DAVE, "knock"),
            refused("knock.join_rule"),
            changed=[join_rules(rule)],
        )
    case(
        "knock where there are no join rules",
        member(DAVE, "knock"),
        refused("knock.join_rule"),
        without=["joinRules"],
    )
    case(
        "knock where the rule is knock_restricted",
        member(DAVE, "knock"),
        refused("knock.join_rule", 7, 9),
        allowed("knock.membership", 10),
        changed=[join_rules("knock_restricted")],
    )


# ---------------------------------------------------------------- everything else


def sending_cases() -> None:
    case("message of a member", message(CAROL), allowed("otherwise"))
    for label, user in (("a stranger", DAVE), ("an invited user", FRANK), ("a banned user", EVE)):
        case(f"message of {label}", message(user), refused("sender_joined"))
    case(
        "message of a knocker",
        message(KIM),
        refused("sender_joined"),
        changed=[member(KIM, "knock")],
    )
    case(
        "topic of a stranger at a high level",
        topic(DAVE),
        refused("sender_joined"),
        changed=[power({ALICE: 100, DAVE: 100})],
    )

    offer = event("offer", "m.room.third_party_invite", CAROL, {"public_key": "x"}, "token")
    case("offering a third-party invite", offer, allowed("third_party_invite.level"))
    case(
        "offering a third-party invite below the invite level",
        offer,
        refused("third_party_invite.level"),
        changed=[power(invite=50)],
    )
    case(
        "offering a third-party invite with exactly the invite level",
        {**offer, "sender": BOB},
        allowed("third_party_invite.level"),
        changed=[power(invite=50)],
    )
    case(
        "offering a third-party invite from outside",
        {**offer, "sender": DAVE},
        refused("sender_joined"),
    )
    case(
        "offering a third-party invite does not need the state level",
        offer,
        allowed("third_party_invite.level"),
        changed=[power(events={"m.room.third_party_invite": 75})],
    )

    case("topic below the state level", topic(CAROL), refused("required_level"))
    case("topic with exactly the state level", topic(BOB), allowed("otherwise"))
    case(
        "topic at a lowered state level",
        topic(CAROL),
        allowed("otherwise"),
        changed=[power(state_default=0)],
    )
    case(
        "topic at a raised state level",
        topic(BOB),
        refused("required_level"),
        changed=[power(state_default=51)],
    )
    case(
        "topic listed below the state level",
        topic(CAROL),
        allowed("otherwise"),
        changed=[power(events={"m.room.topic": 0})],
    )
    case(
        "topic listed above the state level",
        topic(BOB),
        refused("required_level"),
        changed=[power(events={"m.room.topic": 51})],
    )
    case(
        "topic type sent as a message",
        event("note", "m.room.topic", CAROL, {"topic": "x"}),
        allowed("otherwise"),
    )
    case(
        "message at a raised level",
        message(CAROL),
        refused("required_level"),
        changed=[power(events_default=1)],
    )
    case(
        "message listed above the default",
        message(CAROL),
        refused("required_level"),
        changed=[power(events={"m.room.message": 1})],
    )
    case(
        "message listed below the default",
        message(CAROL),
        allowed("otherwise"),
        changed=[power(events_default=50, events={"m.room.message": 0})],
    )
    case(
        "message of a user below zero",
        message(CAROL),
        refused("required_level"),
        changed=[power({ALICE: 100, CAROL: -1})],
    )
    case(
        "topic of a user raised by users_default",
        topic(CAROL),
        allowed("otherwise"),
        changed=[power(users_default=50)],
    )
    case(
        "topic of a user listed below users_default",
        topic(CAROL),
        refused("required_level"),
        changed=[power({ALICE: 100, CAROL: 49}, users_default=50)],
    )
    case(
        "topic of the creator where no power levels were ever set",
        topic(ALICE),
        allowed("otherwise"),
        without=["power"],
    )
    case(
        "topic of a member where no power levels were ever set",
        topic(CAROL),
        refused("required_level"),
        without=["power"],
    )
    case(
        "message of a member where no power levels were ever set",
        message(CAROL),
        allowed("otherwise"),
        without=["power"],
    )
    case(
        "topic of the creator whom the power levels do not list",
        topic(ALICE),
        refused("required_level", 1, 11),
        allowed("otherwise", 12),
        changed=[power({BOB: 50})],
    )
    case(
        "topic of the creator at a level above all",
        topic(ALICE),
        refused("required_level", 1, 11),
        allowed("otherwise", 12),
        changed=[power(events={"m.room.topic": MAX_LEVEL})],
    )
    case(
        "topic of an additional creator",
        topic(CAROL),
        refused("required_level", 1, 11),
        allowed("otherwise", 12),
        changed=[create(additional_creators=[CAROL])],
    )
    case(
        "topic of an additional creator where no power levels were ever set",
        topic(CAROL),
        refused("required_level", 1, 11),
        allowed("otherwise", 12),
        changed=[create(additional_creators=[CAROL])],
        without=["power"],
    )
    case(
        "topic of content.creator, who did not send the create event",
        topic(BOB),
        allowed("otherwise", 1, 10),
        refused("required_level", 11),
        changed=[{**create(creator=BOB), "verbatim": True}],
        without=["power"],
    )

    def note(state_key: str, sender: str = BOB) -> Neutral:
        return event("note", "org.example.note", sender, {}, state_key)

    case("state under another user's ID", note(CAROL), refused("state_key_user"))
    case("state under the own user ID", note(BOB), allowed("otherwise"))
    case("state under a key that merely starts with @", note("@"), refused("state_key_user"))
    case("state under a key with the ID inside", note(f"_{CAROL}"), allowed("otherwise"))
    case(
        "state under another user's ID by the creator",
        note(CAROL, ALICE),
        refused("state_key_user"),
    )


def redaction_cases() -> None:
    def redaction(sender: str, redacts: str) -> Neutral:
        return event("redaction", "m.room.redaction", sender, {}, redacts=redacts)

    case(
        "redaction with the redact level",
        redaction(BOB, "$thing:other.net"),
        allowed("redaction.level", 1, 2),
        allowed("otherwise", 3),
    )
    case(
        "redaction without the redact level, same server",
        redaction(CAROL, "$thing:example.org"),
        allowed("redaction.domain", 1, 2),
        allowed("otherwise", 3),
    )
    case(
        "redaction without the redact level, another server",
        redaction(CAROL, "$thing:other.net"),
        refused("redaction.otherwise", 1, 2),
        allowed("otherwise", 3),
    )
    case(
        "redaction of nothing",
        event("redaction", "m.room.redaction", CAROL, {}),
        refused("redaction.otherwise", 1, 2),
        allowed("otherwise", 3),
    )
    case(
        "redaction at a raised redact level",
        redaction(BOB, "$thing:other.net"),
        refused("redaction.otherwise", 1, 2),
        allowed("otherwise", 3),
        changed=[power(redact=51)],
    )
    case(
        "redaction at a lowered redact level",
        redaction(CAROL, "$thing:other.net"),
        allowed("redaction.level", 1, 2),
        allowed("otherwise", 3),
        changed=[power(redact=0)],
    )
    case(
        "redaction below the level of its type",
        redaction(CAROL, "$thing:example.org"),
        refused("required_level"),
        changed=[power(events={"m.room.redaction": 50})],
    )


# ---------------------------------------------------------------- m.room.power_levels


USERS = {ALICE: 100, BOB: 50, GREG: 50, HEIDI: 100}


def levels(sender: str = BOB, users: Any = None, **content: Any) -> Neutral:
    return {**power(USERS if users is None else users, sender=sender, **content), "name": "levels"}


def power_form_cases() -> None:
    case("power levels unchanged", levels(), allowed("power.otherwise"))
    case("power levels by one who may not send them", levels(CAROL), refused("required_level"))
    case("power levels: users is a list", levels(users=[BOB]), refused("power.users"))
    case(
        "power levels: users is null",
        {**levels(), "content": {"users": None}},
        refused("power.users"),
    )
    for label, key in (
        ("without sigil", "carol:example.org"),
        ("without server", "@carol"),
        ("of a room alias", "#carol:example.org"),
    ):
        case(
            f"power levels: users names an ID {label}",
            levels(users={**USERS, key: 0}),
            refused("power.users"),
        )
    case(
        "power levels: users names a historical user ID",
        levels(users={**USERS, "@Old Style!:example.org": 0}),
        allowed("power.otherwise"),
    )
    for label, value in (
        ("text", "high"),
        ("null", None),
        ("a boolean", True),
        ("a list", [1]),
        ("an object", {}),
        ("an empty string", ""),
        ("a spelt float", "1.5"),
        ("a number with underscores", "1_0"),
        ("a hex number", "0x10"),
    ):
        case(
            f"power levels: a user's level is {label}",
            levels(users={**USERS, CAROL: value}),
            refused("power.users"),
        )
    for value in ("10", "000010", "+10", "-10", " 10 ", " 00010 ", " +10 ", " -10 "):
        case(
            f"power levels: a user's level is the string '{value}'",
            levels(users={**USERS, CAROL: value}),
            allowed("power.otherwise", 1, 9),
            refused("power.users", 10),
        )
    for name in (
        "users_default",
        "events_default",
        "state_default",
        "ban",
        "redact",
        "kick",
        "invite",
    ):
        case(
            f"power levels: {name} is a string of a number",
            levels(**entry(name, "50")),
            allowed("power.otherwise", 1, 9),
            refused("power.integers"),
        )
    for label, value in (("null", None), ("a boolean", True), ("a list", [])):
        case(f"power levels: ban is {label}", levels(ban=value), refused("power.integers"))
    for table in ("events", "notifications"):
        case(
            f"power levels: {table} is a list",
            levels(**entry(table, ["m.room.name"])),
            refused("power.events_integers"),
        )
        case(
            f"power levels: {table} is null",
            levels(**entry(table, None)),
            refused("power.events_integers"),
        )
        case(
            f"power levels: {table} holds a string of a number",
            levels(**entry(table, {"x": "50"})),
            allowed("power.otherwise", 1, 9),
            refused("power.events_integers"),
        )
        case(
            f"power levels: {table} holds null",
            levels(**entry(table, {"x": None})),
            refused("power.events_integers"),
        )
    case(
        "power levels as strings already in the room decide",
        topic(CAROL),
        allowed("otherwise", 1, 9),
        changed=[power({ALICE: "100", CAROL: " +050 "}, state_default="50")],
    )
    case(
        "power levels as strings already in the room decide against",
        topic(CAROL),
        refused("required_level", 1, 9),
        changed=[power({ALICE: "100", CAROL: "49"}, state_default="050")],
    )
    case(
        "power levels as floats are cut off, enough",
        topic(CAROL),
        allowed("otherwise", 1, 5),
        changed=[power({ALICE: 100, CAROL: 50.57})],
    )
    case(
        "power levels as floats are cut off, not enough",
        topic(CAROL),
        refused("required_level", 1, 5),
        changed=[power({ALICE: 100, CAROL: 49.99})],
    )
    case(
        "power levels as floats: a float in users is taken",
        levels(users={**USERS, CAROL: 50.57}),
        allowed("power.otherwise", 1, 5),
    )
    case(
        "power levels as floats: the part cut off does not count",
        levels(users={**USERS, CAROL: 51.2}),
        refused("power.users_new", 1, 5),
    )


SPEC_STRINGS: dict[str, Any] = {
    "ban": "50",
    "events": {"m.room.power_levels": "100"},
    "events_default": "0",
    "state_default": "50",
    "users": {"@example:localhost": "100"},
    "users_default": "0",
}
SPEC_FLOATS: dict[str, Any] = {
    "ban": 50,
    "events": {"m.room.power_levels": 100},
    "events_default": 0,
    "state_default": 50,
    "users": {"@example:example.org": 100, "@alice:localhost": 50, "@bob:localhost": 50.57},
    "users_default": 0,
}


def spec_power_cases() -> None:
    """The examples of fragments/v1-stringy-power-levels.md and v1-floaty-power-levels.md."""

    def given(content: dict[str, Any], *users: str) -> list[Neutral]:
        made = event("power", "m.room.power_levels", ALICE, content, "")
        return [made, *(member(user, "join") for user in users)]

    example, other = "@example:localhost", "@other:localhost"
    case(
        "the spec's string levels: the listed user sets the topic",
        topic(example),
        allowed("otherwise", 1, 9),
        changed=given(SPEC_STRINGS, example),
    )
    case(
        "the spec's string levels: another user does",
        topic(other),
        refused("required_level", 1, 9),
        changed=given(SPEC_STRINGS, other),
    )
    alice, bob = "@alice:localhost", "@bob:localhost"
    case(
        "the spec's float levels: 50.57 sets the topic",
        topic(bob),
        allowed("otherwise", 1, 5),
        changed=given(SPEC_FLOATS, bob),
    )
    case(
        "the spec's float levels: 50.57 is no more than 50",
        member(alice, "ban", bob),
        refused("ban.otherwise", 1, 5),
        changed=given(SPEC_FLOATS, bob),
    )
    for needed, outcome in (
        (51146, allowed("otherwise", 1, 5)),
        (51147, refused("required_level", 1, 5)),
    ):
        case(
            f"the spec's float levels: 5.114698E4 against {needed}",
            topic(bob),
            outcome,
            changed=given({"users": {bob: 5.114698e4}, "state_default": needed}, bob),
        )


def creator_power_cases() -> None:
    listed = {**levels(users={ALICE: 100, BOB: 50}), "verbatim": True}
    before = {**power({BOB: 50}), "verbatim": True}
    case("power levels that list the creator", listed, refused("power.creators"), changed=[before])
    case(
        "power levels that list an additional creator",
        {**levels(ALICE, users={CAROL: 50}), "verbatim": True},
        refused("power.creators"),
        changed=[create(additional_creators=[CAROL]), before],
    )
    case(
        "first power levels that list the creator",
        {**levels(ALICE, users={ALICE: 100}), "verbatim": True},
        allowed("power.first", 1, 11),
        refused("power.creators"),
        without=["power"],
    )
    case(
        "power levels that list no creator",
        {**levels(ALICE, users={BOB: 50, CAROL: 50}), "verbatim": True},
        allowed("power.otherwise", 12),
        changed=[before],
    )
    case(
        "the creator sets levels above 100",
        levels(ALICE, ban=101),
        refused("power.property_new", 1, 11),
        allowed("power.otherwise", 12),
    )
    case(
        "the creator raises a user to the highest level",
        levels(ALICE, users={**USERS, BOB: MAX_LEVEL}),
        refused("power.users_new", 1, 11),
        allowed("power.otherwise", 12),
    )
    case(
        "the creator lowers an equal of level 100",
        levels(ALICE, users={**USERS, HEIDI: 0}),
        refused("power.users_current", 1, 11),
        allowed("power.otherwise", 12),
    )
    case(
        "an additional creator sets levels above 100",
        levels(CAROL, ban=101),
        refused("required_level", 1, 11),
        allowed("power.otherwise", 12),
        changed=[create(additional_creators=[CAROL])],
    )


def power_first_cases() -> None:
    case(
        "first power levels by the creator",
        levels(ALICE),
        allowed("power.first"),
        without=["power"],
    )
    case(
        "first power levels above the creator's own level",
        levels(ALICE, ban=MAX_LEVEL),
        allowed("power.first"),
        without=["power"],
    )
    case(
        "first power levels by a member",
        levels(CAROL),
        refused("required_level"),
        without=["power"],
    )


def power_property_cases() -> None:
    for name in (
        "users_default",
        "events_default",
        "state_default",
        "ban",
        "redact",
        "kick",
        "invite",
    ):
        editable: dict[str, Any] = {"events": {"m.room.power_levels": 50}}
        high = [power(USERS, **entry(name, 51), **editable)]
        low = [power(USERS, **entry(name, 40), **editable)]
        case(
            f"power levels: {name} above the sender kept",
            levels(**entry(name, 51), **editable),
            allowed("power.otherwise"),
            changed=high,
        )
        case(
            f"power levels: {name} above the sender lowered",
            levels(**entry(name, 50), **editable),
            refused("power.property_current"),
            changed=high,
        )
        case(
            f"power levels: {name} above the sender removed",
            levels(**editable),
            refused("power.property_current"),
            changed=high,
        )
        case(
            f"power levels: {name} raised above the sender",
            levels(**entry(name, 51), **editable),
            refused("power.property_new"),
            changed=low,
        )
        case(
            f"power levels: {name} raised to the sender",
            levels(**entry(name, 50), **editable),
            allowed("power.otherwise"),
            changed=low,
        )
        case(
            f"power levels: {name} at the sender's level lowered",
            levels(**entry(name, 40), **editable),
            allowed("power.otherwise"),
            changed=[power(USERS, **entry(name, 50), **editable)],
        )
        case(
            f"power levels: {name} added above the sender",
            levels(**entry(name, 51), **editable),
            refused("power.property_new"),
            changed=[power(USERS, **editable)],
        )
        case(
            f"power levels: {name} removed",
            levels(**editable),
            allowed("power.otherwise"),
            changed=low,
        )
    case(
        "power levels: a property is rewritten as a string of the same number",
        levels(ban="51"),
        allowed("power.otherwise", 1, 9),
        changed=[power(USERS, ban=51)],
    )


def power_table_cases() -> None:
    for table, first in (("events", 1), ("notifications", 6)):
        high, low = (
            [power(USERS, **entry(table, {"x": 51}))],
            [power(USERS, **entry(table, {"x": 40}))],
        )
        unchecked = allowed("power.otherwise", 1, first - 1)
        case(
            f"power levels: an entry of {table} above the sender kept",
            levels(**entry(table, {"x": 51})),
            allowed("power.otherwise"),
            changed=high,
        )
        case(
            f"power levels: an entry of {table} above the sender lowered",
            levels(**entry(table, {"x": 50})),
            unchecked,
            refused("power.events_current", first),
            changed=high,
        )
        case(
            f"power levels: an entry of {table} above the sender removed",
            levels(**entry(table, {})),
            unchecked,
            refused("power.events_current", first),
            changed=high,
        )
        case(
            f"power levels: {table} with an entry above the sender removed",
            levels(),
            unchecked,
            refused("power.events_current", first),
            changed=high,
        )
        case(
            f"power levels: an entry of {table} raised above the sender",
            levels(**entry(table, {"x": 51})),
            unchecked,
            refused("power.events_new", first),
            changed=low,
        )
        case(
            f"power levels: an entry of {table} raised to the sender",
            levels(**entry(table, {"x": 50})),
            allowed("power.otherwise"),
            changed=low,
        )
        case(
            f"power levels: an entry of {table} at the sender's level lowered",
            levels(**entry(table, {"x": 0})),
            allowed("power.otherwise"),
            changed=[power(USERS, **entry(table, {"x": 50}))],
        )
        case(
            f"power levels: an entry of {table} added above the sender",
            levels(**entry(table, {"x": 40, "y": 51})),
            unchecked,
            refused("power.events_new", first),
            changed=low,
        )
        case(
            f"power levels: an entry of {table} removed",
            levels(**entry(table, {})),
            allowed("power.otherwise"),
            changed=low,
        )


def power_user_cases() -> None:
    def changed_to(**users: int) -> dict[str, int]:
        return {**USERS, **{f"@{name}:example.org": level for name, level in users.items()}}

    low = [power(changed_to(carol=10))]
    case(
        "power levels: a lower user raised",
        levels(users=changed_to(carol=20)),
        allowed("power.otherwise"),
        changed=low,
    )
    case(
        "power levels: a lower user raised to the sender",
        levels(users=changed_to(carol=50)),
        allowed("power.otherwise"),
        changed=low,
    )
    case(
        "power levels: a lower user raised above the sender",
        levels(users=changed_to(carol=51)),
        refused("power.users_new"),
        changed=low,
    )
    case("power levels: a lower user removed", levels(), allowed("power.otherwise"), changed=low)
    case(
        "power levels: a user added at the sender's level",
        levels(users=changed_to(carol=50)),
        allowed("power.otherwise"),
    )
    case(
        "power levels: a user added above the sender",
        levels(users=changed_to(carol=51)),
        refused("power.users_new"),
    )
    case(
        "power levels: an equal lowered",
        levels(users=changed_to(greg=0)),
        refused("power.users_current"),
    )
    case(
        "power levels: an equal removed",
        levels(users={ALICE: 100, BOB: 50, HEIDI: 100}),
        refused("power.users_current"),
    )
    case(
        "power levels: a higher user lowered",
        levels(users=changed_to(heidi=0)),
        refused("power.users_current"),
    )
    case("power levels: users emptied", levels(users={}), refused("power.users_current"))
    case(
        "power levels: users left out", {**levels(), "content": {}}, refused("power.users_current")
    )
    case(
        "power levels: the sender lowers themself",
        levels(users=changed_to(bob=0)),
        allowed("power.otherwise"),
    )
    case(
        "power levels: the sender removes themself",
        levels(users={ALICE: 100, GREG: 50, HEIDI: 100}),
        allowed("power.otherwise"),
    )
    case(
        "power levels: the sender raises themself",
        levels(users=changed_to(bob=51)),
        refused("power.users_new"),
    )
    case(
        "power levels: an admin raises another above themself",
        levels(HEIDI, users=changed_to(carol=101)),
        refused("power.users_new"),
    )
    case(
        "power levels: an admin lowers a moderator",
        levels(HEIDI, users=changed_to(bob=0)),
        allowed("power.otherwise"),
    )


def build() -> list[dict[str, Any]]:
    """All authorisation cases, in the order of the rules."""
    CASES.clear()
    for part in (
        create_cases,
        room_cases,
        aliases_cases,
        field_cases,
        join_cases,
        restricted_cases,
        third_party_cases,
        invite_cases,
        leave_cases,
        ban_cases,
        knock_cases,
        sending_cases,
        redaction_cases,
        power_form_cases,
        spec_power_cases,
        creator_power_cases,
        power_first_cases,
        power_property_cases,
        power_table_cases,
        power_user_cases,
    ):
        part()
    return list(CASES)
