"""The oracle: authorisation and state resolution written a second time, straight from the prose.

Nothing here is fast and nothing is shared with `chat.protocol`. Events are plain dicts as they
travel (`auth_events` in the form of their room version) with `event_id` always present and
`rejected: True` on an event that failed the checks on receipt. A state is a dict
`(type, state_key) -> event`. Sources: rooms/v1.md … v12.md "Authorisation rules" and
"State resolution", server-server-api.md "Auth events selection" and "Definitions".
"""

import base64
import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import naive_json
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from rule_numbers import VERSIONS, numbers

Pdu = dict[str, Any]
Key = tuple[str, str]
State = Mapping[Key, Pdu]
StateIds = dict[Key, str]
Room = Mapping[str, Pdu]

CREATE: Key = ("m.room.create", "")
POWER: Key = ("m.room.power_levels", "")
JOIN_RULES: Key = ("m.room.join_rules", "")
POWER_PROPERTIES = (
    "users_default",
    "events_default",
    "state_default",
    "ban",
    "redact",
    "kick",
    "invite",
)
USER_ID = re.compile(r"@[^:\x00]*:.+", re.DOTALL)


# ---------------------------------------------------------------- reading events and levels


def domain(identifier: str) -> str:
    """What follows the first colon of an identifier."""
    return identifier.partition(":")[2]


def auth_ids(event: Pdu, version: str) -> list[str]:
    """The event IDs in `auth_events`: pairs in versions 1 and 2, plain IDs afterwards."""
    entries = event["auth_events"]
    return [entry[0] for entry in entries] if int(version) <= 2 else list(entries)


def prev_ids(event: Pdu, version: str) -> list[str]:
    """The event IDs in `prev_events`, likewise."""
    entries = event["prev_events"]
    return [entry[0] for entry in entries] if int(version) <= 2 else list(entries)


def key_of(event: Pdu) -> Key:
    """The place an event takes in the room state."""
    return (event["type"], event["state_key"])


def room_of(event: Pdu) -> str:
    """The event's room; a version 12 create event *is* its room."""
    return str(event["room_id"]) if "room_id" in event else "!" + event["event_id"][1:]


def creators(create: Pdu | None, version: str) -> set[str]:
    """Who counts as creator: `content.creator` up to 10, the sender in 11, several from 12 on."""
    if create is None:
        return set()
    if int(version) <= 10:
        return {create["content"].get("creator")}
    more = create["content"].get("additional_creators", []) if int(version) >= 12 else []
    return {create["sender"], *more}


def as_level(value: Any, version: str) -> int | None:
    """A power level as the version reads it, or None when the value is none.

    Versions 1–9 also read integers written as strings, versions 1–5 also truncate floats.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and int(version) <= 9:
        return int(value) if re.fullmatch(r"\s*[+-]?[0-9]+\s*", value) else None
    if isinstance(value, float) and int(version) <= 5:
        return math.trunc(value) if math.isfinite(value) else None
    return None


def _listed(content: Pdu, table: str, name: str, version: str) -> int | None:
    entries = content.get(table, {})
    return as_level(entries.get(name), version) if isinstance(entries, dict) else None


def user_level(user: str, state: State, version: str) -> float:
    """The power level of a user in a state; creators of version 12 stand above all numbers."""
    founders = creators(state.get(CREATE), version)
    if int(version) >= 12 and user in founders:
        return math.inf
    power = state.get(POWER)
    if power is None:
        return 100 if user in founders else 0
    own = _listed(power["content"], "users", user, version)
    if own is not None:
        return own
    return property_level("users_default", 0, state, version)


def property_level(name: str, default: int, state: State, version: str) -> int:
    """One of the single levels (`ban`, `kick`, …) of a state."""
    power = state.get(POWER)
    value = None if power is None else as_level(power["content"].get(name), version)
    return default if value is None else value


def required_level(event: Pdu, state: State, version: str) -> int:
    """The level needed to send an event of this type."""
    power = state.get(POWER)
    named = None if power is None else _listed(power["content"], "events", event["type"], version)
    if named is not None:
        return named
    if "state_key" in event:
        return property_level("state_default", 50, state, version)
    return property_level("events_default", 0, state, version)


def membership(user: Any, state: State) -> str:
    """A user's current membership; `leave` for one who never was there."""
    event = state.get(("m.room.member", user)) if isinstance(user, str) else None
    return "leave" if event is None else str(event["content"].get("membership"))


