"""Setting room state."""

from chat_api.client_server.room_state import (
    SetRoomStateRequest,
    SetRoomStateWithKeyRequest,
    SetRoomStateWithKeyResponse,
)

from chat.http.context import Context
from chat.services.rooms import state


def set_room_state_with_key(
    ctx: Context, request: SetRoomStateWithKeyRequest, /
) -> SetRoomStateWithKeyResponse:
    """PUT /rooms/{roomId}/state/{eventType}/{stateKey}"""
    event = state.put(
        ctx.server,
        ctx.user,
        request.room_id,
        request.event_type,
        request.state_key,
        request.body,
    )
    return SetRoomStateWithKeyResponse(event_id=event.event_id)


def set_room_state(ctx: Context, request: SetRoomStateRequest, /) -> SetRoomStateWithKeyResponse:
    """PUT /rooms/{roomId}/state/{eventType}"""
    event = state.put(ctx.server, ctx.user, request.room_id, request.event_type, "", request.body)
    return SetRoomStateWithKeyResponse(event_id=event.event_id)
