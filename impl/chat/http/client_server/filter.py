"""Filters."""

from typing import Any

from chat_api.client_server.filter import (
    DefineFilterRequest,
    DefineFilterResponse,
    GetFilterRequest,
)

from chat.http.context import Context
from chat.services import account_data


def define_filter(ctx: Context, request: DefineFilterRequest, /) -> DefineFilterResponse:
    """POST /user/{userId}/filter"""
    account_data.check_own(ctx.user, request.user_id)
    filter_id = account_data.add_filter(ctx.server, request.user_id, request.body)
    return DefineFilterResponse(filter_id=filter_id)


def get_filter(ctx: Context, request: GetFilterRequest, /) -> dict[str, Any]:
    """GET /user/{userId}/filter/{filterId}"""
    account_data.check_own(ctx.user, request.user_id)
    return account_data.get_filter(ctx.server, request.user_id, request.filter_id)
