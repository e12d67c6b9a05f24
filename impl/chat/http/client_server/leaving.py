"""Leaving and forgetting rooms."""

from chat_api.client_server.leaving import ForgetRoomRequest, LeaveRoomRequest
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.services.rooms import membership


def leave_room(ctx: Context, request: LeaveRoomRequest, /) -> Empty:
    """POST /rooms/{roomId}/leave"""
    membership.leave(ctx.server, ctx.user, request.room_id, request.body.reason)
    return Empty()


def forget_room(ctx: Context, request: ForgetRoomRequest, /) -> Empty:
    """POST /rooms/{roomId}/forget"""
    membership.forget(ctx.server, ctx.user, request.room_id)
    return Empty()
