"""What the protocol core costs: `python bench/protocol/run.py` prints microseconds of CPU time.

Events are real and signed; rooms with many members hold membership events that were never
signed, since nothing looks at them. Resolution is given its look-ups as dictionaries, and its
sets ready made: what a store needs to find them is not measured here.
"""

# ruff: noqa: E402 -- runs from a checkout: the folders of the imports come first
import gc
import statistics
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2] / folder) for folder in ("impl", "tests/support")]

from chat.protocol import auth_rules, canonical_json, signatures
from chat.protocol.event import Event, StateKey, parse_event
from chat.protocol.identifiers import EventId
from chat.protocol.push_rules import PushEvent, compile_rules, default_rules, evaluate
from chat.protocol.state_resolution import auth_difference_of, conflicted_subgraph_of, resolve
from chat_testing.protocol_rooms import ALICE, BOB, CHARLIE, Room, make_room

VERSION = "12"
ROUNDS = 7
BODY = {"msgtype": "m.text", "body": "A message of some fifty characters, as people write."}

State = dict[StateKey, EventId]


def micros(work: Callable[[], Any], repeat: int) -> float:
    """The median over some rounds of the CPU time of one call, in microseconds."""
    work()
    gc.collect()
    rounds = []
    for _ in range(ROUNDS):
        begin = time.process_time_ns()
        for _ in range(repeat):
            work()
        rounds.append((time.process_time_ns() - begin) / repeat / 1000)
    return statistics.median(rounds)


def show(what: str, us: float, aim_us: float | None = None) -> None:
    aim = "" if aim_us is None else f"   aim ≤ {aim_us:,.0f}"
    print(f"{what:<58}{us:>10.1f} µs{aim}")


def busy_room(members: int) -> Room:
    """A room with levels for some users and so many members."""
    room = make_room(VERSION).with_member(BOB).with_member(CHARLIE)
    room.with_levels(users={BOB: 50, **{f"@mod{n}:m": 50 for n in range(20)}})
    join = room.draft("m.room.member", "@m:m", {"membership": "join"}, state_key="@m:m")
    model = room.event(join)
    for number in range(members):
        user = f"@member{number}:m"
        pdu = {**model.pdu, "sender": user, "state_key": user}
        event = Event.trusted(EventId(f"${number:043}"), pdu, room.rules)
        room.events[event.event_id] = event
        room.state[event.key] = event.event_id
    return room


def bench_events() -> None:
    room = busy_room(0)
    draft = room.draft("m.room.message", BOB, BODY)
    message = room.event(draft)
    pdu, rules, key = message.pdu, room.rules, room.key
    data = canonical_json.encode(pdu)
    show(f"decode ({len(data)} bytes)", micros(lambda: canonical_json.decode(data), 5000))
    show("canonical encode", micros(lambda: canonical_json.encode(pdu), 5000))
    floats = {**pdu, "content": {"f": 0.5}}
    lenient = micros(lambda: canonical_json.encode(floats, strict=False), 2000)
    show("canonical encode with a float (versions 1–5)", lenient)
    sign = micros(lambda: signatures.hash_and_sign_event(pdu, rules, "b", key), 1000)
    show("hash + sign", sign, 120)
    show("build from a draft: hash, sign, check, event ID", micros(lambda: room.event(draft), 500))
    show("parse: check the format, event ID", micros(lambda: parse_event(pdu, rules), 2000))
    stored = micros(lambda: Event.trusted(message.event_id, pdu, rules), 5000)
    show("event from a stored row", stored)
    verify = micros(
        lambda: signatures.verify_event_signature(pdu, rules, "b", key.key_id, key.verify_key), 500
    )
    show("verify", verify)
    show("content hash", micros(lambda: signatures.content_hash_matches(pdu, rules), 2000))


