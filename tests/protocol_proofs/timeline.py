"""Builds neutral rooms event by event: each branch keeps its state, auth events are selected.

room = Room()
main = room.branch()
main.create(ALICE)
main.join(ALICE)
other = main.fork()
"""

from dataclasses import dataclass, field
from typing import Any

import oracle

Neutral = dict[str, Any]
Names = dict[oracle.Key, str]

STEP_MS = 10  # time between two events, unless a case sets `ts`


@dataclass
class Room:
    """All events made so far, by name."""

    events: dict[str, Neutral] = field(default_factory=dict)

    def branch(self) -> "Branch":
        """A branch of its own, without any event."""
        return Branch(self, {}, [], 0)

    def state_of(self, names: list[str]) -> Names:
        """The state made of these events."""
        return {oracle.key_of(self.events[name]): name for name in names}


@dataclass
class Branch:
    """A line of the room's history: the state after its last events."""

    room: Room
    state: Names
    last: list[str]
    depth: int

    def fork(self) -> "Branch":
        """A second branch that goes on from here."""
        return Branch(self.room, dict(self.state), list(self.last), self.depth)

    def merge(self, other: "Branch", state: Names) -> "Branch":
        """The branch after both, with the state they resolve to."""
        return Branch(self.room, dict(state), self.last + other.last, max(self.depth, other.depth))

    def send(
        self,
        name: str,
        kind: str,
        sender: str,
        content: dict[str, Any],
        state_key: str = "",
        **more: Any,
    ) -> Neutral:
        """Appends a state event; `more` overrides ts, depth, auth or adds rejected, …"""
        assert name not in self.room.events, name
        assert name.isalnum() and not name.endswith("0"), name
        event: Neutral = {
            "name": name,
            "type": kind,
            "sender": sender,
            "state_key": state_key,
            "content": content,
            "prev": list(self.last),
            "ts": STEP_MS * (len(self.room.events) + 1),
            "depth": self.depth + 1,
        }
        event["auth"] = self.selected(event)
        event.update(more)
        self.room.events[name] = event
        self.last = [name]
        self.depth = event["depth"]
        if not event.get("rejected"):
            self.state[(kind, state_key)] = name
        return event

    def selected(self, event: Neutral) -> list[str]:
        """The auth events selection in this branch's state (with the create event)."""
        keys = oracle.selected_keys(event, "11")
        return [name for key, name in self.state.items() if key in keys]

    # -- shorthand for the usual events

    def create(self, sender: str, **content: Any) -> None:
        self.send("create", "m.room.create", sender, content)

    def member(self, name: str, user: str, membership: str, by: str = "", **more: Any) -> None:
        content = {"membership": membership, **more.pop("content", {})}
        self.send(name, "m.room.member", by or user, content, user, **more)

    def join(self, user: str, name: str = "", **more: Any) -> None:
        self.member(name or "join" + user[1:].partition(":")[0].capitalize(), user, "join", **more)

    def power(self, name: str, sender: str, users: dict[str, int], **more: Any) -> None:
        content = {"users": users, **more.pop("content", {})}
        self.send(name, "m.room.power_levels", sender, content, **more)

    def rules(self, name: str, sender: str, rule: str, **more: Any) -> None:
        self.send(name, "m.room.join_rules", sender, {"join_rule": rule}, **more)

    def topic(self, name: str, sender: str, **more: Any) -> None:
        self.send(name, "m.room.topic", sender, {"topic": name}, **more)

    def named(self, name: str, sender: str, **more: Any) -> None:
        self.send(name, "m.room.name", sender, {"name": name}, **more)
