"""Sliding sync."""

from collections.abc import Mapping
from typing import Any

from chat_api.extra.sliding_sync import (
    RequiredState,
    RoomsExtension,
    SlidingExtensions,
    SlidingFilters,
    SlidingList,
    SlidingListResult,
    SlidingSyncBody,
    SlidingSyncRequest,
    SlidingSyncResponse,
)
from msgspec import Raw

from chat.http.context import Context
from chat.protocol.errors import InvalidParam
from chat.services import presence
from chat.services.sync.extras import DEVICE_MESSAGES
from chat.services.sync.sliding import request as syncing
from chat.services.sync.sliding import wish
from chat.services.sync.sliding.extensions import parse_messages_token


def sliding_sync(ctx: Context, request: SlidingSyncRequest, /) -> SlidingSyncResponse:
    """POST /_matrix/client/unstable/org.matrix.simplified_msc3575/sync"""
    body = request.body
    asked = wish.Wish(
        ctx.user,
        wish.parse_pos(request.pos),
        body.conn_id or "",
        _rules(body, ctx.user.user_id),
        timeout_ms=request.timeout,
        connection=ctx.connection,
    )
    presence.syncing(ctx.server, ctx.user, request.set_presence, request.timeout)
    answer = syncing.sync(ctx.server, asked)
    return SlidingSyncResponse(
        pos=str(answer.pos),
        txn_id=body.txn_id,
        lists={name: SlidingListResult(count=count) for name, count in answer.lists.items()},
        rooms=Raw(_object(answer.rooms)),
        extensions=Raw(answer.extensions),
    )


def _object(parts: Mapping[str, bytes]) -> bytes:
    return b"{%b}" % b",".join([b'"%b":%b' % (name.encode(), of) for name, of in parts.items()])


def _rules(body: SlidingSyncBody, user_id: str) -> wish.Rules:
    lists, rooms = body.lists or {}, body.room_subscriptions or {}
    if len(lists) > wish.MOST_LISTS or len(rooms) > wish.MOST_SUBSCRIPTIONS:
        raise InvalidParam("There are too many lists or rooms")
    return wish.Rules(
        tuple(_list(name, one, user_id) for name, one in lists.items()),
        tuple(
            (room_id, _room(one.timeline_limit, one.required_state, user_id))
            for room_id, one in rooms.items()
        ),
        _extensions(body.extensions or SlidingExtensions()),
    )


def _room(limit: int, required: RequiredState | None, user_id: str) -> wish.RoomWish:
    return wish.RoomWish(limit, wish.required(required or (), user_id))


def _list(name: str, one: SlidingList, user_id: str) -> wish.ListWish:
    ranges = None if one.ranges is None else tuple((first, last) for first, last in one.ranges)
    if any(first > last for first, last in ranges or ()):
        raise InvalidParam("A range ends before it begins")
    room = _room(one.timeline_limit, one.required_state, user_id)
    return wish.ListWish(name, ranges, room, _filters(one.filters or SlidingFilters()))


def _filters(asked: SlidingFilters) -> wish.Filters:
    return wish.Filters(
        asked.is_dm,
        asked.is_encrypted,
        asked.is_invite,
        _set(asked.spaces),
        _set(asked.room_types),
        _set(asked.not_room_types),
        asked.room_name_like,
        _set(asked.tags),
        _set(asked.not_tags),
    )


def _set(values: list[Any] | None) -> frozenset[Any] | None:
    return None if values is None else frozenset(values)


def _extensions(asked: SlidingExtensions) -> wish.Extensions:
    messages = asked.to_device
    return wish.Extensions(
        _scope(asked.account_data),
        _scope(asked.receipts),
        _scope(asked.typing),
        wish.Messages(
            parse_messages_token(messages.since),
            DEVICE_MESSAGES if messages.limit is None else messages.limit,
        )
        if messages is not None and messages.enabled
        else None,
        asked.e2ee is not None and asked.e2ee.enabled,
    )


def _scope(asked: RoomsExtension | None) -> wish.Scope | None:
    if asked is None or not asked.enabled:
        return None
    return wish.Scope(_set(asked.lists), _set(asked.rooms))
