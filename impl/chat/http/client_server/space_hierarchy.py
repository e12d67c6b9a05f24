"""The rooms of spaces."""

from typing import Any

import msgspec
from chat_api.client_server.space_hierarchy import (
    GetSpaceHierarchyRequest,
    GetSpaceHierarchyResponse,
    SpaceHierarchyRoom,
)

from chat.http.context import Context
from chat.services.rooms import hierarchy
from chat.services.rooms.client_events import ClientEvent
from chat.services.rooms.hierarchy import Wish


def get_space_hierarchy(
    ctx: Context, request: GetSpaceHierarchyRequest, /
) -> GetSpaceHierarchyResponse:
    """GET /rooms/{roomId}/hierarchy"""
    wish = Wish(request.suggested_only, request.max_depth, request.limit, request.from_)
    page = hierarchy.walk(ctx.server, ctx.user, request.room_id, wish)
    rooms = [
        SpaceHierarchyRoom(
            **place.room.fields(), children_state=[_child(link) for link in place.children]
        )
        for place in page.places
    ]
    return GetSpaceHierarchyResponse(rooms=rooms, next_batch=page.end)


def _child(link: ClientEvent) -> dict[str, Any]:
    stripped: dict[str, Any] = msgspec.json.decode(link.stripped())
    return stripped | {"origin_server_ts": link.origin_server_ts}
