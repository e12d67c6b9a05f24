"""Redaction."""

from chat_api.client_server.redaction import RedactEventRequest, RedactEventResponse

from chat.http.context import Context
from chat.services.rooms import send


def redact_event(ctx: Context, request: RedactEventRequest, /) -> RedactEventResponse:
    """PUT /rooms/{roomId}/redact/{eventId}/{txnId}"""
    event_id = send.redact(
        ctx.server, ctx.user, request.room_id, request.event_id, request.body.reason, ctx.path
    )
    return RedactEventResponse(event_id=event_id)
