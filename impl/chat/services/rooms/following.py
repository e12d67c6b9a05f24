"""What a user has set for a room goes with them when they join its successor.

Spec: client-server-api/#room-upgrades
"""

import json
from typing import Any, NamedTuple

from chat.protocol.event import StateKey
from chat.services import push_rules
from chat.services.rooms import current_state
from chat.services.server import Server
from chat.storage import account_data, rooms, users
from chat.storage.engine import Transaction
from chat.storage.rooms import Room

CREATE: StateKey = ("m.room.create", "")
TOMBSTONE: StateKey = ("m.room.tombstone", "")
TAGS = "m.tag"
DIRECT = "m.direct"


class Step(NamedTuple):
    """From a room to the one that replaced it."""

    old: int
    old_id: str
    new: int
    new_id: str


def follow(server: Server, user_id: str, room_id: str) -> None:
    """Copy a user's tags, direct chats and push rules to a room from the one before it, if any.

    What they have set for the new room already stays.
    """

    def find(tx: Transaction) -> Step | None:
        room = rooms.get(tx, room_id)
        return None if room is None else step_to(tx, room)

    step = server.store.read(find)
    if step is not None:
        take(server, user_id, step)


def step_to(tx: Transaction, new: Room) -> Step | None:
    """The step to a room on which both rooms agree. One statement where there is none before it."""
    create = current_state.events_of(tx, new, [CREATE]).get(CREATE)
    predecessor = None if create is None else create.content.get("predecessor")
    old_id = predecessor.get("room_id") if isinstance(predecessor, dict) else None
    old = rooms.get(tx, old_id) if isinstance(old_id, str) else None
    if old is None:
        return None
    tombstone = current_state.events_of(tx, old, [TOMBSTONE]).get(TOMBSTONE)
    if tombstone is None or tombstone.content.get("replacement_room") != new.room_id:
        return None
    return Step(old.room, old.room_id, new.room, new.room_id)


def take(server: Server, user_id: str, step: Step) -> None:
    """`follow` where the step is known."""
    server.store.write(lambda tx: _copy(tx, user_id, step))


def _copy(tx: Transaction, user_id: str, step: Step) -> None:
    users.lock(tx, user_id)  # two devices may change the same lists at once
    tags = account_data.get(tx, user_id, step.old, TAGS)
    if tags is not None and account_data.get(tx, user_id, step.new, TAGS) is None:
        account_data.put(tx, user_id, step.new, TAGS, tags)
    text = account_data.get(tx, user_id, account_data.GLOBAL, DIRECT)
    direct = {} if text is None else json.loads(text)
    extended = {who: _extended(listed, step) for who, listed in direct.items()}
    if extended != direct:
        content = json.dumps(extended, ensure_ascii=False, separators=(",", ":"))
        account_data.put(tx, user_id, account_data.GLOBAL, DIRECT, content)
    push_rules.follow_room(tx, user_id, step.old_id, step.new_id)


def _extended(listed: Any, step: Step) -> Any:
    if not isinstance(listed, list) or step.old_id not in listed or step.new_id in listed:
        return listed
    return [*listed, step.new_id]
