"""Read markers: several receipts in one step."""

from chat_api.client_server.read_markers import SetReadMarkerRequest
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.services import presence, receipts


def set_read_marker(ctx: Context, request: SetReadMarkerRequest, /) -> Empty:
    """POST /rooms/{roomId}/read_markers"""
    named = {
        receipts.FULLY_READ: request.body.m_fully_read,
        receipts.READ: request.body.m_read,
        receipts.READ_PRIVATE: request.body.m_read_private,
    }
    markers = [receipts.Marker(kind, event_id) for kind, event_id in named.items() if event_id]
    receipts.put(ctx.server, ctx.user, request.room_id, markers)
    presence.active(ctx.server, ctx.user)
    return Empty()
