"""The room state that an event is checked against, in the words of the rules."""

from collections.abc import Callable
from typing import TypeAlias

from chat.protocol.auth_rules import levels
from chat.protocol.event import Event, StateKey
from chat.protocol.room_versions import RoomRules

Lookup: TypeAlias = Callable[[StateKey], Event | None]


class RoomState:
    """What the rules ask of a state; the create event is known to be there."""

    __slots__ = ("create", "lookup", "power_levels", "rules")

    def __init__(self, create: Event, lookup: Lookup, rules: RoomRules) -> None:
        self.create = create
        self.lookup = lookup
        self.rules = rules
        self.power_levels = lookup(("m.room.power_levels", ""))

    def membership(self, user_id: str) -> str:
        """The user's current membership; `leave` where there is none."""
        event = self.lookup(("m.room.member", user_id))
        membership = None if event is None else event.content.get("membership")
        return membership if isinstance(membership, str) else "leave"

    def join_rule(self) -> object:
        """The current join rule; `invite` where the room has none."""
        event = self.lookup(("m.room.join_rules", ""))
        return "invite" if event is None else event.content.get("join_rule")

    def level_of(self, user_id: str) -> float:
        """The user's power level."""
        return levels.power_level_of(user_id, self.power_levels, self.create, self.rules)

    def level_for(self, action: str) -> int:
        """The level that `ban`, `invite`, `kick` or `redact` takes."""
        return levels.named_level(action, self.power_levels, self.rules)

    def level_to_send(self, event: Event) -> int:
        """The level that sending the event takes."""
        return levels.required_level(
            event.type, self.power_levels, self.rules, is_state=event.is_state
        )
