"""What follows from events on their way into rooms, written in the same transaction.

A follower gets the accepted events of a batch, in their order, before they have positions: now it
may read. What it returns is called when the positions are taken; from then on the change log is
held, so it only writes what needs no answer (`Transaction.do` and `insert`). A follower that has
nothing to write returns None, and should find that out without a statement.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from chat.protocol.event import Event
from chat.services import relations_write, unread_write
from chat.services.rooms.opened import OpenRoom
from chat.storage.engine import Transaction
from chat.storage.events import EventRow
from chat.storage.positions import Position


class Accepted(NamedTuple):
    """An event that clients will see, and its room as the batch leaves it.

    One that is not `live` lies before what was known of the room: nobody hears of it by sync, and
    nothing is counted for it.
    """

    row: EventRow  # its `pos` is not known yet
    event: Event
    room: OpenRoom
    server_name: str  # of this server
    live: bool = True


Positions = Mapping[int, Position]  # ev → pos; can be written, and not yet be read
Write = Callable[[Transaction, Positions], None]
Follower = Callable[[Transaction, Sequence[Accepted]], Write | None]

FOLLOWERS: tuple[Follower, ...] = (relations_write.follow, unread_write.follow)


def writes_of(tx: Transaction, accepted: Sequence[Accepted]) -> list[Write]:
    """What all followers want to write."""
    found = (follower(tx, accepted) for follower in FOLLOWERS)
    return [write for write in found if write is not None]
