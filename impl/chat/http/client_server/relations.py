"""Events that relate to an event."""

from chat_api.client_server.relations import (
    GetRelatingEventsRequest,
    GetRelatingEventsWithRelTypeAndEventTypeRequest,
    GetRelatingEventsWithRelTypeRequest,
    RelationsResponse,
)
from msgspec import Raw

from chat.http.context import Context
from chat.services import relations


def get_relating_events(ctx: Context, request: GetRelatingEventsRequest, /) -> RelationsResponse:
    """GET /rooms/{roomId}/relations/{eventId}"""
    return _page(ctx, request, None, None)


def get_relating_events_with_rel_type(
    ctx: Context, request: GetRelatingEventsWithRelTypeRequest, /
) -> RelationsResponse:
    """GET /rooms/{roomId}/relations/{eventId}/{relType}"""
    return _page(ctx, request, request.rel_type, None)


def get_relating_events_with_rel_type_and_event_type(
    ctx: Context, request: GetRelatingEventsWithRelTypeAndEventTypeRequest, /
) -> RelationsResponse:
    """GET /rooms/{roomId}/relations/{eventId}/{relType}/{eventType}"""
    return _page(ctx, request, request.rel_type, request.event_type)


def _page(
    ctx: Context,
    request: GetRelatingEventsRequest
    | GetRelatingEventsWithRelTypeRequest
    | GetRelatingEventsWithRelTypeAndEventTypeRequest,
    rel_type: str | None,
    event_type: str | None,
) -> RelationsResponse:
    ask = relations.Ask(
        request.event_id,
        rel_type,
        event_type,
        request.from_,
        request.to,
        request.limit,
        backwards=request.dir == "b",
        recurse=request.recurse,
    )
    page = relations.page(ctx.server, ctx.user, request.room_id, ask)
    return RelationsResponse(
        chunk=[Raw(event) for event in page.events],
        next_batch=page.next_batch,
        prev_batch=page.prev_batch,
        recursion_depth=page.levels,
    )
