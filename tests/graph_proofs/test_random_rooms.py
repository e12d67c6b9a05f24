"""Rooms of random events from several servers: what is stored agrees with whole states.

Events arrive in random order and in batches of any size; each state before and after an event, the
current state, the ends, the marks and the derived tables are compared. Two rooms of each version
in the ordinary tests; 40, with a new seed each time, with CHAT_PROVE=1.
"""

import os
import random

import pytest
from naive_room import NaiveRoom, RandomRoom

from chat.protocol.event import Event
from chat.protocol.identifiers import EventId
from chat.services.check import differences
from chat.services.rooms import chains, receive
from chat.services.rooms.arrivals import Fate
from chat.services.rooms.chains import AuthGraph
from chat.services.server import Server
from chat.storage import graph, lines, rooms, state
from chat.storage.engine import Transaction
from chat.storage.state import Ref

PROVE = os.environ.get("CHAT_PROVE") == "1"
ROOMS = 40 if PROVE else 1
EVENTS = 120 if PROVE else 45
pytestmark = pytest.mark.timeout(3600 if PROVE else 300)


def arrival_order(room: RandomRoom, chance: random.Random) -> list[Event]:
    """All events, each after its prev and auth events, else in any order that is not too wild."""
    waiting = [room.events[one] for one in room.order]
    here: set[EventId] = set()
    ordered = []
    while waiting:
        free = [event for event in waiting if {*event.prev_events, *event.auth_events} <= here]
        event = free[0] if chance.random() < 0.7 else chance.choice(free[:8])
        waiting.remove(event)
        here.add(event.event_id)
        ordered.append(event)
    return ordered


@pytest.mark.parametrize("version", ["1", "2", "6", "11", "12"])
def test_random_rooms(server: Server, version: str) -> None:
    for number in range(ROOMS):
        seed = random.SystemRandom().randrange(2**32) if PROVE else number
        try:
            check_room(server, version, seed)
        except AssertionError as error:
            raise AssertionError(f"version {version}, seed {seed}") from error
        server.store.write(empty)


def check_room(server: Server, version: str, seed: int) -> None:
    chance = random.Random(f"{version} {seed}")
    made = RandomRoom(version, chance)
    for _ in range(EVENTS):
        made.act()
    naive = NaiveRoom(made.rules)
    server.store.write(lambda tx: rooms.create(tx, made.room_id, version))
    waiting = arrival_order(made, chance)
    while waiting:
        size = chance.randint(1, 8)
        batch, waiting = waiting[:size], waiting[size:]
        outcomes = receive.receive(server, made.room_id, batch)
        for event in batch:
            assert outcomes[event.event_id].fate is naive.take(event), outcomes[event.event_id]
        server.store.read(lambda tx: compare_current(tx, naive, made.room_id))
    server.store.read(lambda tx: compare_all(tx, naive, made.room_id, chance))
    assert list(differences(server.store, server.name, [server.key])) == []


def compare_current(tx: Transaction, naive: NaiveRoom, room_id: str) -> None:
    room = rooms.get(tx, room_id)
    assert {tip.event_id for tip in room.tips} == set(naive.tips)
    stored = {node.event_id for node in graph.nodes(tx, state.current(tx, room.room).values())}
    assert stored == set(naive.current.values())


def compare_all(tx: Transaction, naive: NaiveRoom, room_id: str, chance: random.Random) -> None:
    room = rooms.get(tx, room_id)
    nodes = {node.event_id: node for node in graph.nodes_by_id(tx, naive.events)}
    ids = {node.ev: node.event_id for node in nodes.values()}

    def at(ref: Ref) -> set[EventId]:
        return {ids[ev] for ev in lines.at(tx, room.room, room.main_line, ref).values()}

    for event_id, fate in naive.fates.items():
        node = nodes[event_id]
        assert node.rejected == (fate is Fate.REJECTED)
        assert node.soft_failed == (fate is Fate.SOFT_FAILED)
        assert at(node.before) == set(naive.before[event_id].values())
        assert at(node.after) == set(naive.after[event_id].values())
    for _ in range(20):
        compare_difference(tx, naive, room, nodes, chance)


def compare_difference(tx, naive, room, nodes, chance) -> None:
    """The difference of two states, and what their auth chains do not share."""
    old, new = (chance.choice(list(naive.events)) for _ in range(2))
    a, b = naive.after[old], naive.after[new]
    found = lines.difference(tx, room.room, room.main_line, nodes[old].after, nodes[new].after)
    ids = {node.ev: node.event_id for node in nodes.values()} | {0: None}
    assert {(ids[x], ids[y]) for x, y in found.values()} == {
        (a.get(key), b.get(key)) for key in a | b if a.get(key) != b.get(key)
    }
    auth = AuthGraph(tx)
    citations = chains.of_current(tx, room, auth)
    gone, come = moved(naive, a, b, nodes)
    citations.move(gone, come)
    sides = [{x for x, _ in found.values() if x}, {y for _, y in found.values() if y}]
    difference = {ids[ev] for ev in chains.difference(auth, citations, sides)}
    assert difference == chain(naive, a) ^ chain(naive, b)
    numbers = [nodes[one].ev for one in a.values()]
    assert {ids[ev] for ev in chains.whole(auth, numbers)} == chain(naive, a)


def moved(naive, a, b, nodes) -> tuple[list[int], list[int]]:
    """From the current state to what two states share."""
    shared = {one for key, one in a.items() if b.get(key) == one}
    current = set(naive.current.values())
    return (
        [nodes[one].ev for one in current - shared],
        [nodes[one].ev for one in shared - current],
    )


def chain(naive: NaiveRoom, entries: dict) -> set[EventId]:
    found: set[EventId] = set()
    waiting = list(entries.values())
    while waiting:
        more = set(naive.events[waiting.pop()].auth_events) - found
        found |= more
        waiting += more
    return found


def empty(tx: Transaction) -> None:
    """Forget the rooms: versions 1 and 2 would give the next one the same events."""
    for table in (
        *("event", "room", "room_summary", "state_now", "state_log", "state_line", "event_auth"),
        *("auth_live", "event_missing", "local_member", "change_log", "redaction_waiting"),
    ):
        tx.run(f"DELETE FROM {table}")
