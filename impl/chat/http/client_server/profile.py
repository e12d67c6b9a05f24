"""Profiles."""

from typing import Any

from chat_api.client_server.profile import (
    DeleteProfileFieldRequest,
    GetProfileFieldRequest,
    GetUserProfileRequest,
    SetProfileFieldRequest,
)
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.services.accounts import profile


def get_user_profile(ctx: Context, request: GetUserProfileRequest, /) -> dict[str, Any]:
    """GET /profile/{userId}"""
    return profile.get(ctx.server, ctx.caller, request.user_id)


def get_profile_field(ctx: Context, request: GetProfileFieldRequest, /) -> dict[str, Any]:
    """GET /profile/{userId}/{keyName}"""
    return profile.get_field(ctx.server, ctx.caller, request.user_id, request.key_name)


def set_profile_field(ctx: Context, request: SetProfileFieldRequest, /) -> Empty:
    """PUT /profile/{userId}/{keyName}"""
    profile.set_field(ctx.server, ctx.user, request.user_id, request.key_name, request.body)
    return Empty()


def delete_profile_field(ctx: Context, request: DeleteProfileFieldRequest, /) -> Empty:
    """DELETE /profile/{userId}/{keyName}"""
    profile.delete_field(ctx.server, ctx.user, request.user_id, request.key_name)
    return Empty()
