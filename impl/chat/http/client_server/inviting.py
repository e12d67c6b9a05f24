"""Inviting users."""

from chat_api.client_server.inviting import InviteUserRequest
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.services.rooms import membership


def invite_user(ctx: Context, request: InviteUserRequest, /) -> Empty:
    """POST /rooms/{roomId}/invite"""
    body = request.body
    membership.invite(ctx.server, ctx.user, request.room_id, body.user_id, body.reason)
    return Empty()
