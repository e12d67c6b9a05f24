"""State resolution: what the state is where branches of a room meet.

`resolve` never sees a whole state. It takes the entries in which the states to be resolved
differ, and functions to look up the rest. The caller's part:

`conflicted`
    For every key `(type, state_key)` on which the states are not all the same: what each of them
    has there, as event IDs, and `None` if at least one of them has no such entry. Order and
    repetition do not matter. (Version 1 takes a key held by some states only, always as the same
    event, as no conflict: it stays.)
`event(event_id)`
    The event with this ID. Asked for conflicted events, the auth difference, the conflicted
    subgraph, their auth events, the unconflicted entries that authorisation needs, and power
    level events further back; once each.
`unconflicted(key)`
    The event ID that *all* the states have at this key, or `None`. Never asked for a key of
    `conflicted`.
`auth_difference()`
    Algorithm 2 and 2.1 only. Every event that is in the auth chain of some but not all of the
    states. A state's auth chain is the union of the auth chains of all its events; an event is
    not in its own auth chain.
`conflicted_subgraph()`
    Algorithm 2 and 2.1 only. Every event on a path along auth events from one conflicted event to
    another, both ends included. 2.1 replays these events; 2 only follows the paths through them
    (it says "the events in the auth chain", through whatever lies between).
`is_rejected(event_id)`
    Whether the event was rejected on receipt; such auth events are not used as a substitute for
    missing state.

`auth_difference_of` and `conflicted_subgraph_of` compute these two sets where the auth events of
every event are at hand. Spec: rooms/v1/#state-resolution, rooms/v2/#state-resolution,
rooms/v12/#state-resolution
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from chat.protocol.event import Event, StateKey
from chat.protocol.identifiers import EventId
from chat.protocol.room_versions import RoomRules, StateResolution
from chat.protocol.state_resolution.lookups import Lookups
from chat.protocol.state_resolution.v1 import resolve_v1
from chat.protocol.state_resolution.v2 import resolve_v2

__all__ = ["auth_difference_of", "conflicted_subgraph_of", "resolve"]


def resolve(
    conflicted: Mapping[StateKey, Collection[EventId | None]],
    *,
    rules: RoomRules,
    event: Callable[[EventId], Event],
    unconflicted: Callable[[StateKey], EventId | None],
    auth_difference: Callable[[], Collection[EventId]],
    conflicted_subgraph: Callable[[], Collection[EventId]],
    is_rejected: Callable[[EventId], bool] = lambda _: False,
) -> dict[StateKey, EventId | None]:
    """The resolved entry of every key of `conflicted`, `None` where there is none.

    An event of the auth difference can set a key which no state has; it is then added to the
    answer. All other entries of the resolved state are the unconflicted ones.
    """
    lookups = Lookups(rules, event, unconflicted, is_rejected, frozenset(conflicted))
    present = {
        key: {event_id for event_id in entries if event_id is not None}
        for key, entries in conflicted.items()
    }
    if rules.state_resolution is StateResolution.V1:
        return resolve_v1(present, lookups)
    own = {event_id for entries in present.values() for event_id in entries}
    return resolve_v2(own, set(auth_difference()), set(conflicted_subgraph()), lookups)


def auth_difference_of(
    states: Iterable[Iterable[EventId]],
    auth_events: Callable[[EventId], Iterable[EventId]],
) -> set[EventId]:
    """The auth difference of states given by their events' IDs; walks whole auth chains."""
    chains = [_auth_graph(state, auth_events)[1].keys() for state in states]
    everything = {event_id for chain in chains for event_id in chain}
    return {one for one in everything if any(one not in chain for chain in chains)}


def conflicted_subgraph_of(
    conflicted: Collection[EventId],
    auth_events: Callable[[EventId], Iterable[EventId]],
) -> set[EventId]:
    """The conflicted subgraph of these events; walks whole auth chains."""
    reached, cited_by = _auth_graph(conflicted, auth_events)
    found = set(conflicted)
    waiting = list(found)
    while waiting:
        more = cited_by.get(waiting.pop(), set()) - found
        found |= more
        waiting += more
    return found & reached


def _auth_graph(
    tips: Iterable[EventId], auth_events: Callable[[EventId], Iterable[EventId]]
) -> tuple[set[EventId], dict[EventId, set[EventId]]]:
    """The tips with their auth chains, and for every event of the chains who cites it."""
    reached = set(tips)
    waiting = list(reached)
    cited_by: dict[EventId, set[EventId]] = {}
    while waiting:
        citing = waiting.pop()
        for cited in auth_events(citing):
            cited_by.setdefault(cited, set()).add(citing)
            if cited not in reached:
                reached.add(cited)
                waiting.append(cited)
    return reached, cited_by
