"""Presence."""

from chat_api.client_server.presence import (
    GetPresenceRequest,
    GetPresenceResponse,
    SetPresenceRequest,
)
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.protocol.presence import State
from chat.services import presence


def get_presence(ctx: Context, request: GetPresenceRequest, /) -> GetPresenceResponse:
    """GET /presence/{userId}/status"""
    found = presence.get(ctx.server, ctx.user, request.user_id)
    return GetPresenceResponse(
        presence=presence.name_of(found.state),
        last_active_ago=presence.ago_ms(found.last_active_ms, ctx.server.clock.now_ms()),
        currently_active=found.state is State.ONLINE,
        status_msg=found.status_msg,
    )


def set_presence(ctx: Context, request: SetPresenceRequest, /) -> Empty:
    """PUT /presence/{userId}/status"""
    body = request.body
    presence.put(ctx.server, ctx.user, request.user_id, body.presence, body.status_msg)
    return Empty()
