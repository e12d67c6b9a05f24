"""Typing notices."""

from chat_api.client_server.typing import SetTypingRequest
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.protocol.errors import Forbidden
from chat.services import presence, typing


def set_typing(ctx: Context, request: SetTypingRequest, /) -> Empty:
    """PUT /rooms/{roomId}/typing/{userId}"""
    if request.user_id != ctx.user.user_id:
        raise Forbidden("This is another user")
    if request.body.typing:
        timeout_ms = request.body.timeout
        if timeout_ms is None:
            timeout_ms = typing.DEFAULT_TIMEOUT_MS
        presence.active(ctx.server, ctx.user)
        typing.start(ctx.server, ctx.user, request.room_id, timeout_ms)
    else:
        typing.stop(ctx.server, ctx.user, request.room_id)
    return Empty()
