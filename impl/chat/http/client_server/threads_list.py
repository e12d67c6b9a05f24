"""The threads of a room."""

from chat_api.client_server.threads_list import GetThreadRootsRequest, GetThreadRootsResponse
from msgspec import Raw

from chat.http.context import Context
from chat.services import threads_list


def get_thread_roots(ctx: Context, request: GetThreadRootsRequest, /) -> GetThreadRootsResponse:
    """GET /rooms/{roomId}/threads"""
    page = threads_list.page(
        ctx.server,
        ctx.user,
        request.room_id,
        start=request.from_,
        limit=request.limit,
        participated=request.include == "participated",
    )
    return GetThreadRootsResponse(
        chunk=[Raw(event) for event in page.events], next_batch=page.next_batch
    )
