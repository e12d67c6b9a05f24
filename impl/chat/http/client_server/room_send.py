"""Sending messages."""

from chat_api.client_server.room_send import SendMessageRequest, SendMessageResponse

from chat.http.context import Context
from chat.services import presence
from chat.services.rooms import send


def send_message(ctx: Context, request: SendMessageRequest, /) -> SendMessageResponse:
    """PUT /rooms/{roomId}/send/{eventType}/{txnId}"""
    txn = send.txn(ctx.user, ctx.path, request.txn_id)
    event = send.send_event(
        ctx.server, ctx.user, request.room_id, request.event_type, request.body, txn
    )
    presence.active(ctx.server, ctx.user)
    return SendMessageResponse(event_id=event.event_id)
