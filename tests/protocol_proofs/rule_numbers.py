"""The numbered authorisation rules of every room version, as the spec renders them.

Each room version has its own list, so one and the same rule wears different numbers: refusing a
banned user's join is 5.2.3 in version 1, 4.2.3 in version 6, 4.3.3 in version 8, 5.3.3 in
version 12. Here every rule has a *name*; its number follows from its place in the outline of the
version. Source: "Authorisation rules" in rooms/v1.md … v12.md (numbers as rendered: a Markdown
list counts its items, so version 12's second "10." is 10.11 and its "3.5" is 3.4).
"""

from collections.abc import Iterator
from functools import cache

VERSIONS = tuple(str(number) for number in range(1, 13))

Outline = list["str | tuple[str, Outline]"]


def _create(version: int) -> Outline:
    second = "create.room_id" if version >= 12 else "create.domain"
    rules: Outline = ["create.prev_events", second, "create.room_version"]
    if version <= 10:
        rules.append("create.creator")
    if version >= 12:
        rules.append("create.additional_creators")
    return [*rules, "create.otherwise"]


def _auth_events(version: int) -> Outline:
    rules: Outline = ["auth_events.duplicate", "auth_events.selection", "auth_events.rejected"]
    if version <= 11:
        rules.append("auth_events.no_create")
    return [*rules, "auth_events.other_room"]


def _join(version: int) -> Outline:
    rules: Outline = ["join.first", "join.other_user", "join.banned", "join.invite"]
    if version >= 8:
        restricted: Outline = ["restricted.member", "restricted.authoriser", "restricted.otherwise"]
        rules.append(("join.restricted", restricted))
    return [*rules, "join.public", "join.otherwise"]


def _invite() -> Outline:
    third_party: Outline = [
        "third_party.banned",
        "third_party.signed",
        "third_party.mxid_token",
        "third_party.mxid",
        "third_party.event",
        "third_party.sender",
        ("third_party.key", ["third_party.public_key", "third_party.public_keys"]),
        "third_party.otherwise",
    ]
    return [
        ("invite.third_party", third_party),
        "invite.sender",
        "invite.target",
        "invite.level",
        "invite.otherwise",
    ]


def _member(version: int) -> Outline:
    rules: Outline = ["member.fields"]
    if version >= 8:
        rules.append(("member.authorised_via", ["member.authorised_via_signature"]))
    rules += [
        ("member.join", _join(version)),
        ("member.invite", _invite()),
        (
            "member.leave",
            ["leave.self", "leave.sender", "leave.banned", "leave.kick", "leave.otherwise"],
        ),
        ("member.ban", ["ban.sender", "ban.level", "ban.otherwise"]),
    ]
    if version >= 7:
        rules.append(
            (
                "member.knock",
                ["knock.join_rule", "knock.other_user", "knock.membership", "knock.otherwise"],
            )
        )
    return [*rules, "member.unknown"]


def _power_levels(version: int) -> Outline:
    rules: Outline = []
    if version >= 10:
        rules += ["power.integers", "power.events_integers"]
    rules.append("power.users")
    if version >= 12:
        rules.append("power.creators")
    return [
        *rules,
        "power.first",
        ("power.property", ["power.property_current", "power.property_new"]),
        ("power.events_removed", ["power.events_current"]),
        ("power.events_added", ["power.events_new"]),
        ("power.users_removed", ["power.users_current"]),
        ("power.users_added", ["power.users_new"]),
        "power.otherwise",
    ]


def outline(version: int) -> Outline:
    """The tree of rules of a room version, in the order of its list."""
    rules: Outline = [("create", _create(version))]
    if version >= 12:
        rules.append("room_id")
    rules += [("auth_events", _auth_events(version)), "federate"]
    if version <= 5:
        rules.append(("aliases", ["aliases.state_key", "aliases.domain", "aliases.otherwise"]))
    rules += [
        ("member", _member(version)),
        "sender_joined",
        ("third_party_invite", ["third_party_invite.level"]),
        "required_level",
        "state_key_user",
        ("power_levels", _power_levels(version)),
    ]
    if version <= 2:
        rules.append(("redaction", ["redaction.level", "redaction.domain", "redaction.otherwise"]))
    return [*rules, "otherwise"]


def _leaves(rules: Outline, prefix: str) -> Iterator[tuple[str, str]]:
    for position, rule in enumerate(rules, start=1):
        number = f"{prefix}{position}"
        if isinstance(rule, str):
            yield rule, number
        else:
            yield from _leaves(rule[1], f"{number}.")


@cache
def numbers(version: str) -> dict[str, str]:
    """Rule name → rule number, for every rule of `version` that decides something itself."""
    return dict(_leaves(outline(int(version)), ""))


# Rules that can be seen with one outcome only, and why. All others need both in the matrix.
ALLOWED_ONLY = {
    "create.otherwise": "'otherwise, allow' ends its list",
    "aliases.otherwise": "'otherwise, allow' ends its list",
    "restricted.otherwise": "'otherwise, allow' ends its list",
    "power.otherwise": "'otherwise, allow' ends its list",
    "otherwise": "'otherwise, allow' ends its list",
}
REFUSED_ONLY = {
    "join.otherwise": "'otherwise, reject' ends its list",
    "third_party.otherwise": "'otherwise, reject' ends its list",
    "invite.otherwise": "'otherwise, reject' ends its list",
    "leave.otherwise": "'otherwise, reject' ends its list",
    "ban.otherwise": "'otherwise, reject' ends its list",
    "knock.otherwise": "'otherwise, reject' ends its list",
    "member.unknown": "'otherwise, reject' ends its list",
    "redaction.otherwise": "'otherwise, reject' ends its list",
}

# Rules that say "allow" (some of them "allow if and only if"); all others refuse.
ALLOWING = {
    *ALLOWED_ONLY,
    "join.first",
    "join.invite",
    "join.public",
    "restricted.member",
    "third_party.public_key",
    "third_party.public_keys",
    "invite.level",
    "leave.kick",
    "ban.level",
    "knock.membership",
    "power.first",
    "redaction.level",
    "redaction.domain",
}