# ---------------------------------------------------------------- authorisation rules


@dataclass
class Verdict:
    """What the rules say of an event, by which rule, and which rules were reached on the way."""

    allowed: bool
    rule: str
    reached: list[str] = field(default_factory=list)


class _DecidedError(Exception):
    def __init__(self, *, allowed: bool, rule: str) -> None:
        super().__init__(rule)
        self.allowed = allowed
        self.rule = rule


class _Judge:
    """Goes through the numbered list and notes every rule it comes to."""

    def __init__(self, event: Pdu, state: State, version: str, signed_by: Iterable[str]) -> None:
        self.event = event
        self.content: Pdu = event["content"]
        self.state = state
        self.version = version
        self.number = int(version)
        self.signed_by = set(signed_by)
        self.reached: list[str] = []

    def at(self, rule: str) -> str:
        number = numbers(self.version)[rule]
        self.reached.append(number)
        return number

    def reject_if(self, rule: str, condition: bool) -> None:
        number = self.at(rule)
        if condition:
            raise _DecidedError(allowed=False, rule=number)

    def allow_if(self, rule: str, condition: bool) -> None:
        number = self.at(rule)
        if condition:
            raise _DecidedError(allowed=True, rule=number)

    def allow_only_if(self, rule: str, condition: bool) -> None:
        raise _DecidedError(allowed=condition, rule=self.at(rule))

    # -- the list

    def run(self) -> None:
        kind = self.event["type"]
        if kind == "m.room.create":
            self.create()
        create = self.state.get(CREATE)
        if self.number >= 12:
            self.reject_if(
                "room_id",
                create is None or create.get("rejected", False) or room_of(create) != self.room(),
            )
        self.reject_if("federate", self.federation_forbidden(create))
        if kind == "m.room.aliases" and self.number <= 5:
            self.aliases()
        if kind == "m.room.member":
            self.member()
        self.reject_if("sender_joined", self.membership(self.event["sender"]) != "join")
        if kind == "m.room.third_party_invite":
            self.allow_only_if(
                "third_party_invite.level", self.sender_level() >= self.level("invite", 0)
            )
        needed = required_level(self.event, self.state, self.version)
        self.reject_if("required_level", needed > self.sender_level())
        state_key = self.event.get("state_key", "")
        self.reject_if(
            "state_key_user", state_key.startswith("@") and state_key != self.event["sender"]
        )
        if kind == "m.room.power_levels":
            self.power_levels()
        if kind == "m.room.redaction" and self.number <= 2:
            self.redaction()
        self.allow_if("otherwise", True)

    def room(self) -> str | None:
        return self.event.get("room_id")

    def membership(self, user: Any) -> str:
        return membership(user, self.state)

    def level(self, name: str, default: int) -> int:
        return property_level(name, default, self.state, self.version)

    def level_of(self, user: str) -> float:
        return user_level(user, self.state, self.version)

    def sender_level(self) -> float:
        return self.level_of(self.event["sender"])

    # -- rule 1

    def create(self) -> None:
        self.reject_if("create.prev_events", len(self.event["prev_events"]) > 0)
        if self.number >= 12:
            self.reject_if("create.room_id", "room_id" in self.event)
        else:
            self.reject_if(
                "create.domain", domain(self.event["room_id"]) != domain(self.event["sender"])
            )
        self.reject_if(
            "create.room_version",
            "room_version" in self.content and self.content["room_version"] not in VERSIONS,
        )
        if self.number <= 10:
            self.reject_if("create.creator", "creator" not in self.content)
        if self.number >= 12:
            more = self.content.get("additional_creators", [])
            fine = isinstance(more, list) and all(
                isinstance(user, str) and USER_ID.fullmatch(user) for user in more
            )
            self.reject_if("create.additional_creators", not fine)
        self.allow_if("create.otherwise", True)

    # -- the rule on m.federate

    def federation_forbidden(self, create: Pdu | None) -> bool:
        if create is None or create["content"].get("m.federate") is not False:
            return False
        return domain(self.event["sender"]) != domain(create["sender"])

    # -- m.room.aliases, versions 1–5

    def aliases(self) -> None:
        self.reject_if("aliases.state_key", "state_key" not in self.event)
        self.reject_if("aliases.domain", domain(self.event["sender"]) != self.event["state_key"])
        self.allow_if("aliases.otherwise", True)

    # -- m.room.member

    def member(self) -> None:
        self.reject_if(
            "member.fields", "state_key" not in self.event or "membership" not in self.content
        )
        if self.number >= 8 and "join_authorised_via_users_server" in self.content:
            authoriser = self.content["join_authorised_via_users_server"]
            named = isinstance(authoriser, str) and USER_ID.fullmatch(authoriser) is not None
            signed = named and domain(authoriser) in self.signed_by
            self.reject_if("member.authorised_via_signature", not signed)
        wanted = self.content["membership"]
        if wanted == "join":
            self.join()
        if wanted == "invite":
            self.invite()
        if wanted == "leave":
            self.leave()
        if wanted == "ban":
            self.ban()
        if wanted == "knock" and self.number >= 7:
            self.knock()
        self.reject_if("member.unknown", True)

    def join(self) -> None:
        create = self.state.get(CREATE)
        first = create is not None and prev_ids(self.event, self.version) == [create["event_id"]]
        founder = None
        if create is not None:
            founder = create["content"].get("creator") if self.number <= 10 else create["sender"]
        user = self.event["state_key"]
        self.allow_if("join.first", first and user == founder)
        self.reject_if("join.other_user", self.event["sender"] != user)
        self.reject_if("join.banned", self.membership(user) == "ban")
        rule = self.join_rule()
        invited = self.membership(user) in ("invite", "join")
        by_invite = ("invite", "knock") if self.number >= 7 else ("invite",)
        self.allow_if("join.invite", rule in by_invite and invited)
        if self.number >= 8 and rule in self.restricted_rules():
            self.restricted(invited)
        self.allow_if("join.public", rule == "public")
        self.reject_if("join.otherwise", True)

    def join_rule(self) -> Any:
        # The lists do not say what holds without join rules; rooms have always been closed then.
        rules = self.state.get(JOIN_RULES)
        return "invite" if rules is None else rules["content"].get("join_rule")

    def restricted_rules(self) -> tuple[str, ...]:
        return ("restricted", "knock_restricted") if self.number >= 10 else ("restricted",)

    def restricted(self, invited: bool) -> None:
        self.allow_if("restricted.member", invited)
        authoriser = self.content.get("join_authorised_via_users_server")
        may_invite = (
            isinstance(authoriser, str)
            and self.membership(authoriser) == "join"
            and self.level_of(authoriser) >= self.level("invite", 0)
        )
        self.reject_if("restricted.authoriser", not may_invite)
        self.allow_if("restricted.otherwise", True)

    def invite(self) -> None:
        if "third_party_invite" in self.content:
            self.third_party(self.content["third_party_invite"])
        self.reject_if("invite.sender", self.membership(self.event["sender"]) != "join")
        self.reject_if("invite.target", self.membership(self.event["state_key"]) in ("join", "ban"))
        self.allow_if("invite.level", self.sender_level() >= self.level("invite", 0))
        self.reject_if("invite.otherwise", True)

    def third_party(self, invite: Any) -> None:
        target = self.event["state_key"]
        self.reject_if("third_party.banned", self.membership(target) == "ban")
        self.reject_if("third_party.signed", not isinstance(invite, dict) or "signed" not in invite)
        signed = invite["signed"]
        self.reject_if(
            "third_party.mxid_token",
            not isinstance(signed, dict) or "mxid" not in signed or "token" not in signed,
        )
        self.reject_if("third_party.mxid", signed["mxid"] != target)
        token = signed["token"]
        named = isinstance(token, str)
        issued = self.state.get(("m.room.third_party_invite", token)) if named else None
        self.reject_if("third_party.event", issued is None)
        assert issued is not None
        self.reject_if("third_party.sender", self.event["sender"] != issued["sender"])
        single = issued["content"].get("public_key")
        self.allow_if("third_party.public_key", signed_with(signed, single))
        entries = issued["content"].get("public_keys", [])
        several = [entry.get("public_key") for entry in entries if isinstance(entry, dict)]
        self.allow_if("third_party.public_keys", any(signed_with(signed, key) for key in several))
        self.reject_if("third_party.otherwise", True)

    def leave(self) -> None:
        sender, target = self.event["sender"], self.event["state_key"]
        if sender == target:
            may_leave = ("invite", "join", "knock") if self.number >= 7 else ("invite", "join")
            self.allow_only_if("leave.self", self.membership(target) in may_leave)
        self.at("leave.self")
        self.reject_if("leave.sender", self.membership(sender) != "join")
        self.reject_if(
            "leave.banned",
            self.membership(target) == "ban" and self.sender_level() < self.level("ban", 50),
        )
        self.allow_if(
            "leave.kick",
            self.sender_level() >= self.level("kick", 50)
            and self.level_of(target) < self.sender_level(),
        )
        self.reject_if("leave.otherwise", True)

    def ban(self) -> None:
        self.reject_if("ban.sender", self.membership(self.event["sender"]) != "join")
        self.allow_if(
            "ban.level",
            self.sender_level() >= self.level("ban", 50)
            and self.level_of(self.event["state_key"]) < self.sender_level(),
        )
        self.reject_if("ban.otherwise", True)

    def knock(self) -> None:
        knockable = ("knock", "knock_restricted") if self.number >= 10 else ("knock",)
        self.reject_if("knock.join_rule", self.join_rule() not in knockable)
        self.reject_if("knock.other_user", self.event["sender"] != self.event["state_key"])
        self.allow_if(
            "knock.membership",
            self.membership(self.event["sender"]) not in ("ban", "invite", "join"),
        )
        self.reject_if("knock.otherwise", True)

    # -- m.room.power_levels

    def power_levels(self) -> None:
        if self.number >= 10:
            self.reject_if(
                "power.integers",
                any(
                    name in self.content and not self.is_level(self.content[name])
                    for name in POWER_PROPERTIES
                ),
            )
            self.reject_if(
                "power.events_integers",
                any(
                    name in self.content and not self.is_level_table(self.content[name])
                    for name in ("events", "notifications")
                ),
            )
        users = self.content.get("users", {})
        well_formed = self.is_level_table(users) and all(USER_ID.fullmatch(user) for user in users)
        self.reject_if("power.users", not well_formed)
        if self.number >= 12:
            founders = creators(self.state.get(CREATE), self.version)
            self.reject_if("power.creators", any(user in founders for user in users))
        previous = self.state.get(POWER)
        self.allow_if("power.first", previous is None)
        assert previous is not None
        self.alterations(previous["content"])
        self.allow_if("power.otherwise", True)

    def is_level(self, value: Any) -> bool:
        return as_level(value, self.version) is not None

    def is_level_table(self, value: Any) -> bool:
        return isinstance(value, dict) and all(self.is_level(item) for item in value.values())

    def alterations(self, before: Pdu) -> None:
        mine = self.sender_level()
        for name in POWER_PROPERTIES:
            old = as_level(before.get(name), self.version)
            new = as_level(self.content.get(name), self.version)
            if old != new:
                self.reject_if("power.property_current", old is not None and old > mine)
                self.reject_if("power.property_new", new is not None and new > mine)
        tables = ("events", "notifications") if self.number >= 6 else ("events",)
        changes = [change for table in tables for change in self.changes(before, table)]
        for _, current, _ in changes:
            self.reject_if("power.events_current", current is not None and current > mine)
        for _, _, wanted in changes:
            self.reject_if("power.events_new", wanted is not None and wanted > mine)
        self.user_alterations(self.changes(before, "users"), mine)

    def user_alterations(
        self, changes: list[tuple[str, int | None, int | None]], mine: float
    ) -> None:
        for user, current, _ in changes:
            other = user != self.event["sender"]
            self.reject_if("power.users_current", other and current is not None and current >= mine)
        for _, _, wanted in changes:
            self.reject_if("power.users_new", wanted is not None and wanted > mine)

    def changes(self, before: Pdu, table: str) -> list[tuple[str, int | None, int | None]]:
        names = sorted({*before.get(table, {}), *self.content.get(table, {})})
        found = []
        for name in names:
            old = _listed(before, table, name, self.version)
            new = _listed(self.content, table, name, self.version)
            if old != new:
                found.append((name, old, new))
        return found

    # -- m.room.redaction, versions 1 and 2

    def redaction(self) -> None:
        self.allow_if("redaction.level", self.sender_level() >= self.level("redact", 50))
        target = self.event.get("redacts", "")
        self.allow_if("redaction.domain", domain(target) == domain(self.event["event_id"]))
        self.reject_if("redaction.otherwise", True)


