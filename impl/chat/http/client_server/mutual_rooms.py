"""Rooms in common with another user."""

from chat_api.client_server.mutual_rooms import GetMutualRoomsRequest, GetMutualRoomsResponse

from chat.http.context import Context
from chat.services.rooms.mutual import mutual_rooms


def get_mutual_rooms(ctx: Context, request: GetMutualRoomsRequest, /) -> GetMutualRoomsResponse:
    """GET /mutual_rooms"""
    found = mutual_rooms(ctx.server, ctx.user, request.user_id, request.from_)
    return GetMutualRoomsResponse(joined=found.room_ids, count=found.total, next_batch=found.end)
