"""Reading rooms: one event, the state, the members."""

from typing import Any

from chat_api.client_server.rooms import (
    GetJoinedMembersByRoomRequest,
    GetJoinedMembersByRoomResponse,
    GetMembersByRoomRequest,
    GetMembersByRoomResponse,
    GetOneRoomEventRequest,
    GetRoomStateByTypeRequest,
    GetRoomStateRequest,
    GetRoomStateWithKeyRequest,
    RoomMemberProfile,
)
from msgspec import Raw

from chat.http.context import Context
from chat.services.rooms import history, state


def get_one_room_event(ctx: Context, request: GetOneRoomEventRequest, /) -> Any:
    """GET /rooms/{roomId}/event/{eventId}"""
    return Raw(history.event(ctx.server, ctx.user, request.room_id, request.event_id))


def get_room_state_with_key(ctx: Context, request: GetRoomStateWithKeyRequest, /) -> Any:
    """GET /rooms/{roomId}/state/{eventType}/{stateKey}"""
    return _entry(ctx, request, request.state_key)


def get_room_state_by_type(ctx: Context, request: GetRoomStateByTypeRequest, /) -> Any:
    """GET /rooms/{roomId}/state/{eventType}"""
    return _entry(ctx, request, "")


def _entry(
    ctx: Context, request: GetRoomStateWithKeyRequest | GetRoomStateByTypeRequest, state_key: str
) -> Raw:
    whole = request.format == "event"
    found = state.entry(
        ctx.server, ctx.user, request.room_id, request.event_type, state_key, whole=whole
    )
    return Raw(found)


def get_room_state(ctx: Context, request: GetRoomStateRequest, /) -> list[Raw]:
    """GET /rooms/{roomId}/state"""
    return [Raw(event) for event in state.whole(ctx.server, ctx.user, request.room_id)]


def get_members_by_room(
    ctx: Context, request: GetMembersByRoomRequest, /
) -> GetMembersByRoomResponse:
    """GET /rooms/{roomId}/members"""
    found = state.members(
        ctx.server,
        ctx.user,
        request.room_id,
        at=request.at,
        membership=request.membership,
        not_membership=request.not_membership,
    )
    return GetMembersByRoomResponse(chunk=[Raw(event) for event in found])


def get_joined_members_by_room(
    ctx: Context, request: GetJoinedMembersByRoomRequest, /
) -> GetJoinedMembersByRoomResponse:
    """GET /rooms/{roomId}/joined_members"""
    found = state.joined_members(ctx.server, ctx.user, request.room_id)
    return GetJoinedMembersByRoomResponse(
        joined={
            user_id: RoomMemberProfile(display_name=one.displayname, avatar_url=one.avatar_url)
            for user_id, one in found.items()
        }
    )
