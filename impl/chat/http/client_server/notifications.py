"""Past notifications."""

from chat_api.client_server.notifications import (
    GetNotificationsRequest,
    GetNotificationsResponse,
    Notification,
)
from msgspec import Raw

from chat.http.context import Context
from chat.services import notifications


def get_notifications(
    ctx: Context, request: GetNotificationsRequest, /
) -> GetNotificationsResponse:
    """GET /notifications"""
    page = notifications.page(
        ctx.server,
        ctx.user,
        request.from_,
        request.limit,
        only_highlights=request.only == "highlight",
    )
    return GetNotificationsResponse(
        notifications=[
            Notification(
                actions=list(one.actions),
                event=Raw(one.event),
                read=one.is_read,
                room_id=one.room_id,
                ts=one.ts,
            )
            for one in page.found
        ],
        next_token=page.next_token,
    )
