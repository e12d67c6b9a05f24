"""The vectors as plain functions: each check takes a Subject and says what is wrong, or None.

The tests run them once; the mutation check runs them for every mutant.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import unit_checks
import vectors
from subject import Subject, event_of, rejected_ids
from vectors import AuthEventsVector, AuthVector, ResolutionVector

from chat.protocol.event import Event


class Check(NamedTuple):
    """One vector in one room version, ready to run."""

    name: str
    version: str
    run: Callable[[Subject], str | None]


def _compared(found: str | None, *, allowed: bool, rule: str) -> str | None:
    wanted = None if allowed else rule
    if found == wanted:
        return None
    return f"refused by {found}, expected {wanted}"


def _auth(vector: AuthVector) -> Check:
    event = event_of(vector.event, vector.version)
    # A state holds accepted events only: what was rejected is not in it.
    state = {
        key: event_of(pdu, vector.version)
        for key, pdu in vector.state.items()
        if not pdu.get("rejected")
    }

    def run(subject: Subject) -> str | None:
        found = subject.refused_by(event, state, vector.version, vector.signed_by)
        return _compared(found, allowed=vector.allowed, rule=vector.rule)

    return Check(vector.name, vector.version, run)


def _auth_events(vector: AuthEventsVector) -> Check:
    event = event_of(vector.event, vector.version)
    cited = [event_of(pdu, vector.version) for pdu in vector.auth_events]
    rejected = rejected_ids({pdu["event_id"]: pdu for pdu in vector.auth_events})

    def run(subject: Subject) -> str | None:
        found = subject.auth_events_refused_by(event, cited, vector.version, rejected)
        return _compared(found, allowed=vector.allowed, rule=vector.rule)

    return Check(vector.name, vector.version, run)


def _resolution(vector: ResolutionVector) -> Check:
    room: dict[str, Event] = {
        event_id: event_of(pdu, vector.version) for event_id, pdu in vector.room.items()
    }
    expected = vectors.common_entries(vector.states)
    expected |= {room[event_id].key: event_id for event_id in vector.winners}
    return Check(vector.name, vector.version, partial(_resolved, vector, room, expected))


def _resolved(
    vector: ResolutionVector,
    room: dict[str, Event],
    expected: dict[tuple[str, str], str],
    subject: Subject,
) -> str | None:
    found = subject.resolve(vector.version, vector.states, room, rejected_ids(vector.room))
    if found == expected:
        return None
    return f"resolved to {sorted(found.values())}, expected {sorted(expected.values())}"


@cache
def auth_checks() -> list[Check]:
    """All authorisation vectors."""
    return [_auth(vector) for vector in vectors.auth_vectors()]


@cache
def auth_events_checks() -> list[Check]:
    """All vectors of the rule on `auth_events`."""
    return [_auth_events(vector) for vector in vectors.auth_events_vectors()]


@cache
def resolution_checks() -> list[Check]:
    """All resolution vectors."""
    return [_resolution(vector) for vector in vectors.resolution_vectors()]


def _asserting(function: Callable[[Subject, str], None], version: str) -> Check:
    def run(subject: Subject) -> str | None:
        try:
            function(subject, version)
        except AssertionError as error:
            return f"does not hold: {error}"
        return None

    return Check(function.__name__.replace("_", " "), version, run)


@cache
def further_checks() -> list[Check]:
    """The questions besides the vectors."""
    return [
        _asserting(function, version)
        for function, versions in unit_checks.CHECKS
        for version in versions
    ]
