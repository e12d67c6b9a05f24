"""Bans."""

from chat_api.client_server.banning import BanRequest, UnbanRequest
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.services.rooms import membership


def ban(ctx: Context, request: BanRequest, /) -> Empty:
    """POST /rooms/{roomId}/ban"""
    body = request.body
    membership.ban(ctx.server, ctx.user, request.room_id, body.user_id, body.reason)
    return Empty()


def unban(ctx: Context, request: UnbanRequest, /) -> Empty:
    """POST /rooms/{roomId}/unban"""
    body = request.body
    membership.unban(ctx.server, ctx.user, request.room_id, body.user_id, body.reason)
    return Empty()
