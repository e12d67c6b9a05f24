"""Sync."""

from collections.abc import Sequence

from chat_api.client_server.sync import (
    DeviceLists,
    SyncAccountData,
    SyncPresence,
    SyncRequest,
    SyncResponse,
    SyncToDevice,
)
from msgspec import Raw

from chat.http.context import Context
from chat.services import presence
from chat.services.sync import query
from chat.services.sync import request as syncing
from chat.services.sync.answer import Answer


def sync(ctx: Context, request: SyncRequest, /) -> SyncResponse:
    """GET /sync"""
    asked = query.Query(
        ctx.user,
        query.parse_token(request.since),
        query.filter_of(ctx.server, ctx.user, request.filter),
        full_state=request.full_state,
        state_after=request.use_state_after,
        timeout_ms=request.timeout,
        connection=ctx.connection,
        came_s=ctx.came_s,
        presence=ctx.server.config.presence.enabled,
    )
    presence.syncing(ctx.server, ctx.user, request.set_presence, request.timeout)
    answer = syncing.sync(ctx.server, asked)
    return SyncResponse(
        next_batch=str(answer.token),
        rooms=None if answer.rooms is None else Raw(answer.rooms),
        account_data=SyncAccountData(events=_raw(answer.account_data))
        if answer.account_data
        else None,
        presence=SyncPresence(events=_raw(answer.presence)) if answer.presence else None,
        to_device=SyncToDevice(events=_raw(answer.to_device)) if answer.to_device else None,
        device_lists=_device_lists(answer),
        device_one_time_keys_count=answer.keys.counts,
        device_unused_fallback_key_types=answer.keys.unused_fallback,
    )


def _raw(shown: Sequence[bytes]) -> list[Raw]:
    return [Raw(one) for one in shown]


def _device_lists(answer: Answer) -> DeviceLists | None:
    lists = answer.devices
    if lists is None or not (lists.changed or lists.left):
        return None
    return DeviceLists(changed=list(lists.changed), left=list(lists.left))
