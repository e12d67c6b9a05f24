"""Paging through the history of a room."""

from chat_api.client_server.message_pagination import GetRoomEventsRequest, GetRoomEventsResponse
from msgspec import Raw

from chat.http.context import Context
from chat.services.rooms import history


def get_room_events(ctx: Context, request: GetRoomEventsRequest, /) -> GetRoomEventsResponse:
    """GET /rooms/{roomId}/messages"""
    page = history.messages(
        ctx.server,
        ctx.user,
        request.room_id,
        start=request.from_,
        stop=request.to,
        backwards=request.dir == "b",
        limit=request.limit,
        event_filter=history.parse_filter(request.filter),
    )
    return GetRoomEventsResponse(
        chunk=[Raw(event) for event in page.events],
        start=page.start,
        end=page.end,
        state=[Raw(event) for event in page.state] or None,
    )