def signed_with(signed: Pdu, public_key: Any) -> bool:
    """Whether any signature in a `signed` object was made with this Ed25519 key (base64)."""
    if not isinstance(public_key, str):
        return False
    body = {name: signed[name] for name in signed if name not in ("signatures", "unsigned")}
    for by_server in signed.get("signatures", {}).values():
        for key_id, signature in by_server.items():
            if key_id.startswith("ed25519:") and _verifies(public_key, signature, body):
                return True
    return False


def _verifies(public_key: str, signature: str, body: Pdu) -> bool:
    try:
        key = VerifyKey(base64.b64decode(public_key + "=" * (-len(public_key) % 4)))
        key.verify(
            naive_json.encode(body), base64.b64decode(signature + "=" * (-len(signature) % 4))
        )
    except (BadSignatureError, ValueError):
        return False
    return True


def authorise(event: Pdu, state: State, version: str, signed_by: Iterable[str] = ()) -> Verdict:
    """All rules that look at the room state (everything but the rule on `auth_events`).

    `signed_by` names the servers whose signature on the event is valid.
    """
    judge = _Judge(event, state, version, signed_by)
    try:
        judge.run()
    except _DecidedError as decision:
        return Verdict(decision.allowed, decision.rule, judge.reached)
    raise AssertionError("the list of rules ends with 'otherwise, allow'")


