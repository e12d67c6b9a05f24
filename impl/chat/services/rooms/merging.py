"""Rooms with more ends than an event may follow.

An event of ours follows all ends of its room, so each event joins them again. Where there are more
than MAX_PREV_EVENTS, it follows the oldest of them only, and the state before it is not the
current one but what these resolve to; it is then taken like one that was made elsewhere. So that
this stays rare, a member of this server joins the ends by an event that says nothing.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from chat.protocol import auth_rules, event_builder, signatures
from chat.protocol.auth_rules.levels import power_level_of
from chat.protocol.errors import Forbidden
from chat.protocol.event import Event, StateKey
from chat.protocol.event_builder import Draft
from chat.protocol.identifiers import EventId, RoomId, ServerName, UserId
from chat.protocol.room_versions import rules_for
from chat.protocol.signatures import SigningKey
from chat.services.rooms.arrivals import Arrival, Fate
from chat.services.rooms.current_state import events_of
from chat.services.rooms.opened import OpenRoom
from chat.services.server import Server
from chat.storage import rooms
from chat.storage.engine import Transaction
from chat.storage.events import Txn
from chat.storage.rooms import Room

MAX_PREV_EVENTS = 10
MERGE = "org.matrix.dummy_event"  # a type that clients and servers know to pass over
CREATE: StateKey = ("m.room.create", "")
POWER_LEVELS: StateKey = ("m.room.power_levels", "")
CANDIDATES = 5  # members who are asked to join the ends, the most powerful first
ROUNDS = 20

log = logging.getLogger(__name__)


class Signer:
    """Who makes events here: the server's name and key."""

    def __init__(self, name: ServerName, key: SigningKey) -> None:
        self.name = name
        self.key = key


def send_into_crowd(
    tx: Transaction,
    room: Room,
    signer: Signer,
    draft: Draft,
    now_ms: int,
    txn: Txn | None = None,
    check: Callable[[Callable[[StateKey], Event | None]], None] | None = None,
) -> tuple[Event, Room]:
    """Append an event that follows the oldest ends of a room; the event, and the room then.

    The caller holds the room's lock. `check` may refuse by the current state. Raises Forbidden.
    """
    if check is not None:
        check(OpenRoom(tx, room, None).event)
    arrival = Arrival(tx, room, signer.name)
    ends = [tip.event_id for tip in room.tips[:MAX_PREV_EVENTS]]
    draft = replace(draft, room_id=RoomId(room.room_id))
    rules = rules_for(room.version)
    keys = auth_rules.auth_keys(draft.type, draft.sender, draft.state_key, draft.content, rules)
    standing = arrival.state_after(ends, keys)
    cited = [standing[key].event_id for key in keys if key in standing]
    event = event_builder.build(
        draft,
        rules,
        prev_events=ends,
        auth_events=cited,
        depth=1 + max(tip.depth for tip in room.tips[:MAX_PREV_EVENTS]),
        origin_server_ts=now_ms,
        server=signer.name,
        key=signer.key,
        reference_hashes=_hashes(arrival, [*ends, *cited]) if rules.hashed_references else {},
    )
    outcome = arrival.take(event)
    if outcome.fate is not Fate.ACCEPTED:
        raise Forbidden(outcome.reason)
    if txn is not None:
        arrival.answers(event, txn, now_ms)
    arrival.flush()
    return event, arrival.room


def _hashes(arrival: Arrival, event_ids: Sequence[EventId]) -> dict[EventId, str]:
    events = {event_id: arrival.event(event_id) for event_id in event_ids}
    return {
        event_id: signatures.encode_base64(signatures.reference_hash(event.pdu, event.rules))
        for event_id, event in events.items()
    }


def join_ends(server: Server, room_id: RoomId) -> None:
    """Join the ends of a room while there are too many of them and a member of ours may."""
    for _ in range(ROUNDS):
        if not server.store.write(lambda tx: _join_some(tx, server, room_id)):
            return


def _join_some(tx: Transaction, server: Server, room_id: RoomId) -> bool:
    """Join the oldest ends; whether there may be more to do."""
    room = rooms.lock(tx, [room_id]).get(room_id)
    if room is None or len(room.tips) <= MAX_PREV_EVENTS:
        return False
    signer = Signer(server.name, server.key)
    for user_id in _powerful(tx, room)[:CANDIDATES]:
        draft = Draft(room_id, UserId(user_id), MERGE, {})
        try:
            send_into_crowd(tx, room, signer, draft, server.clock.now_ms())
        except Forbidden:
            continue
        return True
    log.info("nobody here may join the ends of a room", extra={"room_id": room_id})
    return False


def _powerful(tx: Transaction, room: Room) -> list[str]:
    """The joined members of this server, those with the most power first."""
    users = rooms.local_users(tx, room.room)
    found = events_of(tx, room, [CREATE, POWER_LEVELS])
    create = found.get(CREATE)
    if create is None:
        return users
    rules = rules_for(room.version)
    levels = {user: power_level_of(user, found.get(POWER_LEVELS), create, rules) for user in users}
    return sorted(users, key=lambda user: -levels[user])
