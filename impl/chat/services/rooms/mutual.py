"""Rooms that two users share. Spec: client-server-api/#mutual-rooms"""

import re
from typing import NamedTuple

from chat.protocol.errors import InvalidParam
from chat.protocol.identifiers import parse_user_id
from chat.services.caller import Caller
from chat.services.server import Server
from chat.storage import room_lists
from chat.storage.engine import Transaction

BATCH = 100

_TOKEN = re.compile(r"m(\d{1,18})")


class MutualRooms(NamedTuple):
    """A batch of room IDs, how many there are in all, and where to go on; None at the end."""

    room_ids: list[str]
    total: int
    end: str | None


def mutual_rooms(server: Server, caller: Caller, user_id: str, start: str | None) -> MutualRooms:
    """The rooms to which the caller and another user are joined.

    Raises InvalidParam for the caller's own ID, what is no user ID, and what is no token.
    """
    if parse_user_id(user_id) == caller.user_id:
        raise InvalidParam("Ask for the rooms that you share with somebody else")
    found = _TOKEN.fullmatch(start) if start else None
    if start and found is None:
        raise InvalidParam("from is no token of this list")
    after = 0 if found is None else int(found[1])

    def work(tx: Transaction) -> MutualRooms:
        rows = room_lists.rooms_in_common(tx, caller.user_id, user_id, after, BATCH + 1)
        batch = rows[:BATCH]
        end = f"m{batch[-1][0]}" if len(rows) > BATCH else None
        total = room_lists.count_in_common(tx, caller.user_id, user_id)
        return MutualRooms([room_id for _, room_id in batch], total, end)

    return server.store.read(work)
