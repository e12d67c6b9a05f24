"""Rooms for those who have to be joined to them."""

from chat.protocol.errors import Forbidden, NotFound
from chat.services.caller import Caller
from chat.storage import rooms
from chat.storage.engine import Transaction


def joined_room(tx: Transaction, caller: Caller, room_id: str) -> int:
    """The number of a room. Raises Forbidden where the caller is not joined, NotFound."""
    member = rooms.local_member(tx, caller.user_id, room_id)
    if member is not None and member.membership == "join":
        return member.room
    if member is None and rooms.find(tx, room_id) is None:
        raise NotFound("There is no such room")
    raise Forbidden("You are not in this room")
