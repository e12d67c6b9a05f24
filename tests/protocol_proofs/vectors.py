"""Reads the vectors of tests/vectors and renders each case for each room version it names."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import oracle
from rendering import Neutral, Pdu, Rendering

FOLDER = Path(__file__).parent.parent / "vectors"


@cache
def load(name: str) -> Any:
    """The content of a vector file."""
    return json.loads((FOLDER / name).read_text("utf-8"))


def versions_of(spans: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """("3", value), ("4", value), … of {"3-5": value}."""
    for span, value in spans.items():
        first, _, last = span.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield str(number), value


class AuthVector(NamedTuple):
    """An event, the state it is checked against, and what the rules say of it."""

    name: str
    version: str
    event: Pdu
    state: dict[oracle.Key, Pdu]
    signed_by: list[str]
    allowed: bool
    rule: str


class AuthEventsVector(NamedTuple):
    """An event, the events its `auth_events` name, and what rule 2 (or 3) says of it."""

    name: str
    version: str
    event: Pdu
    auth_events: list[Pdu]
    allowed: bool
    rule: str


class ResolutionVector(NamedTuple):
    """States of a room, and the winners among the entries in which they differ."""

    name: str
    version: str
    room: dict[str, Pdu]
    states: list[oracle.StateIds]
    winners: set[str]


def rendered(events: list[Neutral], version: str) -> tuple[dict[str, Pdu], dict[str, str]]:
    """The events of a whole room by ID, and their IDs by name."""
    rendering = Rendering(events, version)
    made = {event["name"]: rendering.event(event) for event in events}
    ids = {name: event["event_id"] for name, event in made.items()}
    return {event["event_id"]: event for event in made.values()}, ids


def _verdict(expected: dict[str, str]) -> tuple[bool, str]:
    ((word, rule),) = expected.items()
    return word == "allowed", rule


@cache
def auth_vectors() -> list[AuthVector]:
    """Every case of auth.json in every version it names."""
    data = load("auth.json")
    base = {event["name"]: event for event in data["room"]}
    vectors = []
    for case in data["cases"]:
        state = [base[entry] if isinstance(entry, str) else entry for entry in case["state"]]
        for version, expected in versions_of(case["expect"]):
            rendering = Rendering([*state, case["event"]], version)
            if case["event"]["type"] == "m.room.create":
                rendering = Rendering([case["event"]], version)
            events = [rendering.event(event) for event in state]
            vectors.append(
                AuthVector(
                    case["name"],
                    version,
                    rendering.event(case["event"]),
                    {oracle.key_of(event): event for event in events},
                    case["signed_by"],
                    *_verdict(expected),
                )
            )
    return vectors


@cache
def auth_events_vectors() -> list[AuthEventsVector]:
    """Every case of auth_events.json in every version it names."""
    data = load("auth_events.json")
    vectors = []
    for case in data["cases"]:
        for version, expected in versions_of(case["expect"]):
            rendering = Rendering(data["events"], version)
            event = rendering.event(case["event"])
            known = {made["event_id"]: made for made in map(rendering.event, data["events"])}
            cited = [known[event_id] for event_id in oracle.auth_ids(event, version)]
            verdict = _verdict(expected)
            vectors.append(AuthEventsVector(case["name"], version, event, cited, *verdict))
    return vectors


@cache
def resolution_vectors() -> list[ResolutionVector]:
    """Every case of resolution.json in every version it names."""
    vectors = []
    for case in load("resolution.json")["cases"]:
        for version, winners in versions_of(case["resolved"]):
            room, ids = rendered(case["events"], version)
            states = [
                {oracle.key_of(room[ids[name]]): ids[name] for name in fork}
                for fork in case["forks"]
            ]
            winning = {ids[name] for name in winners}
            vectors.append(ResolutionVector(case["name"], version, room, states, winning))
    return vectors


def common_entries(states: list[oracle.StateIds]) -> oracle.StateIds:
    """The entries that all states have alike."""
    return {
        key: value
        for key, value in states[0].items()
        if all(state.get(key) == value for state in states)
    }