def selected_keys(event: Pdu, version: str) -> set[Key]:
    """The keys the auth events selection names for an event."""
    if event["type"] == "m.room.create":
        return set()
    keys: set[Key] = {POWER, ("m.room.member", event["sender"])}
    if int(version) <= 11:
        keys.add(CREATE)
    if event["type"] == "m.room.member" and "state_key" in event:
        keys |= _selected_for_member(event, version)
    return keys


def _selected_for_member(event: Pdu, version: str) -> set[Key]:
    content = event["content"]
    keys: set[Key] = {("m.room.member", event["state_key"])}
    if content.get("membership") in ("join", "invite", "knock"):
        keys.add(JOIN_RULES)
    if content.get("membership") == "invite" and "third_party_invite" in content:
        invite = content["third_party_invite"]
        signed = invite.get("signed") if isinstance(invite, dict) else None
        token = signed.get("token") if isinstance(signed, dict) else None
        if isinstance(token, str):
            keys.add(("m.room.third_party_invite", token))
    authoriser = content.get("join_authorised_via_users_server")
    restricted = isinstance(authoriser, str) and int(version) >= 8
    if content.get("membership") == "join" and restricted:
        keys.add(("m.room.member", authoriser))
    return keys


def judge_auth_events(event: Pdu, auth_events: list[Pdu], version: str) -> Verdict:
    """The rule on `auth_events` (2, in version 12: 3), given the events they name."""
    judge = _Judge(event, {}, version, ())
    keys = [key_of(entry) for entry in auth_events]
    try:
        judge.reject_if("auth_events.duplicate", len(keys) != len(set(keys)))
        unexpected = set(keys) - selected_keys(event, version)
        judge.reject_if("auth_events.selection", bool(unexpected))
        judge.reject_if(
            "auth_events.rejected", any(entry.get("rejected", False) for entry in auth_events)
        )
        if int(version) <= 11:
            judge.reject_if("auth_events.no_create", CREATE not in keys)
        judge.reject_if(
            "auth_events.other_room",
            any(room_of(entry) != room_of(event) for entry in auth_events),
        )
    except _DecidedError as decision:
        return Verdict(decision.allowed, decision.rule, judge.reached)
    return Verdict(True, "", judge.reached)


