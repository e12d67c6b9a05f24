"""Room aliases."""

from chat_api.client_server.directory import (
    DeleteRoomAliasRequest,
    GetLocalAliasesRequest,
    GetLocalAliasesResponse,
    GetRoomIdByAliasRequest,
    GetRoomIdByAliasResponse,
    SetRoomAliasRequest,
)
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.services.rooms import directory


def get_room_id_by_alias(
    ctx: Context, request: GetRoomIdByAliasRequest, /
) -> GetRoomIdByAliasResponse:
    """GET /directory/room/{roomAlias}"""
    room_id = directory.resolve(ctx.server, request.room_alias)
    return GetRoomIdByAliasResponse(room_id=room_id, servers=[ctx.server.name])


def set_room_alias(ctx: Context, request: SetRoomAliasRequest, /) -> Empty:
    """PUT /directory/room/{roomAlias}"""
    directory.set_alias(ctx.server, ctx.user, request.room_alias, request.body.room_id)
    return Empty()


def delete_room_alias(ctx: Context, request: DeleteRoomAliasRequest, /) -> Empty:
    """DELETE /directory/room/{roomAlias}"""
    directory.delete_alias(ctx.server, ctx.user, request.room_alias)
    return Empty()


def get_local_aliases(ctx: Context, request: GetLocalAliasesRequest, /) -> GetLocalAliasesResponse:
    """GET /rooms/{roomId}/aliases"""
    aliases = directory.local_aliases(ctx.server, ctx.user, request.room_id)
    return GetLocalAliasesResponse(aliases=aliases)
