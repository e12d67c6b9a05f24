"""Account data."""

from typing import Any

from chat_api.client_server.account_data import (
    GetAccountDataPerRoomRequest,
    GetAccountDataRequest,
    SetAccountDataPerRoomRequest,
    SetAccountDataRequest,
)
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.services import account_data


def get_account_data(ctx: Context, request: GetAccountDataRequest, /) -> dict[str, Any]:
    """GET /user/{userId}/account_data/{type}"""
    account_data.check_own(ctx.user, request.user_id)
    return account_data.get(ctx.server, request.user_id, None, request.type)


def set_account_data(ctx: Context, request: SetAccountDataRequest, /) -> Empty:
    """PUT /user/{userId}/account_data/{type}"""
    account_data.check_own(ctx.user, request.user_id)
    account_data.put(ctx.server, request.user_id, None, request.type, request.body)
    return Empty()


def get_account_data_per_room(
    ctx: Context, request: GetAccountDataPerRoomRequest, /
) -> dict[str, Any]:
    """GET /user/{userId}/rooms/{roomId}/account_data/{type}"""
    account_data.check_own(ctx.user, request.user_id)
    return account_data.get(ctx.server, request.user_id, request.room_id, request.type)


def set_account_data_per_room(ctx: Context, request: SetAccountDataPerRoomRequest, /) -> Empty:
    """PUT /user/{userId}/rooms/{roomId}/account_data/{type}"""
    account_data.check_own(ctx.user, request.user_id)
    account_data.put(ctx.server, request.user_id, request.room_id, request.type, request.body)
    return Empty()
