"""Walking through /messages from any token to the room's start, whatever the room's graph.

The room grows at both ends: forks, late events, hidden and rejected ones, history from before the
join. Walks of any page size, from any token given out before, yield each event that the reader may
see exactly once, in the room's order; a page on which all is hidden does not end a walk.
"""

import json
import os
import random

import pytest

from chat.protocol.filters import compile_event_filter
from chat.protocol.identifiers import RoomId
from chat.protocol.room_versions import rules_for
from chat.protocol.signatures import generate_signing_key
from chat.services.caller import Caller
from chat.services.check import differences
from chat.services.rooms import history, receive
from chat.services.rooms.arrivals import Fate
from chat.services.server import Server
from chat_testing.callers import a_user
from chat_testing.protocol_rooms import SEED, Room
from chat_testing.rooms import ALICE, say

DAVE, ERIN = "@dave:d.example", "@erin:d.example"
PROVE = os.environ.get("CHAT_PROVE") == "1"
pytestmark = pytest.mark.timeout(3600 if PROVE else 300)
SEEDS = range(30) if PROVE else range(2)
ACTS = 60 if PROVE else 30


class SharedRoom:
    """A room of Dave's server that Alice joins; its past comes later, in pieces."""

    def __init__(self, server: Server, chance: random.Random) -> None:
        self.server, self.chance = server, chance
        room = Room(rules_for("11"), generate_signing_key("1", SEED))
        room.room_id = RoomId("!of-dave:d.example")
        room.send("m.room.create", DAVE, {"room_version": "11"}, "")
        room.with_member(DAVE)
        room.send("m.room.power_levels", DAVE, {"users": {DAVE: 100}}, "")
        room.send("m.room.join_rules", DAVE, {"join_rule": "public"}, "")
        room.with_member(ERIN)
        self.room_id = room.room_id
        self.past = [(list(room.state.values()), self.said(room, "past")) for _ in range(12)]
        before = [room.events[one] for one in room.state.values()]
        self.join = room.send("m.room.member", ALICE, {"membership": "join"}, ALICE)
        receive.import_room(server, room.room_id, "11", self.join, before, before)
        self.branches = [room, room.fork()]
        self.held: list = []
        self.visible = {self.join.event_id}

    def said(self, room: Room, text: str):
        return room.send("m.room.message", DAVE, {"body": f"{text} {len(room.events)}"})

    # --- what happens ---

    def act(self) -> None:
        self.chance.choice([self.local, self.remote, self.remote, self.late, self.backfill])()

    def local(self) -> None:
        self.visible.add(say(self.server, self.room_id, "mine", ALICE).event_id)

    def remote(self) -> None:
        """Dave goes on with one of his branches; what is not allowed there is not shown."""
        branch = self.chance.choice(self.branches)
        if self.chance.random() < 0.3:
            stranger = branch.fork().send("m.room.topic", ERIN, {"topic": "no"}, "")
            assert self.take(stranger) is Fate.REJECTED
        event = self.said(branch, "theirs")
        if self.chance.random() < 0.3:
            self.held.append(event)  # and all that follows on this branch waits for it
            branch.last, branch.depth = list(event.prev_events), event.depth - 1
        else:
            self.take(event)

    def late(self) -> None:
        if self.held:
            self.take(self.held.pop(self.chance.randrange(len(self.held))))

    def take(self, event) -> Fate:
        fate = receive.receive(self.server, self.room_id, [event])[event.event_id].fate
        if fate is Fate.ACCEPTED:
            self.visible.add(event.event_id)
        return fate

    def backfill(self) -> None:
        """A few more of the past, the latest first."""
        if self.past:
            chunk = [self.past.pop() for _ in range(min(len(self.past), self.chance.randint(1, 4)))]
            entries, first = chunk[-1]
            events = [event for _, event in chunk]
            receive.backfill(self.server, self.room_id, events, {first.event_id: entries})
            self.visible |= {event.event_id for event in events}

    # --- walking ---

    def walk(
        self, caller: Caller, start: str | None, *, backwards: bool, limit: int, **only
    ) -> list:
        found, token = [], start
        for _ in range(1_000):
            page = history.messages(
                self.server,
                caller,
                self.room_id,
                backwards=backwards,
                start=token,
                stop=None,
                limit=limit,
                event_filter=compile_event_filter(only),
            )
            found += [json.loads(event)["event_id"] for event in page.events]
            token = page.end
            if token is None:
                return found
        raise AssertionError("the walk does not end")


@pytest.mark.parametrize("seed", SEEDS)
def test_every_walk_finds_every_event_once(server: Server, seed: int) -> None:
    chance = random.Random(seed)
    alice = a_user(server, "alice")
    room = SharedRoom(server, chance)
    tokens: list[str] = []
    for _ in range(ACTS):
        room.act()
        page = history.messages(
            server,
            alice,
            room.room_id,
            backwards=True,
            start=chance.choice(tokens) if tokens and chance.random() < 0.5 else None,
            stop=None,
            limit=chance.randint(1, 5),
            event_filter=history.EVERYTHING,
        )
        tokens += [page.start, *([page.end] if page.end else [])]
    whole = room.walk(alice, None, backwards=True, limit=100)
    assert len(whole) == len(set(whole))
    assert set(whole) == room.visible
    for token in chance.sample(tokens, min(len(tokens), 10)):
        limit = chance.randint(1, 7)
        before = room.walk(alice, token, backwards=True, limit=limit)
        after = room.walk(alice, token, backwards=False, limit=limit)
        assert [*reversed(after), *before] == whole
    messages = room.walk(alice, None, backwards=True, limit=1, types=["m.room.member"])
    assert messages == [room.join.event_id]
    assert list(differences(server.store, server.name, [server.key])) == []
