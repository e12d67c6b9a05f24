"""Registration of accounts."""

from typing import Any

from chat_api.base import unfilled
from chat_api.client_server.registration import (
    CheckUsernameAvailabilityRequest,
    CheckUsernameAvailabilityResponse,
    RegisterBody,
    RegisterRequest,
    RegisterResponse,
)
from msgspec import to_builtins

from chat.http.context import Context
from chat.services.accounts import register as accounts
from chat.services.accounts.login import DeviceWish
from chat.services.accounts.register import NewAccount
from chat.services.accounts.tokens import Login

request_token_to_register_email = unfilled
request_token_to_register_msisdn = unfilled


def register(ctx: Context, request: RegisterRequest, /) -> RegisterResponse:
    """POST /register"""
    body = request.body
    if request.kind == "guest":
        user_id, session = accounts.register_guest(ctx.server, body.initial_device_display_name)
        return _answer(ctx, user_id, session)
    wish = NewAccount(body.username, body.password, _device(body))
    without_auth: dict[str, Any] = to_builtins(body)
    without_auth.pop("auth", None)
    return _answer(ctx, *accounts.register(ctx.server, wish, body.auth, without_auth))


def _device(body: RegisterBody) -> DeviceWish | None:
    if body.inhibit_login:
        return None
    return DeviceWish(body.device_id, body.initial_device_display_name, body.refresh_token)


def _answer(ctx: Context, user_id: str, session: Login | None) -> RegisterResponse:
    return RegisterResponse(
        user_id=user_id,
        home_server=ctx.server.name,
        access_token=session.access_token if session else None,
        device_id=session.device_id if session else None,
        refresh_token=session.refresh_token if session else None,
        expires_in_ms=session.expires_in_ms if session else None,
    )


def check_username_availability(
    ctx: Context, request: CheckUsernameAvailabilityRequest, /
) -> CheckUsernameAvailabilityResponse:
    """GET /register/available"""
    accounts.check_available(ctx.server, request.username)
    return CheckUsernameAvailabilityResponse(available=True)