# ---------------------------------------------------------------- state resolution


def resolve(version: str, states: list[StateIds], room: Room) -> StateIds:
    """The resolved state of whole states, by the algorithm of the room version.

    `room` holds every event of the states and of their auth chains, by event ID.
    """
    if version == "1":
        return _resolve_v1(states, room)
    return ResolutionV2(version, states, room).run()


def _passes(event: Pdu, state: State, version: str) -> bool:
    # Whoever let the event in has verified its signatures; resolution looks at the state only.
    servers = {domain(str(event["content"].get("join_authorised_via_users_server", "")))}
    return authorise(event, state, version, servers).allowed


# -- version 1


def _v1_order(event: Pdu) -> tuple[int, int]:
    digest = hashlib.sha1(event["event_id"].encode(), usedforsecurity=False).hexdigest()
    return (event["depth"], -int(digest, 16))


def _resolve_v1(states: list[StateIds], room: Room) -> StateIds:
    candidates: dict[Key, set[str]] = {}
    for state in states:
        for key, event_id in state.items():
            candidates.setdefault(key, set()).add(event_id)
    result = {key: min(ids) for key, ids in candidates.items() if len(ids) == 1}
    conflicts = {key: ids for key, ids in candidates.items() if len(ids) > 1}
    passes = ("m.room.power_levels", "m.room.join_rules", "m.room.member")
    for kind in passes:
        # Keys of one pass do not see each other's outcome, so no order among them matters.
        found = {
            key: _v1_auth_event([room[event_id] for event_id in ids], result, room)
            for key, ids in conflicts.items()
            if key[0] == kind
        }
        result = {**result, **found}
    others = {
        key: _v1_other([room[event_id] for event_id in ids], result, room)
        for key, ids in conflicts.items()
        if key[0] not in passes
    }
    return {**result, **{key: event_id for key, event_id in others.items() if event_id}}


