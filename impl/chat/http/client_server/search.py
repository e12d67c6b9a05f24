"""Search."""

from typing import Any

import msgspec
from chat_api.client_server.search import (
    RoomEventsSearch,
    RoomEventsSearchResult,
    SearchGroup,
    SearchRequest,
    SearchResponse,
    SearchResultCategories,
)

from chat.http.context import Context
from chat.services import search as searching
from chat.services.search import Found, Surroundings, Wish
from chat.storage.search import KEYS


def search(ctx: Context, request: SearchRequest, /) -> SearchResponse:
    """POST /search"""
    asked = request.body.search_categories.room_events
    if asked is None:
        return SearchResponse(search_categories=SearchResultCategories())
    found = searching.search_events(ctx.server, ctx.user, _wish(asked), request.next_batch)
    return SearchResponse(search_categories=SearchResultCategories(room_events=_shown(found)))


def _wish(asked: RoomEventsSearch) -> Wish:
    options, groups = asked.event_context, asked.groupings
    keys = KEYS.keys() if asked.keys is None else asked.keys
    by = [one.key for one in (groups.group_by or ())] if groups is not None else []
    return Wish(
        term=asked.search_term,
        kinds=frozenset(KEYS[key] for key in keys),
        filter=searching.filter_of(asked.filter),
        by_rank=asked.order_by == "rank",
        groups=tuple(dict.fromkeys(key for key in by if key is not None)),
        surroundings=None
        if options is None
        else Surroundings(options.before_limit, options.after_limit, options.include_profile),
        include_state=asked.include_state,
    )


def _shown(found: Found) -> RoomEventsSearchResult:
    groups = {
        name: {
            value: SearchGroup(
                order=group.order, results=_ids(group.event_ids), next_batch=group.next_batch
            )
            for value, group in of_name.items()
        }
        for name, of_name in found.groups.items()
    }
    return RoomEventsSearchResult(
        count=found.count,
        highlights=found.highlights,
        results=[msgspec.Raw(result) for result in found.results],
        next_batch=found.next_batch,
        groups=groups or None,
        state=None if found.state is None else msgspec.Raw(_states(found.state)),
    )


def _ids(event_ids: list[str]) -> list[Any]:
    return list(event_ids)


def _states(found: dict[str, list[bytes]]) -> bytes:
    return msgspec.json.encode(
        {room_id: [msgspec.Raw(event) for event in events] for room_id, events in found.items()}
    )
