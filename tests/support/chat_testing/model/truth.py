"""What happened in rooms, and who may see it: written down in the most naive way.

Each event keeps a copy of the whole state before and after it. Nothing here comes from an answer of
the server, but for the IDs that name events in later requests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Key = tuple[str, str]

VISIBILITY: Key = ("m.room.history_visibility", "")


@dataclass(eq=False)
class Item:
    """An event as it should be. `content` is what must be in it, None where that is left open."""

    type: str
    state_key: str | None
    sender: str
    content: Json | None
    before: Mapping[Key, "Item"]
    event_id: str = ""
    redacted_by: "Item | None" = None

    @property
    def edits(self) -> str:
        """The ID of the event that it edits."""
        relation = (self.content or {}).get("m.relates_to", {})
        return str(relation["event_id"]) if relation.get("rel_type") == "m.replace" else ""

    @property
    def after(self) -> Mapping[Key, "Item"]:
        """The state after it."""
        if self.state_key is None:
            return self.before
        return {**self.before, (self.type, self.state_key): self}

    def is_shown_as(self, event: Json, *, pruned: bool) -> bool:
        """Whether an event from the server is this one, pruned by its redaction or as it was."""
        same = (self.type, self.state_key, self.sender)
        if (event["type"], event.get("state_key"), event["sender"]) != same:
            return False
        content: Json = event["content"]
        if pruned:
            return content == {}
        return self.content is None or {**content, **self.content} == content

    def __repr__(self) -> str:
        key = "" if self.state_key is None else f"[{self.state_key}]"
        return f"{self.type}{key} by {self.sender} {self.content}"


def membership(state: Mapping[Key, Item], user: str) -> str:
    """A user's membership in a state."""
    item = state.get(("m.room.member", user))
    return "leave" if item is None else str((item.content or {})["membership"])


def visibility(state: Mapping[Key, Item]) -> str:
    """The history visibility of a state."""
    item = state.get(VISIBILITY)
    return "shared" if item is None else str((item.content or {})["history_visibility"])


def is_outside(user: str, item: Item) -> bool:
    """Whether an event changes a user's membership from one outside the room to another."""
    if (item.type, item.state_key) != ("m.room.member", user):
        return False
    return "join" not in (membership(item.before, user), membership(item.after, user))


@dataclass
class Room:
    """A room: its events in their order, and what is beside them."""

    room_id: str
    creator: str
    items: list[Item] = field(default_factory=list)
    receipts: dict[str, str] = field(default_factory=dict)  # user → event ID, public ones
    private_receipts: dict[str, str] = field(default_factory=dict)
    typing: set[str] = field(default_factory=set)
    account_data: dict[str, Json] = field(default_factory=dict)  # user → content of one type

    @property
    def state(self) -> Mapping[Key, Item]:
        """The current state."""
        return self.items[-1].after if self.items else {}

    def membership(self, user: str) -> str:
        """A user's membership now."""
        return membership(self.state, user)

    def add(
        self, kind: str, sender: str, content: Json | None, state_key: str | None = None
    ) -> Item:
        """Something happens."""
        item = Item(kind, state_key, sender, content, self.state)
        self.items.append(item)
        if (
            state_key is not None
            and kind == "m.room.member"
            and self.membership(state_key) != "join"
        ):
            self.typing.discard(state_key)
        return item

    def may_see(self, user: str, place: int) -> bool:
        """Whether a user may see the event at a place. Spec: #room-history-visibility."""
        item = self.items[place]
        states = [item.before]
        if (item.type, item.state_key) in (VISIBILITY, ("m.room.member", user)):
            states.append(item.after)
        return any(self._allows(state, user, place) for state in states)

    def _allows(self, state: Mapping[Key, Item], user: str, place: int) -> bool:
        setting, member = visibility(state), membership(state, user)
        if setting == "world_readable" or member == "join":
            return True
        if setting == "shared":
            later = self.items[place:]
            return any(membership(item.after, user) == "join" for item in later)
        return setting == "invited" and member == "invite"

    def newest_edit(self, user: str, event_id: str) -> Item | None:
        """The newest edit of a message by its sender that a user may see and nobody redacted."""
        target = next((item for item in self.items if item.event_id == event_id), None)
        if target is None or target.redacted_by is not None or target.edits:
            return None
        for place, item in reversed(list(enumerate(self.items))):
            same = item.edits == event_id and item.sender == target.sender
            if same and item.redacted_by is None and self.may_see(user, place):
                return item
        return None

    def all_is_read(self, user: str) -> bool:
        """Whether nobody else did anything since what a user has read last."""
        read = {self.receipts.get(user), self.private_receipts.get(user)}
        for item in reversed(self.items):
            if item.event_id and item.event_id in read:
                return True
            if item.sender != user:
                break
        return False

    def visible(self, user: str) -> list[Item]:
        """Everything that a user may see now, until they were last in the room.

        Not what happened to their membership while they were out: a server may show that or not.
        """
        last = max(
            (i for i, item in enumerate(self.items) if membership(item.before, user) == "join"),
            default=-1,
        )
        upto = len(self.items) if self.membership(user) == "join" else last + 1
        return [
            item
            for i, item in enumerate(self.items[:upto])
            if self.may_see(user, i) and not is_outside(user, item)
        ]


@dataclass
class Truth:
    """Everything."""

    users: list[str]
    rooms: dict[str, Room] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # display names
    account_data: dict[str, Json] = field(default_factory=dict)  # user → content of one type

    def rooms_of(self, user: str, wanted: str) -> Iterator[Room]:
        """The rooms in which a user has a membership."""
        return (room for room in self.rooms.values() if room.membership(user) == wanted)
