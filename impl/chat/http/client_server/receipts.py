"""Read receipts."""

from chat_api.client_server.receipts import PostReceiptRequest
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.services import presence, receipts


def post_receipt(ctx: Context, request: PostReceiptRequest, /) -> Empty:
    """POST /rooms/{roomId}/receipt/{receiptType}/{eventId}"""
    marker = receipts.Marker(request.receipt_type, request.event_id, request.body.thread_id)
    receipts.put(ctx.server, ctx.user, request.room_id, [marker])
    presence.active(ctx.server, ctx.user)
    return Empty()
