"""Removing users from rooms."""

from chat_api.client_server.kicking import KickRequest
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.services.rooms import membership


def kick(ctx: Context, request: KickRequest, /) -> Empty:
    """POST /rooms/{roomId}/kick"""
    body = request.body
    membership.kick(ctx.server, ctx.user, request.room_id, body.user_id, body.reason)
    return Empty()
