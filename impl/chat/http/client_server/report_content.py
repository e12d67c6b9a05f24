"""Reports of bad content."""

from chat_api.client_server.report_content import (
    ReportEventRequest,
    ReportRoomRequest,
    ReportUserRequest,
)
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.services.rooms import reports


def report_room(ctx: Context, request: ReportRoomRequest, /) -> Empty:
    """POST /rooms/{roomId}/report"""
    reports.report_room(ctx.server, ctx.user, request.room_id, request.body.reason)
    return Empty()


def report_event(ctx: Context, request: ReportEventRequest, /) -> Empty:
    """POST /rooms/{roomId}/report/{eventId}"""
    reason = request.body.reason if request.body else None
    reports.report_event(ctx.server, ctx.user, request.room_id, request.event_id, reason)
    return Empty()


def report_user(ctx: Context, request: ReportUserRequest, /) -> Empty:
    """POST /users/{userId}/report"""
    reports.report_user(ctx.server, ctx.user, request.user_id, request.body.reason)
    return Empty()