def bench_auth() -> None:
    room = busy_room(1000)
    rules, state = room.rules, {key: room.events[one] for key, one in room.state.items()}
    message = room.event(room.draft("m.room.message", BOB, BODY))
    content = {"membership": "join"}
    join = room.event(room.draft("m.room.member", "@new:n", content, state_key="@new:n"))
    show(
        "auth check of a message", micros(lambda: auth_rules.check(message, state, rules), 5000), 30
    )
    show("auth check of a join", micros(lambda: auth_rules.check(join, state, rules), 5000))
    levels = {"users": {BOB: 50, **{f"@mod{n}:m": 50 for n in range(20)}}, "invite": 10}
    power = room.event(room.draft("m.room.power_levels", ALICE, levels, state_key=""))
    show(
        "auth check of power levels (21 users)",
        micros(lambda: auth_rules.check(power, state, rules), 2000),
    )
    cited = {one: room.events[one] for one in message.auth_events}
    check = micros(lambda: auth_rules.check_auth_events(message, cited, rules), 5000)
    show("check of a message's auth events", check)


def bench_push() -> None:
    room = busy_room(0)
    message = room.event(room.draft("m.room.message", BOB, BODY))
    rules = compile_rules(default_rules(ALICE))
    compiling = micros(lambda: compile_rules(default_rules(ALICE)), 500)
    show("compile the predefined push rules", compiling)
    seen = PushEvent(message, 5, 0, lambda _: 50)
    show("evaluate them for a message, per user", micros(lambda: evaluate(rules, seen, "A"), 5000))


class Forks:
    """States of a room that differ, and the look-ups of their resolution, counted."""

    def __init__(self, room: Room, states: list[State]) -> None:
        self.room = room
        self.base = states[0]
        self.asked = 0
        keys = {key for state in states for key in state}
        differing = {key: {state.get(key) for state in states} for key in keys}
        self.conflicted = {key: ids for key, ids in differing.items() if len(ids) > 1}
        own = {one for ids in self.conflicted.values() for one in ids if one is not None}
        chains = [state.values() for state in states]
        self.difference = auth_difference_of(chains, self._auth_events)
        self.subgraph = conflicted_subgraph_of(own, self._auth_events)

    def _auth_events(self, event_id: EventId) -> Collection[EventId]:
        return self.room.events[event_id].auth_events

    def event(self, event_id: EventId) -> Event:
        self.asked += 1
        return self.room.events[event_id]

    def unconflicted(self, key: StateKey) -> EventId | None:
        self.asked += 1
        return self.base.get(key)

    def resolve(self) -> dict[StateKey, EventId | None]:
        self.asked = 0
        return resolve(
            self.conflicted,
            rules=self.room.rules,
            event=self.event,
            unconflicted=self.unconflicted,
            auth_difference=lambda: self.difference,
            conflicted_subgraph=lambda: self.subgraph,
        )


def forks_of(room: Room, count: int, conflicts: int) -> Forks:
    """Branches that each set the same `conflicts` entries: levels, members, topic and others."""
    branches = [room.fork() for _ in range(count)]
    for number, branch in enumerate(branches):
        ts = 10_000_000 + 1000 * number
        branch.with_levels(users={BOB: 50, CHARLIE: number})
        branch.with_member(CHARLIE, "leave")
        branch.send("m.room.topic", BOB, {"topic": f"{number}"}, "", ts=ts)
        for other in range(conflicts - 3):
            branch.send("org.example.state", BOB, {"n": number}, f"{other}", ts=ts + other)
    return Forks(room, [branch.state for branch in branches])


def show_forks(what: str, forks: Forks, aim_us: float | None = None) -> None:
    us = micros(forks.resolve, 5)
    each = forks.asked / len(forks.conflicted)
    show(f"{what} ({len(forks.conflicted)} entries, {each:.1f} look-ups each)", us, aim_us)


def bench_resolution() -> None:
    for members in (1_000, 10_000, 50_000):
        forks = forks_of(busy_room(members), 2, 10)
        show_forks(f"2 forks, {members:,} members", forks, 20_000)
    for count in (2, 5, 10, 20):
        show_forks(f"{count} forks", forks_of(busy_room(100), count, 10))
    for conflicts in (10, 50, 100, 500):
        show_forks("2 forks", forks_of(busy_room(100), 2, conflicts))


def main() -> None:
    print(
        f"room version {VERSION}, Python {sys.version.split()[0]}, CPU time, median of {ROUNDS}\n"
    )
    bench_events()
    print()
    bench_auth()
    print()
    bench_push()
    print("\nstate resolution 2.1, look-ups given")
    bench_resolution()


if __name__ == "__main__":
    main()
