"""Events by time."""

from chat_api.client_server.room_event_by_timestamp import (
    GetEventByTimestampRequest,
    GetEventByTimestampResponse,
)

from chat.http.context import Context
from chat.services.rooms.by_time import nearest


def get_event_by_timestamp(
    ctx: Context, request: GetEventByTimestampRequest, /
) -> GetEventByTimestampResponse:
    """GET /rooms/{roomId}/timestamp_to_event"""
    found = nearest(ctx.server, ctx.user, request.room_id, request.ts, backwards=request.dir == "b")
    return GetEventByTimestampResponse(
        event_id=found.event_id, origin_server_ts=found.origin_server_ts
    )
