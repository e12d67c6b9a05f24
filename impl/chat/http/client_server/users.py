"""The user directory."""

from chat_api.client_server.users import (
    DirectoryUser,
    SearchUserDirectoryRequest,
    SearchUserDirectoryResponse,
)

from chat.http.context import Context
from chat.services import user_directory


def search_user_directory(
    ctx: Context, request: SearchUserDirectoryRequest, /
) -> SearchUserDirectoryResponse:
    """POST /user_directory/search"""
    body = request.body
    found, limited = user_directory.search(ctx.server, ctx.user, body.search_term, body.limit)
    return SearchUserDirectoryResponse(
        results=[
            DirectoryUser(
                user_id=one.user_id, display_name=one.display_name, avatar_url=one.avatar_url
            )
            for one in found
        ],
        limited=limited,
    )
