"""Knocking on rooms."""

from chat_api.client_server.knocking import KnockRoomRequest, KnockRoomResponse

from chat.http.context import Context
from chat.services.rooms import membership


def knock_room(ctx: Context, request: KnockRoomRequest, /) -> KnockRoomResponse:
    """POST /knock/{roomIdOrAlias}"""
    room_id = membership.room_named(ctx.server, request.room_id_or_alias)
    membership.knock(ctx.server, ctx.user, room_id, request.body.reason)
    return KnockRoomResponse(room_id=room_id)
