"""Logging out."""

from chat_api.client_server.logout import LogoutAllRequest, LogoutRequest
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.services.accounts import tokens


def logout(ctx: Context, _request: LogoutRequest, /) -> Empty:
    """POST /logout"""
    tokens.logout(ctx.server, ctx.user)
    return Empty()


def logout_all(ctx: Context, _request: LogoutAllRequest, /) -> Empty:
    """POST /logout/all"""
    tokens.logout_all(ctx.server, ctx.user.user_id)
    return Empty()
