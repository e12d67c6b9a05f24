"""The cases of the rule on `auth_events` (rule 2, in version 12 rule 3), written by hand."""

from typing import Any

from auth_cases import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    FRANK,
    Neutral,
    Outcome,
    allowed,
    create,
    event,
    join_rules,
    member,
    message,
    power,
    refused,
    third_party,
    topic,
    via,
)

CASES: list[dict[str, Any]] = []
FINE = "auth_events.other_room"  # the last rule of the list: whoever passes it has passed all

EVENTS: list[Neutral] = [
    create(),
    {**member(ALICE, "join"), "auth": ["create"]},
    {**power(), "auth": ["create", "joinAlice"]},
    {**power(), "name": "olderPower", "auth": ["create", "joinAlice"]},
    {**join_rules("public"), "auth": ["create", "joinAlice", "power"]},
    {**member(BOB, "join"), "auth": ["create", "joinRules", "power"]},
    {**member(CAROL, "join"), "auth": ["create", "joinRules", "power"]},
    {**member(FRANK, "invite", BOB), "auth": ["create", "joinRules", "power", "joinBob"]},
    {**topic(BOB), "auth": ["create", "power", "joinBob"]},
    {
        **event("issued", "m.room.third_party_invite", BOB, {}, "token"),
        "auth": ["create", "power", "joinBob"],
    },
    {
        **member(CAROL, "join"),
        "name": "rejectedCarol",
        "rejected": True,
        "auth": ["create", "joinRules", "power"],
    },
    {
        **member(CAROL, "join"),
        "name": "foreignCarol",
        "room_id": "!elsewhere:example.org",
        "auth": ["create"],
    },
    {**power(), "name": "foreignPower", "room_id": "!elsewhere:example.org", "auth": ["create"]},
]


def case(name: str, tested: Neutral, cited: str, *outcomes: Outcome) -> None:
    """`cited` names the auth events, separated by spaces; version 12 drops `create` unless
    the case is marked verbatim."""
    expected: Outcome = {}
    for outcome in outcomes:
        expected |= outcome
    CASES.append(
        {
            "name": name,
            "event": {"prev": ["latest"], **tested, "auth": cited.split()},
            "expect": expected,
        }
    )


def passes(first: int = 1, last: int = 12) -> Outcome:
    """All rules on `auth_events` are passed."""
    return allowed(FINE, first, last)


def build() -> list[dict[str, Any]]:
    """All cases on `auth_events`."""
    CASES.clear()
    usual = "create power joinCarol"
    case("message with the usual auth events", message(CAROL), usual, passes())
    case("message with fewer auth events", message(CAROL), "create joinCarol", passes())
    case(
        "message citing one event twice",
        message(CAROL),
        usual + " power",
        refused("auth_events.duplicate"),
    )
    case(
        "message citing two power levels",
        message(CAROL),
        usual + " olderPower",
        refused("auth_events.duplicate"),
    )
    case(
        "message citing the topic",
        message(CAROL),
        usual + " topic",
        refused("auth_events.selection"),
    )
    case(
        "message citing the join rules",
        message(CAROL),
        usual + " joinRules",
        refused("auth_events.selection"),
    )
    case(
        "message citing another's membership",
        message(CAROL),
        usual + " joinBob",
        refused("auth_events.selection"),
    )
    case(
        "message citing a third-party invite",
        message(CAROL),
        usual + " issued",
        refused("auth_events.selection"),
    )
    case(
        "message citing a rejected event",
        message(CAROL),
        "create power rejectedCarol",
        refused("auth_events.rejected"),
    )
    case(
        "message not citing the create event",
        message(CAROL),
        "power joinCarol",
        refused("auth_events.no_create", 1, 11),
        passes(12),
    )
    case(
        "message citing the create event in version 12",
        {**message(CAROL), "verbatim": True},
        usual,
        passes(1, 11),
        refused("auth_events.selection", 12),
    )
    case(
        "message citing a membership in another room",
        message(CAROL),
        "create power foreignCarol",
        refused("auth_events.other_room"),
    )
    case(
        "message citing power levels of another room",
        message(CAROL),
        "create foreignPower joinCarol",
        refused("auth_events.other_room"),
    )
    join = "create power joinRules"
    case("join with the join rules", member(DAVE, "join"), join, passes())
    case("join with an earlier invite", member(FRANK, "join"), join + " inviteFrank", passes())
    case(
        "join citing another's membership",
        member(DAVE, "join"),
        join + " joinBob",
        refused("auth_events.selection"),
    )
    case(
        "join with an authoriser",
        via(DAVE, BOB),
        join + " joinBob",
        refused("auth_events.selection", 1, 7),
        passes(8),
    )
    case(
        "join citing another than the authoriser",
        via(DAVE, BOB),
        join + " joinCarol",
        refused("auth_events.selection"),
    )
    case(
        "invite with both memberships",
        member(FRANK, "invite", BOB),
        join + " joinBob inviteFrank",
        passes(),
    )
    case(
        "invite citing a third-party invite it does not use",
        member(FRANK, "invite", BOB),
        join + " joinBob issued",
        refused("auth_events.selection"),
    )
    signed = {"mxid": DAVE, "token": "token", "signatures": {}}
    case(
        "third-party invite citing what issued it",
        third_party(signed=signed),
        join + " joinBob issued",
        passes(),
    )
    case(
        "third-party invite citing another token's",
        third_party(signed={**signed, "token": "other"}),
        join + " joinBob issued",
        refused("auth_events.selection"),
    )
    case(
        "leave citing the join rules",
        member(CAROL, "leave"),
        usual + " joinRules",
        refused("auth_events.selection"),
    )
    case("kick with both memberships", member(CAROL, "leave", BOB), usual + " joinBob", passes())
    case(
        "ban citing the join rules",
        member(CAROL, "ban", BOB),
        usual + " joinBob joinRules",
        refused("auth_events.selection"),
    )
    case("knock with the join rules", member(DAVE, "knock"), join, passes())
    return list(CASES)
