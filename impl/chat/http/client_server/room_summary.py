"""Rooms as they look from outside."""

from typing import cast

from chat_api.client_server.room_summary import GetRoomSummaryRequest, GetRoomSummaryResponse
from chat_api.common.schemas import RoomMembership

from chat.http.context import Context
from chat.services.rooms.summary import summary


def get_room_summary(ctx: Context, request: GetRoomSummaryRequest, /) -> GetRoomSummaryResponse:
    """GET /room_summary/{roomIdOrAlias}"""
    room = summary(ctx.server, ctx.user, request.room_id_or_alias)
    membership = cast(RoomMembership | None, room.membership)
    return GetRoomSummaryResponse(**room.fields(), membership=membership)
