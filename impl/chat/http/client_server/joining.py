"""Joining rooms."""

from chat_api.client_server.joining import JoinResponse, JoinRoomByIdRequest, JoinRoomRequest

from chat.http.context import Context
from chat.services.rooms import membership


def join_room_by_id(ctx: Context, request: JoinRoomByIdRequest, /) -> JoinResponse:
    """POST /rooms/{roomId}/join"""
    membership.join(ctx.server, ctx.user, request.room_id, request.body.reason)
    return JoinResponse(room_id=request.room_id)


def join_room(ctx: Context, request: JoinRoomRequest, /) -> JoinResponse:
    """POST /join/{roomIdOrAlias}"""
    room_id = membership.room_named(ctx.server, request.room_id_or_alias)
    membership.join(ctx.server, ctx.user, room_id, request.body.reason)
    return JoinResponse(room_id=room_id)
