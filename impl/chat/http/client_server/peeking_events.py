"""Watching one room."""

from chat_api.client_server.peeking_events import PeekEventsRequest, PeekEventsResponse
from msgspec import Raw

from chat.http.context import Context
from chat.services.rooms import peeking


def peek_events(ctx: Context, request: PeekEventsRequest, /) -> PeekEventsResponse:
    """GET /events, with a room"""
    found = peeking.watch_room(
        ctx.server, ctx.user, request.room_id, request.from_, request.timeout or 0, ctx.connection
    )
    return PeekEventsResponse(
        chunk=[Raw(event) for event in found.events], start=found.start, end=found.end
    )
