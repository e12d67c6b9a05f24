"""The caller's rooms."""

from chat_api.client_server.list_joined_rooms import GetJoinedRoomsRequest, GetJoinedRoomsResponse

from chat.http.context import Context
from chat.services.rooms import state


def get_joined_rooms(ctx: Context, _request: GetJoinedRoomsRequest, /) -> GetJoinedRoomsResponse:
    """GET /joined_rooms"""
    rooms = state.joined_rooms(ctx.server, ctx.user)
    return GetJoinedRoomsResponse(joined_rooms=rooms)
