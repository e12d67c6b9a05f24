"""The directory of published rooms."""

from chat_api.client_server.list_public_rooms import (
    GetPublicRoomsRequest,
    GetRoomVisibilityOnDirectoryRequest,
    GetRoomVisibilityOnDirectoryResponse,
    PublicRoomsResponse,
    QueryPublicRoomsRequest,
    SetRoomVisibilityOnDirectoryRequest,
)
from chat_api.common.schemas import Empty, PublicRoomsChunk

from chat.http.context import Context
from chat.protocol.errors import MissingToken
from chat.services.accounts import tokens
from chat.services.rooms import directory
from chat.services.rooms.directory import PublicRoom, PublicRoomsQuery


def get_room_visibility_on_directory(
    ctx: Context, request: GetRoomVisibilityOnDirectoryRequest, /
) -> GetRoomVisibilityOnDirectoryResponse:
    """GET /directory/list/room/{roomId}"""
    published = directory.is_published(ctx.server, request.room_id)
    return GetRoomVisibilityOnDirectoryResponse(visibility="public" if published else "private")


def set_room_visibility_on_directory(
    ctx: Context, request: SetRoomVisibilityOnDirectoryRequest, /
) -> Empty:
    """PUT /directory/list/room/{roomId}"""
    published = request.body.visibility == "public"
    directory.publish(ctx.server, ctx.user, request.room_id, published=published)
    return Empty()


def get_public_rooms(ctx: Context, request: GetPublicRoomsRequest, /) -> PublicRoomsResponse:
    """GET /publicRooms"""
    if not ctx.server.config.allow_public_rooms_without_auth:
        if ctx.token is None:
            raise MissingToken("Missing access token")
        tokens.authenticate(ctx.server, ctx.token)
    query = PublicRoomsQuery(server=request.server, limit=request.limit, since=request.since)
    return _page(ctx, query)


def query_public_rooms(ctx: Context, request: QueryPublicRoomsRequest, /) -> PublicRoomsResponse:
    """POST /publicRooms"""
    body = request.body
    wanted = body.filter
    query = PublicRoomsQuery(
        server=request.server,
        limit=body.limit,
        since=body.since,
        term=wanted.generic_search_term if wanted else None,
        room_types=wanted.room_types if wanted else None,
    )
    return _page(ctx, query)


def _page(ctx: Context, query: PublicRoomsQuery) -> PublicRoomsResponse:
    page = directory.public_rooms(ctx.server, query)
    return PublicRoomsResponse(
        chunk=[_shown(room) for room in page.rooms],
        next_batch=page.next_batch,
        prev_batch=page.prev_batch,
        total_room_count_estimate=page.total,
    )


def _shown(room: PublicRoom) -> PublicRoomsChunk:
    return PublicRoomsChunk(
        room_id=room.room_id,
        name=room.name,
        topic=room.topic,
        canonical_alias=room.canonical_alias,
        avatar_url=room.avatar_url,
        num_joined_members=room.joined,
        world_readable=room.world_readable,
        guest_can_join=room.guest_can_join,
        join_rule=room.join_rule,
        room_type=room.room_type,
    )
