"""Login."""

from typing import Any

from chat_api.client_server.login import (
    GetLoginFlowsRequest,
    GetLoginFlowsResponse,
    LoginRequest,
    LoginResponse,
)

from chat.http.context import Context
from chat.protocol.errors import MissingParam, Unknown
from chat.services.accounts import login as accounts
from chat.services.accounts.interactive import PASSWORD
from chat.services.accounts.login import DeviceWish
from chat.services.discovery import client_discovery


def get_login_flows(ctx: Context, _request: GetLoginFlowsRequest, /) -> GetLoginFlowsResponse:
    """GET /login"""
    enabled = ctx.server.config.password_config.enabled
    return GetLoginFlowsResponse(flows=[{"type": PASSWORD}] if enabled else [])


def login(ctx: Context, request: LoginRequest, /) -> LoginResponse:
    """POST /login"""
    body = request.body
    if body["type"] != PASSWORD:
        raise Unknown("This way to log in is not supported")
    password = body.get("password")
    if password is None:
        raise MissingParam("password is missing")
    user_id = accounts.identified_user(ctx.server, _identifier(body))
    wish = DeviceWish(
        body.get("device_id"),
        body.get("initial_device_display_name"),
        body.get("refresh_token") or False,
    )
    session = accounts.login_with_password(ctx.server, user_id, password, wish)
    return LoginResponse(
        user_id=session.user_id,
        access_token=session.access_token,
        device_id=session.device_id,
        refresh_token=session.refresh_token,
        expires_in_ms=session.expires_in_ms,
        well_known=client_discovery(ctx.server.config),
        home_server=ctx.server.name,
    )


def _identifier(body: dict[str, Any]) -> dict[str, Any]:
    """Who logs in; `user` on its own is the older form."""
    identifier: dict[str, Any] | None = body.get("identifier")
    if identifier is not None:
        return identifier
    if body.get("user") is None:
        raise MissingParam("identifier is missing")
    return {"type": "m.id.user", "user": body["user"]}
