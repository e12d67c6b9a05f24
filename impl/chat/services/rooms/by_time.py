"""Finding events by when they were sent.

Spec: client-server-api/#get_matrixclientv1roomsroomidtimestamp_to_event
"""

from chat.protocol.errors import NotFound
from chat.services.caller import Caller
from chat.services.rooms.visibility import view, visible
from chat.services.server import Server
from chat.storage import room_lists
from chat.storage.engine import Transaction
from chat.storage.events import EventRow

FIRST_LOOK = 20  # events; most are visible
MAX_READ = 2_000  # hidden events that are passed over
LAST_NUMBER = 2**63 - 1


def nearest(server: Server, caller: Caller, room_id: str, ts: int, *, backwards: bool) -> EventRow:
    """The event that the caller may see nearest to a time in ms, at that time or beyond it.

    Raises NotFound, Forbidden.
    """

    def work(tx: Transaction) -> EventRow:
        seen_by = view(tx, server.sync.events, caller.user_id, room_id)
        start, read, look = (ts, LAST_NUMBER if backwards else -1), 0, FIRST_LOOK
        while read < MAX_READ:
            room = seen_by.room.room
            rows = room_lists.by_time(tx, room, start, look, backwards=backwards)
            shown = visible(tx, server.sync.events, seen_by, rows)
            if shown:
                return shown[0]
            if len(rows) < look:
                break
            start, read, look = (rows[-1].origin_server_ts, rows[-1].ev), read + look, look * 4
        raise NotFound("Nothing was sent there")

    return server.store.read(work)
