"""A room as it is in the books: every state whole, as a dictionary, resolved by the oracle.

`RandomRoom` makes events of three servers: forks, merges, events that are not allowed everywhere.
`NaiveRoom` takes them in, in some order, and says what has to become of them.
"""

import random
from dataclasses import dataclass, field
from typing import Any

import oracle

from chat.protocol import auth_rules
from chat.protocol.errors import AuthRefused
from chat.protocol.event import Event, StateKey
from chat.protocol.identifiers import EventId
from chat.protocol.room_versions import RoomRules, rules_for
from chat.protocol.signatures import generate_signing_key
from chat.services.rooms.arrivals import Fate
from chat_testing.protocol_rooms import SEED, Room

ALICE, BOB, CAROL, DAVE = (
    "@alice:a.example",
    "@bob:b.example",
    "@carol:c.example",
    "@dave:b.example",
)
USERS = (ALICE, BOB, CAROL, DAVE)
CREATE: StateKey = ("m.room.create", "")

State = dict[StateKey, EventId]


def resolved(
    rules: RoomRules, states: list[State], events: dict[EventId, Event], rejected: Any
) -> State:
    """What the oracle makes of states."""
    if all(state == states[0] for state in states):
        return dict(states[0])
    pdus = {
        event_id: {**event.pdu, "event_id": event_id, "rejected": event_id in rejected}
        for event_id, event in events.items()
    }
    return oracle.resolve(rules.version, states, pdus)


@dataclass
class RandomRoom:
    """Makes events; each knows the state that an honest server would see before it."""

    version: str
    chance: random.Random
    events: dict[EventId, Event] = field(default_factory=dict)
    after: dict[EventId, State] = field(default_factory=dict)
    order: list[EventId] = field(default_factory=list)
    rejected: set[EventId] = field(default_factory=set)
    room_id: Any = None

    def __post_init__(self) -> None:
        self.rules = rules_for(self.version)
        self.key = generate_signing_key("1", SEED)
        if not self.rules.hashed_room_id:
            self.room_id = "!random:a.example"
        content: dict[str, Any] = {"room_version": self.version}
        if not self.rules.creator_is_sender:
            content["creator"] = ALICE
        self.make([], "m.room.create", ALICE, content, "")
        self.go_on("m.room.member", ALICE, {"membership": "join"}, ALICE)
        users = {BOB: 50} if self.rules.privileged_creators else {ALICE: 100, BOB: 50}
        self.go_on("m.room.power_levels", ALICE, {"users": users}, "")
        self.go_on("m.room.join_rules", ALICE, {"join_rule": "public"}, "")
        for user in (BOB, CAROL):
            self.go_on("m.room.member", user, {"membership": "join"}, user)

    def go_on(self, *what: Any) -> Event:
        return self.make([self.order[-1]], *what)

    def before(self, prev: list[EventId]) -> State:
        if not prev:
            return {}
        return resolved(self.rules, [self.after[one] for one in prev], self.events, self.rejected)

    def make(
        self,
        prev: list[EventId],
        kind: str,
        sender: str,
        content: dict[str, Any],
        state_key: str | None = None,
        seen: State | None = None,
    ) -> Event:
        """An event after `prev`. `seen`: the state that its sender pretends to see."""
        before = self.before(prev)
        depth = max((self.events[one].depth for one in prev), default=0)
        room = Room(
            self.rules, self.key, self.events, seen or before, list(prev), self.room_id, depth
        )
        draft = room.draft(kind, sender, content, state_key=state_key)
        event = room.event(draft, ts=1_000 * len(self.events) + self.chance.randrange(3_000))
        if event.event_id in self.events:
            return event
        self.events[event.event_id] = event
        self.room_id = event.room_id
        self.order.append(event.event_id)
        if not allowed(event, before, self.events, self.rejected):
            self.rejected.add(event.event_id)
        elif event.is_state:
            before = before | {event.key: event.event_id}
        self.after[event.event_id] = before
        return event

    def act(self) -> Event:
        """An event of a random kind at a random place, most often near the end."""
        usable = [one for one in self.order[3:] if one not in self.rejected]
        recent = usable[-6:] if self.chance.random() < 0.85 else usable
        prev = self.chance.sample(recent, min(len(recent), self.chance.choice((1, 1, 1, 2, 3))))
        seen = None
        if self.chance.random() < 0.08:
            seen = self.after[self.chance.choice(usable)]
        return self.make(prev, *self.something(), seen=seen)

    def something(self) -> tuple[str, str, dict[str, Any], str | None]:
        sender, other = self.chance.choice(USERS), self.chance.choice(USERS)
        number = len(self.order)
        kinds: list[tuple[str, str, dict[str, Any], str | None]] = [
            ("m.room.message", sender, {"body": str(number)}, None),
            ("m.room.topic", self.chance.choice((ALICE, BOB)), {"topic": str(number)}, ""),
            ("m.room.name", ALICE, {"name": str(number)}, ""),
            ("m.room.member", sender, {"membership": "join", "displayname": str(number)}, sender),
            ("m.room.member", sender, {"membership": "leave"}, sender),
            ("m.room.member", ALICE, {"membership": self.chance.choice(("ban", "leave"))}, other),
            ("m.room.member", BOB, {"membership": "invite"}, other),
            ("m.room.power_levels", ALICE, self.levels(), ""),
            ("m.room.join_rules", BOB, {"join_rule": self.chance.choice(("public", "invite"))}, ""),
            ("org.example.note", sender, {"number": number}, sender),
        ]
        return self.chance.choice(kinds)

    def levels(self) -> dict[str, Any]:
        users = {BOB: self.chance.choice((0, 50)), CAROL: self.chance.choice((0, 50))}
        if not self.rules.privileged_creators:
            users[ALICE] = 100
        return {"users": users}


