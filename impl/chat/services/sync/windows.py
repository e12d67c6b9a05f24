"""The windows of rooms: those that are remembered, and the others read together."""

from collections.abc import Sequence

from chat.services.server import Server
from chat.services.sync import extras, timeline
from chat.services.sync.query import Query
from chat.services.sync.since import Span
from chat.services.sync.timeline import Reader, Window
from chat.storage.engine import Transaction
from chat.storage.streams import Kind


def reader(tx: Transaction, server: Server, query: Query, ignored: frozenset[str]) -> Reader:
    """A reader of windows for one request."""
    cap = server.config.filter_timeline_limit
    return Reader(tx, server.sync.events, query, ignored, cap)


def read(
    tx: Transaction, server: Server, query: Query, ignored: frozenset[str], told: Sequence[Span]
) -> dict[int, Window]:
    """The window of each span in which there may be events, by room."""
    kept, cap = server.sync.windows, server.config.filter_timeline_limit
    spans = [span for span in told if span.whole or span.may_have(Kind.EVENT)]
    keys = {span.room: timeline.shared_key(span, query, ignored, cap) for span in spans}
    windows = {}
    for room, key in keys.items():
        known = None if key is None else kept.get(key)
        if known is not None:
            windows[room] = known
    missing = [span for span in spans if span.room not in windows]
    if missing:
        fresh = _read(tx, server, query, ignored, missing)
        windows |= fresh
        for room, window in fresh.items():
            if window.shareable and keys[room] is not None:
                kept.put(keys[room], window)
    return windows


def _read(
    tx: Transaction, server: Server, query: Query, ignored: frozenset[str], spans: Sequence[Span]
) -> dict[int, Window]:
    facts = extras.facts_of(tx, [span.room for span in spans if span.whole and span.end is None])
    heroes = {room: one.heroes(query.caller.user_id) for room, one in facts.items()}
    windows = reader(tx, server, query, ignored).windows(spans, heroes)
    busy = {room for room, window in windows.items() if window.names_changed}
    joined = {span.room for span in spans if span.end is None and span.farewell is None}
    facts |= extras.facts_of(tx, (busy & joined) - facts.keys())
    for room, one in facts.items():
        windows[room].facts = one
    return windows
