"""Delayed events."""

import json

from chat_api.common.schemas import Empty
from chat_api.extra.delayed_events import (
    ActOnDelayedEventRequest,
    DelayedEvent,
    FinalisedDelayedEvent,
    GetDelayedEventRequest,
    GetDelayedEventsRequest,
    GetDelayedEventsResponse,
    ScheduleDelayedEventRequest,
    ScheduledResponse,
    ScheduleMessageRequest,
    ScheduleStateRequest,
    ScheduleStateWithKeyRequest,
    UpdateDelayedEventRequest,
)

from chat.http.context import Context
from chat.protocol.errors import MaxDelayExceeded
from chat.services import delayed_events
from chat.services.delayed_events import DelayTooLong, Wish
from chat.storage.delayed_events import Delayed


def schedule_message(ctx: Context, request: ScheduleMessageRequest, /) -> ScheduledResponse:
    """PUT /rooms/{roomId}/send/{eventType}/{txnId}?org.matrix.msc4140.delay"""
    return _scheduled_by_query(
        ctx,
        Wish(
            request.room_id,
            request.event_type,
            None,
            request.body,
            request.org_matrix_msc4140_delay,
            request.txn_id,
        ),
    )


def schedule_state_with_key(
    ctx: Context, request: ScheduleStateWithKeyRequest, /
) -> ScheduledResponse:
    """PUT /rooms/{roomId}/state/{eventType}/{stateKey}?org.matrix.msc4140.delay"""
    return _scheduled_by_query(
        ctx,
        Wish(
            request.room_id,
            request.event_type,
            request.state_key,
            request.body,
            request.org_matrix_msc4140_delay,
            None,
        ),
    )


def schedule_state(ctx: Context, request: ScheduleStateRequest, /) -> ScheduledResponse:
    """PUT /rooms/{roomId}/state/{eventType}?org.matrix.msc4140.delay"""
    delay_ms = request.org_matrix_msc4140_delay
    wish = Wish(request.room_id, request.event_type, "", request.body, delay_ms, None)
    return _scheduled_by_query(ctx, wish)


def _scheduled_by_query(ctx: Context, wish: Wish) -> ScheduledResponse:
    """Clients that ask by a query parameter know the limit by an error of its own."""
    try:
        return ScheduledResponse(delay_id=delayed_events.schedule(ctx.server, ctx.user, wish))
    except DelayTooLong as error:
        longest_ms = delayed_events.longest_delay_ms(ctx.server)
        raise MaxDelayExceeded(error.message, longest_ms) from error


def schedule_delayed_event(
    ctx: Context, request: ScheduleDelayedEventRequest, /
) -> ScheduledResponse:
    """PUT /org.matrix.msc4140/rooms/{roomId}/delayed_event/{eventType}/{txnId}"""
    body = request.body
    wish = Wish(
        request.room_id,
        request.event_type,
        body.state_key,
        body.content,
        body.delay_ms,
        request.txn_id,
    )
    return ScheduledResponse(delay_id=delayed_events.schedule(ctx.server, ctx.user, wish))


def get_delayed_events(
    ctx: Context, _request: GetDelayedEventsRequest, /
) -> GetDelayedEventsResponse:
    """GET /org.matrix.msc4140/delayed_events"""
    found = delayed_events.listed(ctx.server, ctx.user)
    return GetDelayedEventsResponse(delayed_events=[_shown(event) for event in found])


def get_delayed_event(ctx: Context, request: GetDelayedEventRequest, /) -> DelayedEvent:
    """GET /org.matrix.msc4140/delayed_events/{delayId}"""
    return _shown(delayed_events.get(ctx.server, ctx.user, request.delay_id))


def update_delayed_event(ctx: Context, request: UpdateDelayedEventRequest, /) -> Empty:
    """POST /org.matrix.msc4140/delayed_events/{delayId}"""
    delayed_events.act(ctx.server, ctx.user, request.delay_id, request.body.action)
    return Empty()


def act_on_delayed_event(ctx: Context, request: ActOnDelayedEventRequest, /) -> Empty:
    """POST /org.matrix.msc4140/delayed_events/{delayId}/{action}"""
    delayed_events.act(ctx.server, ctx.user, request.delay_id, request.action)
    return Empty()


def _shown(event: Delayed) -> DelayedEvent:
    return DelayedEvent(
        delay_id=event.delay_id,
        room_id=event.room_id,
        type=event.type,
        state_key=event.state_key,
        content=json.loads(event.content),
        delay_ms=event.delay_ms,
        delay=event.delay_ms,
        delayed_since_ts=event.since_ts,
        running_since=event.since_ts,
        finalised=_outcome(event),
    )


def _outcome(event: Delayed) -> FinalisedDelayedEvent | None:
    if event.finalised_ts is None:
        return None
    return FinalisedDelayedEvent(
        finalised_ts=event.finalised_ts,
        event_id=event.event_id,
        error=None if event.error is None else json.loads(event.error),
    )