def allowed(
    event: Event, state: State, events: dict[EventId, Event], rejected: set[EventId]
) -> bool:
    """Whether an event passes the checks by its auth events and by the state before it."""
    cited = {one: events[one] for one in event.auth_events}
    by_key = {one.key: one for one in cited.values() if one.is_state}
    if event.rules.hashed_room_id and event.type != CREATE[0]:
        by_key[CREATE] = events[EventId(f"${event.room_id[1:]}")]
    try:
        auth_rules.check_auth_events(event, cited, event.rules, rejected=rejected)
        auth_rules.check(event, by_key, event.rules)
    except AuthRefused:
        return False
    return passes(event, state, events)


def passes(event: Event, state: State, events: dict[EventId, Event]) -> bool:
    """Whether the rules allow an event in a state."""
    try:
        auth_rules.check(event, {key: events[one] for key, one in state.items()}, event.rules)
    except AuthRefused:
        return False
    return True


class NaiveRoom:
    """Takes in events and keeps whole states."""

    def __init__(self, rules: RoomRules) -> None:
        self.rules = rules
        self.events: dict[EventId, Event] = {}
        self.fates: dict[EventId, Fate] = {}
        self.before: dict[EventId, State] = {}
        self.after: dict[EventId, State] = {}
        self.tips: list[EventId] = []
        self.current: State = {}

    def take(self, event: Event) -> Fate:
        """What becomes of an event whose prev events are here."""
        states = [self.after[one] for one in event.prev_events]
        before = self.resolved(states) if states else {}
        self.events[event.event_id] = event
        rejected = {one for one, fate in self.fates.items() if fate is Fate.REJECTED}
        fate = Fate.ACCEPTED
        if not allowed(event, before, self.events, rejected):
            fate = Fate.REJECTED
        elif not passes(event, self.current, self.events) and event.type != "m.room.create":
            fate = Fate.SOFT_FAILED
        self.fates[event.event_id], self.before[event.event_id] = fate, before
        changed = event.is_state and fate is not Fate.REJECTED
        self.after[event.event_id] = before | ({event.key: event.event_id} if changed else {})
        if fate is Fate.ACCEPTED:
            covered = self.covered(event)
            self.tips = [one for one in self.tips if one not in covered] + [event.event_id]
            self.current = self.resolved([self.after[one] for one in self.tips])
        return fate

    def resolved(self, states: list[State]) -> State:
        rejected = {one for one, fate in self.fates.items() if fate is Fate.REJECTED}
        return resolved(self.rules, states, self.events, rejected)

    def covered(self, event: Event) -> set[EventId]:
        found = set(event.prev_events)
        for one in event.prev_events:
            if self.fates[one] is not Fate.ACCEPTED:
                found |= self.covered(self.events[one])
        return found
