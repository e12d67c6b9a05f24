"""Taking in events that other servers made.

Whoever calls has fetched what was needed and has checked format, hashes and signatures: here the
events meet the room. All events of one call are taken in one transaction, under the room's lock.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from chat.protocol.errors import NotFound
from chat.protocol.event import Event
from chat.protocol.identifiers import EventId, RoomId
from chat.services.rooms.arrivals import Arrival, Fate, Outcome
from chat.services.rooms.merging import join_ends
from chat.services.server import Server
from chat.storage import rooms
from chat.storage.cooperation import in_turns
from chat.storage.engine import Transaction

__all__ = ["Fate", "Outcome", "backfill", "import_room", "keep_outliers", "receive"]

States = Mapping[EventId, Sequence[EventId]]


def receive(
    server: Server, room_id: RoomId, events: Sequence[Event], states: States | None = None
) -> dict[EventId, Outcome]:
    """Take in new events of a room, in an order in which prev events come first; their outcomes.

    `states`: for events whose prev events are not all here, the IDs of the state before them; the
    events of that state have to be here (`keep_outliers`). Raises NotFound for an unknown room.
    """

    def work(tx: Transaction) -> dict[EventId, Outcome]:
        arrival = _open(tx, server, room_id)
        taken = _take_all(arrival, events, states or {}, backfilled=False)
        arrival.flush()
        return taken

    taken = server.store.write(work)
    if any(outcome.fate is Fate.ACCEPTED for outcome in taken.values()):
        join_ends(server, room_id)
    return taken


def backfill(
    server: Server, room_id: RoomId, events: Sequence[Event], states: States
) -> dict[EventId, Outcome]:
    """Take in events from before what is known of a room; as `receive`.

    They get places in the room's order before what is known, and never come in a sync.
    """

    def work(tx: Transaction) -> dict[EventId, Outcome]:
        arrival = _open(tx, server, room_id)
        taken = _take_all(arrival, events, states, backfilled=True)
        arrival.flush()
        return taken

    return server.store.write(work)


def keep_outliers(
    server: Server, room_id: RoomId, events: Sequence[Event]
) -> dict[EventId, Outcome]:
    """Keep events of states and auth chains, whose own place in the room's history is not known."""

    def work(tx: Transaction) -> dict[EventId, Outcome]:
        arrival = _open(tx, server, room_id)
        kept = {event.event_id: arrival.keep(event) for event in in_turns(by_citation(events))}
        arrival.flush()
        return kept

    return server.store.write(work)


def import_room(
    server: Server,
    room_id: RoomId,
    version: str,
    event: Event,
    before: Sequence[Event],
    auth_chain: Sequence[Event],
) -> Outcome:
    """A room that a user of this server joined elsewhere: `event` is the join.

    `before` is the whole state before it, `auth_chain` that state's. A room that was known, and
    that no user of this server is in, goes on from the join; what is known of it stays its history.
    """

    def work(tx: Transaction) -> Outcome:
        room = rooms.create(tx, room_id, version)
        is_new = room is not None
        if room is None:
            room = rooms.lock(tx, [room_id])[room_id]
            if not rooms.local_users(tx, room.room):
                room = room._replace(tips=())
        arrival = Arrival(tx, room, server.name)
        for one in in_turns(by_citation([*auth_chain, *before])):
            arrival.keep(one)
        entries = [one.event_id for one in before]
        if is_new:
            arrival.import_state(entries)
        outcome = arrival.take(event, entries=entries)
        arrival.flush()
        return outcome

    return server.store.write(work)


def _open(tx: Transaction, server: Server, room_id: RoomId) -> Arrival:
    room = rooms.lock(tx, [room_id]).get(room_id)
    if room is None:
        raise NotFound("This server does not know the room")
    return Arrival(tx, room, server.name)


def _take_all(
    arrival: Arrival, events: Sequence[Event], states: States, *, backfilled: bool
) -> dict[EventId, Outcome]:
    return {
        event.event_id: arrival.take(event, backfill=backfilled, entries=states.get(event.event_id))
        for event in in_turns(by_following(events))
    }


def by_following(events: Iterable[Event]) -> list[Event]:
    """Events in an order in which each comes after its prev events."""
    return _sorted(events, lambda event: event.prev_events)


def by_citation(events: Iterable[Event]) -> list[Event]:
    """Events in an order in which each comes after its auth events."""
    return _sorted(events, lambda event: event.auth_events)


def _sorted(events: Iterable[Event], before: Callable[[Event], Iterable[EventId]]) -> list[Event]:
    """Depth first, without recursion: what comes before is put before, else the order stays."""
    waiting = {event.event_id: event for event in events}
    ordered: list[Event] = []
    for first in in_turns(list(waiting)):
        stack = [first]
        while stack:
            event = waiting.get(stack[-1])
            if event is None:
                stack.pop()
                continue
            needed = [one for one in before(event) if one in waiting and one not in stack]
            if needed:
                stack.append(needed[0])
            else:
                ordered.append(waiting.pop(stack.pop()))
    return ordered
