"""What there was before sync."""

from typing import Any, cast

from chat_api.client_server.old_sync import (
    EventStreamResponse,
    GetEventsRequest,
    GetOneEventRequest,
    InitialSyncRequest,
    InitialSyncResponse,
    InitialSyncRoom,
)
from chat_api.common.schemas import PaginationChunk
from msgspec import Raw

from chat.http.client_server.room_initial_sync import Membership
from chat.http.context import Context
from chat.services.rooms import peeking
from chat.services.rooms.peeking import RoomNow


def get_events(ctx: Context, request: GetEventsRequest, /) -> EventStreamResponse:
    """GET /events"""
    found = peeking.watch_all(
        ctx.server, ctx.user, request.from_, request.timeout or 0, ctx.connection
    )
    return EventStreamResponse(
        chunk=[Raw(event) for event in found.events], start=found.start, end=found.end
    )


def initial_sync(ctx: Context, request: InitialSyncRequest, /) -> InitialSyncResponse:
    """GET /initialSync"""
    found = peeking.everything_now(
        ctx.server, ctx.user, limit=request.limit, archived=request.archived
    )
    return InitialSyncResponse(
        end=found.end,
        presence=[Raw(event) for event in found.presence],
        rooms=[_room(room) for room in found.rooms],
        account_data=[Raw(event) for event in found.account_data],
    )


def _room(room: RoomNow) -> InitialSyncRoom:
    membership = cast(Membership, room.membership)
    if room.invite is not None:
        return InitialSyncRoom(room_id=room.room_id, membership=membership, invite=Raw(room.invite))
    return InitialSyncRoom(
        room_id=room.room_id,
        membership=membership,
        visibility="public" if room.is_published else "private",
        messages=PaginationChunk(
            chunk=[Raw(event) for event in room.messages], start=room.start, end=room.end
        ),
        state=[Raw(event) for event in room.state],
        account_data=[Raw(event) for event in room.account_data],
    )


def get_one_event(ctx: Context, request: GetOneEventRequest, /) -> Any:
    """GET /events/{eventId}"""
    return Raw(peeking.event(ctx.server, ctx.user, request.event_id))
