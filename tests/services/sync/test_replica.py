"""Whatever happens, a client that follows syncs knows exactly what it may know.

Two people do random things. A naive model, which knows nothing of the server's storage, says what
each may see; each one's replica is built from incremental syncs as a client would build it.
"""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.protocol.errors import ChatError
from chat.services.server import Server
from chat_testing.people import Person, a_person

MEMBER, VISIBILITY = "m.room.member", "m.room.history_visibility"
_worlds = count(1)


@dataclass
class Truth:
    """All events of a room in their order, each with the state before it."""

    events: list[dict[str, Any]] = field(default_factory=list)
    before: list[dict[tuple[str, str], dict[str, Any]]] = field(default_factory=list)
    state: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def learn(self, events: list[dict[str, Any]]) -> None:
        """Take in the events that follow."""
        for event in events:
            self.events.append(event)
            self.before.append(dict(self.state))
            if "state_key" in event:
                self.state[event["type"], event["state_key"]] = event

    def membership(self, state: dict[tuple[str, str], dict[str, Any]], user_id: str) -> str:
        """What a state says of a user."""
        member = state.get((MEMBER, user_id))
        return "leave" if member is None else str(member["content"]["membership"])

    def sees(self, place: int, user_id: str) -> bool:
        """Whether a user who joined afterwards, or is joined, may see an event."""
        event, before = self.events[place], self.before[place]
        after = {**before}
        if "state_key" in event:
            after[event["type"], event["state_key"]] = event
        states = [before]
        if (event["type"], event.get("state_key")) in ((MEMBER, user_id), (VISIBILITY, "")):
            states.append(after)
        for state in states:
            setting = state.get((VISIBILITY, ""))
            visibility = "shared" if setting is None else setting["content"]["history_visibility"]
            membership = self.membership(state, user_id)
            if membership == "join" or visibility in ("shared", "world_readable"):
                return True
            if visibility == "invited" and membership == "invite":
                return True
        return False


@dataclass
class Replica:
    """A room as a client knows it: its state, and its timeline since the last gap."""

    state: dict[tuple[str, str], str] = field(default_factory=dict)
    timeline: list[str] = field(default_factory=list)
    at_start: dict[tuple[str, str], str] = field(default_factory=dict)
    known: int = 0  # events of the room at the last sync

    def apply(self, told: dict[str, Any]) -> None:
        """Take in the room's part of an answer."""
        if told["timeline"]["limited"]:
            self.timeline = []
        for event in told["state"]["events"]:
            self.state[event["type"], event["state_key"]] = event["event_id"]
        self.at_start = dict(self.state)
        for event in told["timeline"]["events"]:
            assert event["event_id"] not in self.timeline, "an event came twice"
            self.timeline.append(event["event_id"])
            if "state_key" in event:
                self.state[event["type"], event["state_key"]] = event["event_id"]


class World:
    """A room of Alice's, two people, the truth about the room, and what each of them knows."""

    def __init__(self, server: Server) -> None:
        number = next(_worlds)
        self.people = [a_person(server, f"{name}{number}") for name in ("alice", "bob")]
        self.watcher = a_person(server, f"watcher{number}")
        self.room = self.people[0].creates()
        self.watcher.joins(self.room)  # her syncs say what the room's events are
        self.truth = Truth()
        self.replicas: dict[str, Replica | None] = {one.id: None for one in self.people}
        self.watch()

    def watch(self) -> None:
        """Learn what happened in the room, one event at a time."""
        everything = {"room": {"timeline": {"limit": 100}}}
        joined = self.watcher.syncs(everything)["join"].get(self.room)
        if joined is not None:
            assert joined["timeline"]["limited"] is False or not self.truth.events
            self.truth.learn(joined["timeline"]["events"])

    def act(self, name: str, who: int, text: str) -> None:
        """Do something; refusals are part of life."""
        person, other = self.people[who], self.people[1 - who]
        try:
            match name:
                case "say":
                    person.says(self.room, text)
                case "topic":
                    person.sets(self.room, "m.room.topic", topic=text)
                case "visibility":
                    setting = ("shared", "joined", "invited", "world_readable")[len(text) % 4]
                    person.sets(self.room, VISIBILITY, history_visibility=setting)
                case "join" | "leave":
                    (person.joins if name == "join" else person.leaves)(self.room)
                case _:
                    getattr(person, name)(self.room, other)
        except ChatError:
            pass
        self.watch()

    def sync(self, who: int, limit: int) -> None:
        """Let somebody sync, and compare what they know with what they may know."""
        person = self.people[who]
        answer = person.syncs({"room": {"timeline": {"limit": limit}}})
        told = answer["join"].get(self.room)
        left = answer["leave"].get(self.room)
        replica = self.replicas[person.id]
        if told is not None:
            replica = replica or Replica()
            replica.apply(told)
            self.check_timeline(person, told, replica)
        if self.truth.membership(self.truth.state, person.id) == "join":
            assert replica is not None, "a joined room was not told"
            assert replica.state == {key: one["event_id"] for key, one in self.truth.state.items()}
        else:
            self.check_left(person, left)
            replica = None
        self.replicas[person.id] = replica

    def check_timeline(self, person: Person, told: dict[str, Any], replica: Replica) -> None:
        """The end of what the person may see, without a gap; the state right at its start."""
        visible = [
            event["event_id"]
            for place, event in enumerate(self.truth.events)
            if self.truth.sees(place, person.id)
        ]
        assert replica.timeline == visible[len(visible) - len(replica.timeline) :]
        events = told["timeline"]["events"]
        ids = [event["event_id"] for event in self.truth.events]
        start = ids.index(events[0]["event_id"]) if events else 0
        # Who left and came back may be told again what they knew, and knows the state of later.
        if start >= replica.known and len(visible) == len(ids):
            before = self.truth.before[start] if events else self.truth.state
            assert replica.at_start == {key: one["event_id"] for key, one in before.items()}
        replica.known = len(ids)

    def check_left(self, person: Person, left: dict[str, Any] | None) -> None:
        """Nothing but what the person was there for, and their own membership."""
        for event in [] if left is None else left["timeline"]["events"]:
            place = [one["event_id"] for one in self.truth.events].index(event["event_id"])
            own = (event["type"], event.get("state_key")) == (MEMBER, person.id)
            stays = [
                self.truth.membership(state, person.id) == "join"
                for state in [*self.truth.before[place:], self.truth.state]
            ]
            assert own or (any(stays) and self.truth.sees(place, person.id))


DEEDS = "say say topic visibility join leave invites kicks bans unbans"
MOVES = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(DEEDS.split()),
            st.sampled_from([0, 1, 1]),
            st.text("abcd", min_size=1, max_size=4),
        ),
        st.tuples(st.just("sync"), st.sampled_from([0, 1, 1]), st.sampled_from([1, 2, 5, 50])),
    ),
    min_size=8,
    max_size=40,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(moves=MOVES)
def test_replicas_equal_the_truth(server: Server, moves: list[tuple[str, int, Any]]) -> None:
    world = World(server)
    for name, who, how in moves:
        if name == "sync":
            world.sync(who, how)
        else:
            world.act(name, who, how)
    for who in (0, 1):
        world.sync(who, 3)
