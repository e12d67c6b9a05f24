"""Power events and their reverse topological power ordering.

Spec: rooms/v2/#definitions. "Topological" follows whole auth chains: an event comes after each
event of its auth chain that is to be ordered too, even if the path between them leaves the set.
Such a path exists only through the conflicted subgraph, which is therefore all that is walked.
"""

import heapq
from typing import TypeAlias

from chat.protocol.auth_rules import power_level_of
from chat.protocol.auth_rules.selection import CREATE, POWER_LEVELS
from chat.protocol.event import Event
from chat.protocol.identifiers import EventId
from chat.protocol.state_resolution.lookups import Lookups

_Rank: TypeAlias = tuple[float, int, EventId]


def is_power_event(event: Event) -> bool:
    """Whether the event might take somebody's ability to do something."""
    if event.type in {"m.room.power_levels", "m.room.join_rules"}:
        return True
    return (
        event.type == "m.room.member"
        and event.content.get("membership") in ("leave", "ban")
        and event.sender != event.state_key
    )


def with_ancestors(
    event_ids: set[EventId], full: set[EventId], subgraph: set[EventId], lookups: Lookups
) -> set[EventId]:
    """These events and the events of their auth chains that belong to the full conflicted set."""
    found = set(event_ids)
    waiting = list(found)
    while waiting:
        more = _ancestors(waiting.pop(), full, subgraph, lookups) - found
        found |= more
        waiting += more
    return found


def power_order(event_ids: set[EventId], subgraph: set[EventId], lookups: Lookups) -> list[Event]:
    """The reverse topological power ordering of these events, by Kahn's algorithm."""
    waiting_for = {
        event_id: _ancestors(event_id, event_ids, subgraph, lookups) for event_id in event_ids
    }
    followers: dict[EventId, list[EventId]] = {}
    for event_id, ancestors in waiting_for.items():
        for ancestor in ancestors:
            followers.setdefault(ancestor, []).append(event_id)
    free = [_rank(event_id, lookups) for event_id, before in waiting_for.items() if not before]
    heapq.heapify(free)
    ordered = []
    while free:
        event_id = heapq.heappop(free)[-1]
        ordered.append(lookups.event(event_id))
        for follower in followers.get(event_id, ()):
            waiting_for[follower].remove(event_id)
            if not waiting_for[follower]:
                heapq.heappush(free, _rank(follower, lookups))
    return ordered


def _ancestors(
    event_id: EventId, among: set[EventId], through: set[EventId], lookups: Lookups
) -> set[EventId]:
    """The nearest events of `among` in the auth chain, on paths through `through`."""
    found: set[EventId] = set()
    passed: set[EventId] = set()
    waiting = list(lookups.event(event_id).auth_events)
    while waiting:
        cited = waiting.pop()
        if cited in among:
            found.add(cited)
        elif cited in through and cited not in passed:
            passed.add(cited)
            waiting += lookups.event(cited).auth_events
    return found


def _rank(event_id: EventId, lookups: Lookups) -> _Rank:
    """Smaller comes first: greater power level of the sender, earlier time, smaller ID."""
    event = lookups.event(event_id)
    return (-_sender_level(event, lookups), event.origin_server_ts, event_id)


def _sender_level(event: Event, lookups: Lookups) -> float:
    """The sender's level by the event's own auth events."""
    cited = lookups.cited(event)
    create = cited.get(CREATE, event)  # only the create event itself cites none
    return power_level_of(event.sender, cited.get(POWER_LEVELS), create, lookups.rules)
