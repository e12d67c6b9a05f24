"""One room at once."""

from typing import Literal, TypeAlias, cast

from chat_api.client_server.room_initial_sync import (
    RoomInitialSyncRequest,
    RoomInitialSyncResponse,
)
from chat_api.common.schemas import PaginationChunk
from msgspec import Raw

from chat.http.context import Context
from chat.services.rooms import peeking

Membership: TypeAlias = Literal["ban", "invite", "join", "leave"]  # who knocks is told nothing


def room_initial_sync(ctx: Context, request: RoomInitialSyncRequest, /) -> RoomInitialSyncResponse:
    """GET /rooms/{roomId}/initialSync"""
    room = peeking.room_now(ctx.server, ctx.user, request.room_id)
    return RoomInitialSyncResponse(
        room_id=room.room_id,
        membership=cast(Membership | None, None if room.membership == "knock" else room.membership),
        visibility="public" if room.is_published else "private",
        messages=PaginationChunk(
            chunk=[Raw(event) for event in room.messages], start=room.start, end=room.end
        ),
        state=[Raw(event) for event in room.state],
        account_data=[Raw(event) for event in room.account_data],
    )
