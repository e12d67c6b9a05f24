"""The mainline ordering. Spec: rooms/v2/#definitions"""

import math

from chat.protocol.event import Event
from chat.protocol.identifiers import EventId
from chat.protocol.state_resolution.lookups import Lookups


def mainline_order(
    event_ids: set[EventId], power_levels: EventId | None, lookups: Lookups
) -> list[Event]:
    """These events in the mainline ordering based on `power_levels`, earliest first."""
    events = map(lookups.event, event_ids)
    if power_levels is None:  # no mainline: the same position for all, without a walk
        return sorted(events, key=lambda event: (event.origin_server_ts, event.event_id))
    mainline = _Mainline(lookups.event(power_levels), lookups)

    def rank(event: Event) -> tuple[float, int, EventId]:
        return (-mainline.position_of(event), event.origin_server_ts, event.event_id)

    return sorted(events, key=rank)


class _Mainline:
    """The power levels that led to the current ones, latest first, followed only as far back as
    the events to be ordered require."""

    def __init__(self, start: Event, lookups: Lookups) -> None:
        self._lookups = lookups
        self._positions: dict[EventId, int] = {}
        self._next: Event | None = start  # the next of the mainline, not yet numbered

    def position_of(self, event: Event) -> float:
        """The mainline position of an event.

        Walks back from the event and from the mainline's start in turn, until the walks meet:
        the first meeting is the closest, since below it both are the same.
        """
        visited: set[EventId] = set()
        step = self._lookups.power_parent(event)
        while step is not None or self._next is not None:
            if step is not None:
                if step.event_id in self._positions:
                    return self._positions[step.event_id]
                visited.add(step.event_id)
                step = self._lookups.power_parent(step)
            reached = self._extend()
            if reached in visited:
                return self._positions[reached]
        return math.inf

    def _extend(self) -> EventId | None:
        """Number the mainline's next event, if there is one."""
        reached = self._next
        if reached is None:
            return None
        self._positions[reached.event_id] = len(self._positions)
        self._next = self._lookups.power_parent(reached)
        return reached.event_id
