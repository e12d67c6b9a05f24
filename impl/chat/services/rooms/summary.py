"""What a room is, for somebody who thinks of joining it.

Spec: client-server-api/#get_matrixclientv1room_summaryroomidoralias
"""

from chat.protocol.errors import NotFound
from chat.services.caller import Caller
from chat.services.rooms import membership
from chat.services.rooms.outlook import Outlook, outlooks
from chat.services.server import Server


def summary(server: Server, caller: Caller, room_id_or_alias: str) -> Outlook:
    """The room as the caller may see it from outside. Raises InvalidParam, NotFound."""
    room_id = membership.room_named(server, room_id_or_alias)
    found = server.store.read(lambda tx: outlooks(tx, caller.user_id, [room_id]))
    if room_id not in found:
        raise NotFound("There is no such room, or you may not see it")
    return found[room_id]
