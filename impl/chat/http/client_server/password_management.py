"""Passwords."""

from chat_api.base import unfilled
from chat_api.client_server.password_management import ChangePasswordRequest
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.services.accounts import account

request_token_to_reset_password_email = unfilled
request_token_to_reset_password_msisdn = unfilled


def change_password(ctx: Context, request: ChangePasswordRequest, /) -> Empty:
    """POST /account/password"""
    body = request.body
    # A session keeps what it is bound to: the wish to log out others, not the new password.
    bound = {"logout_devices": body.logout_devices}
    completed = account.confirm_password(
        ctx.server, ctx.user, "POST /account/password", body.auth, bound
    )
    account.change_password(
        ctx.server, ctx.user, body.new_password, completed, logout_others=body.logout_devices
    )
    return Empty()
