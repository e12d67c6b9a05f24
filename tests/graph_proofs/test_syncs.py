"""Clients of rooms whose events come from several servers, in forks and late.

Between the batches in which events arrive, a member syncs, by `state_after` and by sliding sync.
What their clients then know equals the naive room's current state, and every event that is shown
came once. (What the server adds to bring branches together is in no book.)
"""

import random
from typing import Any

import pytest
from naive_room import ALICE, NaiveRoom, RandomRoom
from test_random_rooms import arrival_order, empty

from chat.services.rooms import receive
from chat.services.rooms.arrivals import Fate
from chat.services.server import Server
from chat.storage import rooms
from chat_testing.people import Person, a_person
from chat_testing.sliding import EVERYTHING, Slider, a_list

MEMBER = ("m.room.member", ALICE)


class Client:
    """The state and the timeline of one room, as answers tell them."""

    def __init__(self) -> None:
        self.state: dict[tuple[str, str], str] = {}
        self.seen: list[str] = []
        self.is_limited = False

    def apply(self, told: Any, state: str, timeline: Any, *, limited: bool) -> None:
        """Take in what an answer tells of the room."""
        if told.get("initial"):
            self.state = {}
        for event in told.get(state, []):
            key = event["type"], event["state_key"]
            self.state[key] = event.get("event_id", "")
            if "event_id" not in event:
                del self.state[key]  # it is no longer there
        new = [event["event_id"] for event in timeline]
        assert not set(new) & set(self.seen), "an event came twice"
        self.seen += new
        self.is_limited = self.is_limited or limited


def classic(person: Person, room_id: str, client: Client, limit: int) -> None:
    """Sync with the state after the timeline."""
    answer = person.syncs({"room": {"timeline": {"limit": limit}}}, state_after=True)
    told = answer["join"].get(room_id)
    if told is not None:
        timeline = told["timeline"]
        told = {"state_after": told["state_after"]["events"]}
        client.apply(told, "state_after", timeline["events"], limited=bool(timeline.get("limited")))


def sliding(slider: Slider, room_id: str, client: Client, limit: int) -> None:
    """Slide."""
    lists = {"all": a_list(limit=limit, state=EVERYTHING)}
    told = slider.slides(lists=lists)["rooms"].get(room_id)
    if told is not None:
        if told.get("unstable_expanded_timeline"):
            told["timeline"] = [
                one for one in told["timeline"] if one["event_id"] not in client.seen
            ]
        client.apply(
            told, "required_state", told.get("timeline", []), limited=bool(told.get("limited"))
        )


@pytest.mark.parametrize("version", ["2", "11", "12"])
@pytest.mark.parametrize("limit", [2, 100])
def test_replicas_of_forked_rooms(server: Server, version: str, limit: int) -> None:
    chance = random.Random(f"{version} {limit}")
    made = RandomRoom(version, chance)
    for _ in range(45):
        made.act()
    alice = a_person(server, "alice")
    slider, naive = Slider(alice), NaiveRoom(made.rules)
    clients = Client(), Client()
    server.store.write(lambda tx: rooms.create(tx, made.room_id, version))
    waiting = arrival_order(made, chance)
    while waiting:
        size = chance.randint(1, 8)
        batch, waiting = waiting[:size], waiting[size:]
        receive.receive(server, made.room_id, batch)
        for event in batch:
            naive.take(event)
        classic(alice, made.room_id, clients[0], limit)
        sliding(slider, made.room_id, clients[1], limit)
        if is_joined(naive):
            # Classic sync has no way to say that something is no longer in the state.
            assert clients[0].state | naive.current == clients[0].state
            assert clients[1].state == naive.current
    shown = {one for one, fate in naive.fates.items() if fate is Fate.ACCEPTED}
    for client in clients:
        # Who is out learns so from their own membership event, whatever became of it.
        known = {one for one in client.seen if one in naive.events}
        assert {one for one in known if naive.events[one].state_key != ALICE} <= shown
        if is_joined(naive) and not client.is_limited:
            assert shown <= known
    server.store.write(empty)


def is_joined(naive: NaiveRoom) -> bool:
    """Whether Alice is in the room now."""
    member = naive.current.get(MEMBER)
    return member is not None and naive.events[member].content["membership"] == "join"
