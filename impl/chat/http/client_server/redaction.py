"""Redaction."""

from chat_api.client_server.redaction import RedactEventRequest, RedactEventResponse

from chat.http.context import Context
from chat.services.rooms import send


def redact_event(ctx: Context, request: RedactEventRequest, /) -> RedactEventResponse:
    """PUT /rooms/{roomId}/redact/{eventId}/{txnId}"""
    txn = send.txn(ctx.user, ctx.path, request.txn_id)
    redaction = send.redact(
        ctx.server, ctx.user, request.room_id, request.event_id, request.body.reason, txn
    )
    return RedactEventResponse(event_id=redaction.event_id)
