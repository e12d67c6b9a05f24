"""Random rooms: scripts of small numbers, drawn by Hypothesis, become histories with forks.

A script is a list of `Step`s. Each step picks a branch, an actor, an action and its details; an
event enters its branch only if the oracle allows it there. Scripts shrink well: dropping a step
or making a number smaller gives a simpler room. Now and then a state is made faulty, as a server
with an incomplete history might report it: an older entry put back, or one left out. Some events
count as rejected on receipt, though they are cited and even stand in states.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import oracle
from hypothesis import strategies as st
from rendering import Pdu, Rendering
from timeline import Branch, Names, Room

ALICE = "@alice:example.org"
USERS = [ALICE, "@bob:example.org", "@carol:other.net", "@dave:example.org", "@eve:other.net"]
LEVELS = [0, 25, 50, 100]
RULES = ["public", "invite", "knock", "restricted", "knock_restricted"]
LEVEL_NAMES = ["ban", "kick", "invite", "state_default", "users_default", "events_default"]
MAX_BRANCHES = 4


class Step(NamedTuple):
    """One thing that happens; each field is read modulo what there is to choose from."""

    action: int
    branch: int
    actor: int
    target: int
    value: int
    ts: int


class Fault(NamedTuple):
    """One entry of one final state that is wrong: replaced by an older one or left out."""

    branch: int
    entry: int
    older: int


class Attempt(NamedTuple):
    """An event somebody tried to send, the state before it, and what the oracle says."""

    event: Pdu
    state: dict[oracle.Key, Pdu]
    verdict: oracle.Verdict


@dataclass
class RandomRoom:
    """A finished room: all events, the states to be resolved, everything that was tried."""

    version: str
    room: dict[str, Pdu] = field(default_factory=dict)
    states: list[oracle.StateIds] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)


class _Builder:
    def __init__(self, version: str, creators: int) -> None:
        self.version = version
        self.rendering = Rendering([], version)
        self.made: dict[str, Pdu] = {}
        self.ids: dict[str, str] = {}
        self.attempts: list[Attempt] = []
        self.count = 0
        main = Room().branch()
        self.branches = [main]
        more = {"additional_creators": USERS[1 : 1 + creators]} if creators else {}
        self.send(main, "m.room.create", ALICE, more, "", 0)
        self.member(main, ALICE, ALICE, "join", 0)
        power = {"users": {ALICE: 100, USERS[1]: 50, USERS[2]: 50}}
        self.send(main, "m.room.power_levels", ALICE, power, "", 0)
        self.send(main, "m.room.join_rules", ALICE, {"join_rule": "public"}, "", 0)
        self.member(main, USERS[1], USERS[1], "join", 0)
        self.member(main, USERS[2], USERS[2], "join", 0)
        self.branches.append(main.fork())

    # -- events

    def send(
        self, branch: Branch, kind: str, sender: str, content: Pdu, state_key: str, ts: int
    ) -> None:
        """Tries to send a state event; it enters the branch if the oracle allows it there."""
        self.count += 1
        before = branch.fork()
        name = f"e{self.count}x"
        neutral = branch.send(name, kind, sender, content, state_key, ts=ts)
        if kind == "m.room.create":
            self.rendering.create = neutral
        self.rendering.neutral[name] = neutral
        event = self.rendering.event(neutral)
        state = {key: self.made[entry] for key, entry in before.state.items()}
        signers = {oracle.domain(user) for user in USERS}
        verdict = oracle.authorise(event, state, self.version, signers)
        self.attempts.append(Attempt(event, state, verdict))
        if verdict.allowed:
            self.made[name] = event
            self.ids[event["event_id"]] = name
        else:
            branch.state, branch.last, branch.depth = before.state, before.last, before.depth

    def member(
        self, branch: Branch, sender: str, target: str, membership: str, ts: int, **more: Any
    ) -> None:
        content = {"membership": membership, **more}
        self.send(branch, "m.room.member", sender, content, target, ts)

    # -- steps

    def step(self, step: Step) -> None:
        branch = self.branches[step.branch % len(self.branches)]
        actor = USERS[step.actor % len(USERS)]
        target = USERS[step.target % len(USERS)]
        ACTIONS[step.action % len(ACTIONS)](self, branch, actor, target, step)

    def fork(self, branch: Branch, _actor: str, _target: str, _step: Step) -> None:
        if len(self.branches) < MAX_BRANCHES:
            self.branches.append(branch.fork())

    def merge(self, branch: Branch, _actor: str, _target: str, step: Step) -> None:
        """The branch takes in another one; its state is what the oracle resolves."""
        other = self.branches[step.value % len(self.branches)]
        resolved = oracle.resolve(
            self.version, [self.state_ids(branch), self.state_ids(other)], self.room()
        )
        names = {key: self.ids[event_id] for key, event_id in resolved.items()}
        merged = branch.merge(other, names)
        branch.state, branch.last, branch.depth = merged.state, merged.last, merged.depth

    def topic(self, branch: Branch, actor: str, _target: str, step: Step) -> None:
        self.send(branch, "m.room.topic", actor, {"topic": str(step.value)}, "", step.ts)

    def note(self, branch: Branch, actor: str, target: str, step: Step) -> None:
        self.send(branch, "org.example.note", actor, {}, target, step.ts)

    def join(self, branch: Branch, actor: str, _target: str, step: Step) -> None:
        self.member(branch, actor, actor, "join", step.ts, displayname=str(step.value))

    def join_via(self, branch: Branch, actor: str, target: str, step: Step) -> None:
        if int(self.version) >= 8:
            via = {"join_authorised_via_users_server": target}
            self.member(branch, actor, actor, "join", step.ts, **via)

    def leave(self, branch: Branch, actor: str, _target: str, step: Step) -> None:
        self.member(branch, actor, actor, "leave", step.ts)

    def knock(self, branch: Branch, actor: str, _target: str, step: Step) -> None:
        self.member(branch, actor, actor, "knock", step.ts)

    def kick(self, branch: Branch, actor: str, target: str, step: Step) -> None:
        self.member(branch, actor, target, "leave", step.ts)

    def ban(self, branch: Branch, actor: str, target: str, step: Step) -> None:
        self.member(branch, actor, target, "ban", step.ts)

    def invite(self, branch: Branch, actor: str, target: str, step: Step) -> None:
        self.member(branch, actor, target, "invite", step.ts)

    def rules(self, branch: Branch, actor: str, _target: str, step: Step) -> None:
        rule = RULES[step.value % len(RULES)]
        self.send(branch, "m.room.join_rules", actor, {"join_rule": rule}, "", step.ts)

    def power_user(self, branch: Branch, actor: str, target: str, step: Step) -> None:
        content = self.power_content(branch)
        level = LEVELS[step.value % len(LEVELS)]
        content["users"] = {**content.get("users", {}), target: level}
        self.send(branch, "m.room.power_levels", actor, content, "", step.ts)

    def power_property(self, branch: Branch, actor: str, target: str, step: Step) -> None:
        content = self.power_content(branch)
        name = LEVEL_NAMES[step.target % len(LEVEL_NAMES)]
        content[name] = LEVELS[step.value % len(LEVELS)]
        self.send(branch, "m.room.power_levels", actor, content, "", step.ts)

    def power_content(self, branch: Branch) -> Pdu:
        name = branch.state.get(oracle.POWER)
        return {} if name is None else dict(branch.room.events[name]["content"])

    # -- results

    def room(self) -> dict[str, Pdu]:
        return {event["event_id"]: event for event in self.made.values()}

    def state_ids(self, branch: Branch) -> oracle.StateIds:
        return self.ids_of(branch.state)

    def ids_of(self, state: Names) -> oracle.StateIds:
        return {key: self.made[name]["event_id"] for key, name in state.items()}

    def spoil(self, states: list[oracle.StateIds], fault: Fault) -> None:
        state = states[fault.branch % len(states)]
        keys = [key for key in sorted(state) if key != oracle.CREATE]
        if not keys:
            return
        key = keys[fault.entry % len(keys)]
        choices = [event["event_id"] for event in self.made.values() if oracle.key_of(event) == key]
        if fault.older % (len(choices) + 1) == len(choices):
            del state[key]
        else:
            state[key] = choices[fault.older % (len(choices) + 1)]


ACTIONS: list[Callable[[_Builder, Branch, str, str, Step], None]] = [
    _Builder.topic,
    _Builder.fork,
    _Builder.ban,
    _Builder.power_user,
    _Builder.join,
    _Builder.kick,
    _Builder.rules,
    _Builder.merge,
    _Builder.leave,
    _Builder.invite,
    _Builder.power_property,
    _Builder.note,
    _Builder.fork,
    _Builder.knock,
    _Builder.join_via,
]


def build(
    version: str, creators: int, steps: list[Step], faults: list[Fault], rejected: list[int]
) -> RandomRoom:
    """The room that a script describes; `rejected` picks events that failed on receipt."""
    builder = _Builder(version, creators)
    for step in steps:
        builder.step(step)
    states = [builder.state_ids(branch) for branch in builder.branches]
    for fault in faults:
        builder.spoil(states, fault)
    room = builder.room()
    events = [event for event in room.values() if event["type"] != "m.room.create"]
    for pick in rejected if events else []:
        events[pick % len(events)]["rejected"] = True
    return RandomRoom(version, room, states, builder.attempts)


SMALL = st.integers(0, 15)
STEPS = st.lists(
    st.builds(Step, SMALL, st.integers(0, 3), st.integers(0, 4), st.integers(0, 5), SMALL, SMALL),
    min_size=12,
    max_size=40,
)
FAULTS = st.lists(st.builds(Fault, st.integers(0, 3), SMALL, st.integers(0, 7)), max_size=3)


def rooms(versions: list[str]) -> st.SearchStrategy[RandomRoom]:
    """Rooms of these versions."""
    rejected = st.lists(st.integers(0, 30), max_size=2)
    return st.builds(build, st.sampled_from(versions), st.integers(0, 2), STEPS, FAULTS, rejected)
