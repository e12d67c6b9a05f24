"""Registration by shared secret."""

from chat_api.admin.registration import (
    GetRegisterNonceRequest,
    GetRegisterNonceResponse,
    RegisterByAdminRequest,
    RegisterByAdminResponse,
)

from chat.http.context import Context
from chat.protocol.errors import InternalError
from chat.services.accounts import register as accounts
from chat.services.accounts.login import DeviceWish
from chat.services.accounts.register import NewAccount


def get_register_nonce(
    ctx: Context, _request: GetRegisterNonceRequest, /
) -> GetRegisterNonceResponse:
    """GET /_synapse/admin/v1/register"""
    return GetRegisterNonceResponse(nonce=accounts.new_nonce(ctx.server))


def register_by_admin(ctx: Context, request: RegisterByAdminRequest, /) -> RegisterByAdminResponse:
    """POST /_synapse/admin/v1/register"""
    body = request.body
    wish = NewAccount(
        body.username,
        body.password,
        DeviceWish(),
        display_name=body.displayname,
        is_admin=body.admin,
        user_type=body.user_type,
    )
    user_id, session = accounts.register_by_secret(ctx.server, wish, body.nonce, body.mac)
    if session is None:
        raise InternalError("A session was asked for and not opened")
    return RegisterByAdminResponse(
        user_id=user_id,
        access_token=session.access_token,
        device_id=session.device_id,
        home_server=ctx.server.name,
    )