def _v1_auth_event(events: list[Pdu], result: StateIds, room: Room) -> str:
    ordered = sorted(events, key=_v1_order)
    chosen = ordered[0]
    for event in ordered[1:]:
        state = {key: room[event_id] for key, event_id in result.items()}
        state[key_of(chosen)] = chosen
        if not _passes(event, state, "1"):
            break
        chosen = event
    return str(chosen["event_id"])


def _v1_other(events: list[Pdu], result: StateIds, room: Room) -> str | None:
    state = {key: room[event_id] for key, event_id in result.items()}
    for event in sorted(events, key=_v1_order, reverse=True):
        if _passes(event, state, "1"):
            return str(event["event_id"])
    return None


# -- version 2 and 2.1


def is_power_event(event: Pdu) -> bool:
    """Whether the event might take somebody's abilities away."""
    if event["type"] in ("m.room.power_levels", "m.room.join_rules"):
        return True
    return (
        event["type"] == "m.room.member"
        and event["content"].get("membership") in ("leave", "ban")
        and event["sender"] != event["state_key"]
    )


class ResolutionV2:
    def __init__(self, version: str, states: list[StateIds], room: Room) -> None:
        self.version = version
        self.second_edition = int(version) >= 12
        self.states = states
        self.room = room
        self._chains: dict[str, set[str]] = {}

    def run(self) -> StateIds:
        unconflicted, conflicted = self.split()
        full = conflicted | self.auth_difference()
        if self.second_edition:
            full |= self.subgraph(conflicted)
        # Step 1
        picked = {event_id for event_id in full if is_power_event(self.room[event_id])}
        for event_id in list(picked):
            picked |= self.chain(event_id) & full
        # Step 2
        base: StateIds = {} if self.second_edition else unconflicted
        partial = self.iterate(base, self.power_order(picked))
        # Steps 3 and 4
        rest = self.mainline_order(full - picked, partial.get(POWER))
        resolved = self.iterate(partial, rest)
        # Step 5
        return {**resolved, **unconflicted}

    def split(self) -> tuple[StateIds, set[str]]:
        unconflicted: StateIds = {}
        conflicted: set[str] = set()
        for key in {key for state in self.states for key in state}:
            values = [state.get(key) for state in self.states]
            first = values[0]
            if first is not None and all(value == first for value in values):
                unconflicted[key] = first
            else:
                conflicted |= {value for value in values if value is not None}
        return unconflicted, conflicted

    def chain(self, event_id: str) -> set[str]:
        if event_id not in self._chains:
            found: set[str] = set()
            for parent in auth_ids(self.room[event_id], self.version):
                found |= {parent} | self.chain(parent)
            self._chains[event_id] = found
        return self._chains[event_id]

    def auth_difference(self) -> set[str]:
        chains: list[set[str]] = [
            set().union(*(self.chain(event_id) for event_id in state.values()))
            for state in self.states
        ]
        everything = {event_id for chain in chains for event_id in chain}
        return {one for one in everything if not all(one in chain for chain in chains)}

    def subgraph(self, conflicted: set[str]) -> set[str]:
        found = set()
        for start in conflicted:
            for event_id in {start} | self.chain(start):
                if ({event_id} | self.chain(event_id)) & conflicted:
                    found.add(event_id)
        return found

    def sender_level(self, event: Pdu) -> float:
        cited = [self.room[event_id] for event_id in auth_ids(event, self.version)]
        return user_level(event["sender"], self.with_create(cited, event), self.version)

    def with_create(self, cited: list[Pdu], event: Pdu) -> dict[Key, Pdu]:
        state = {key_of(entry): entry for entry in cited}
        if self.second_edition and event["type"] != "m.room.create":
            state[CREATE] = self.room["$" + event["room_id"][1:]]
        return state

    def power_order(self, ids: set[str]) -> list[str]:
        def rank(event_id: str) -> tuple[float, int, str]:
            event = self.room[event_id]
            return (-self.sender_level(event), event["origin_server_ts"], event_id)

        ordered: list[str] = []
        waiting = set(ids)
        while waiting:
            # "Ordered by their auth chains" (MSC1442): a path may leave the set and come back.
            free = [event_id for event_id in waiting if not self.chain(event_id) & waiting]
            first = min(free, key=rank)
            ordered.append(first)
            waiting.remove(first)
        return ordered

    def power_parent(self, event_id: str) -> str | None:
        for parent in auth_ids(self.room[event_id], self.version):
            if key_of(self.room[parent]) == POWER:
                return parent
        return None

    def mainline_order(self, ids: set[str], power: str | None) -> list[str]:
        mainline: list[str] = []
        while power is not None:
            mainline.append(power)
            power = self.power_parent(power)

        def position(event_id: str) -> float:
            parent = self.power_parent(event_id)
            while parent is not None:
                if parent in mainline:
                    return mainline.index(parent)
                parent = self.power_parent(parent)
            return math.inf

        return sorted(
            ids, key=lambda one: (-position(one), self.room[one]["origin_server_ts"], one)
        )

    def iterate(self, base: StateIds, ordered: list[str]) -> StateIds:
        result = dict(base)
        for event_id in ordered:
            event = self.room[event_id]
            cited = [self.room[parent] for parent in auth_ids(event, self.version)]
            state = self.with_create([e for e in cited if not e.get("rejected", False)], event)
            state.update({key: self.room[value] for key, value in result.items()})
            if _passes(event, state, self.version):
                result[key_of(event)] = event_id
        return result
