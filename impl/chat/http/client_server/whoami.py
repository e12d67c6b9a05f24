"""The owner of a token."""

from chat_api.client_server.whoami import GetTokenOwnerRequest, GetTokenOwnerResponse

from chat.http.context import Context


def get_token_owner(ctx: Context, _request: GetTokenOwnerRequest, /) -> GetTokenOwnerResponse:
    """GET /account/whoami"""
    caller = ctx.user
    return GetTokenOwnerResponse(
        user_id=caller.user_id, device_id=caller.device_id, is_guest=caller.is_guest
    )
