"""Tags of rooms."""

from chat_api.client_server.tags import (
    DeleteRoomTagRequest,
    GetRoomTagsRequest,
    GetRoomTagsResponse,
    SetRoomTagRequest,
)
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.services import account_data


def get_room_tags(ctx: Context, request: GetRoomTagsRequest, /) -> GetRoomTagsResponse:
    """GET /user/{userId}/rooms/{roomId}/tags"""
    account_data.check_own(ctx.user, request.user_id)
    return GetRoomTagsResponse(tags=account_data.tags(ctx.server, request.user_id, request.room_id))


def set_room_tag(ctx: Context, request: SetRoomTagRequest, /) -> Empty:
    """PUT /user/{userId}/rooms/{roomId}/tags/{tag}"""
    account_data.check_own(ctx.user, request.user_id)
    account_data.set_tag(ctx.server, request.user_id, request.room_id, request.tag, request.body)
    return Empty()


def delete_room_tag(ctx: Context, request: DeleteRoomTagRequest, /) -> Empty:
    """DELETE /user/{userId}/rooms/{roomId}/tags/{tag}"""
    account_data.check_own(ctx.user, request.user_id)
    account_data.set_tag(ctx.server, request.user_id, request.room_id, request.tag, None)
    return Empty()
