"""Renewing access tokens."""

from chat_api.client_server.refresh import RefreshRequest, RefreshResponse

from chat.http.context import Context
from chat.services.accounts import tokens


def refresh(ctx: Context, request: RefreshRequest, /) -> RefreshResponse:
    """POST /refresh"""
    session = tokens.refresh(ctx.server, request.body.refresh_token)
    return RefreshResponse(
        access_token=session.access_token,
        refresh_token=session.refresh_token,
        expires_in_ms=session.expires_in_ms,
    )
