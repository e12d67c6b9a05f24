"""Sending messages."""

from chat_api.client_server.room_send import SendMessageRequest, SendMessageResponse

from chat.http.context import Context
from chat.services.rooms import send


def send_message(ctx: Context, request: SendMessageRequest, /) -> SendMessageResponse:
    """PUT /rooms/{roomId}/send/{eventType}/{txnId}"""
    event_id = send.send_event(
        ctx.server, ctx.user, request.room_id, request.event_type, request.body, ctx.path
    )
    return SendMessageResponse(event_id=event_id)
