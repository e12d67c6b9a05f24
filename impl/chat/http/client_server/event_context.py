"""An event and its surroundings."""

from chat_api.client_server.event_context import GetEventContextRequest, GetEventContextResponse
from msgspec import Raw

from chat.http.context import Context
from chat.services.rooms import history


def get_event_context(ctx: Context, request: GetEventContextRequest, /) -> GetEventContextResponse:
    """GET /rooms/{roomId}/context/{eventId}"""
    found = history.context(
        ctx.server,
        ctx.user,
        request.room_id,
        request.event_id,
        limit=request.limit,
        event_filter=history.parse_filter(request.filter),
    )
    return GetEventContextResponse(
        start=found.start,
        end=found.end,
        event=Raw(found.event),
        events_before=[Raw(event) for event in found.before],
        events_after=[Raw(event) for event in found.after],
        state=[Raw(event) for event in found.state],
    )
