"""What a state event changes in the tables that follow from the current state."""

from typing import Any

from chat.protocol.event import Event, StateKey
from chat.protocol.identifiers import ServerName
from chat.protocol.redaction import redact
from chat.storage import rooms
from chat.storage.engine import Transaction
from chat.storage.rooms import LocalMember, Room

# Where a room's summary finds its fields: the key's type (its state key is empty) and the content.
_SUMMARY: dict[str, tuple[str, str]] = {
    "m.room.name": ("name", "name"),
    "m.room.topic": ("topic", "topic"),
    "m.room.canonical_alias": ("canonical_alias", "alias"),
    "m.room.avatar": ("avatar_url", "url"),
    "m.room.join_rules": ("join_rule", "join_rule"),
    "m.room.history_visibility": ("history_visibility", "history_visibility"),
    "m.room.guest_access": ("guest_access", "guest_access"),
    "m.room.create": ("room_type", "type"),
    "m.room.encryption": ("encryption", "algorithm"),
}


def summary_field(event: Event) -> tuple[str, str | None] | None:
    """The field of the room's summary that a state event sets, and its value; or None."""
    return summary_value(event.type, event.state_key, event.content)


def summary_value(
    event_type: str, state_key: str | None, content: dict[str, Any]
) -> tuple[str, str | None] | None:
    """`summary_field` of an event with these fields."""
    if state_key != "" or event_type not in _SUMMARY:
        return None
    field, name = _SUMMARY[event_type]
    value: Any = content.get(name)
    # NUL may stand in an event, but not in a text column; nobody searches for it.
    return field, value.replace("\0", "") or None if isinstance(value, str) else None


def membership_of(event: Event | None) -> str:
    """The membership that a membership event sets; `leave` where there is none."""
    return membership_in({} if event is None else event.content)


def membership_in(content: dict[str, Any]) -> str:
    """The membership that the content of a membership event sets."""
    membership = content.get("membership")
    return membership if isinstance(membership, str) else "leave"


def member_key(user_id: str) -> StateKey:
    """The key of a user's membership."""
    return "m.room.member", user_id


def count_change(previous: Event | None, event: Event | None) -> tuple[int, int]:
    """How a membership event changes the numbers of (joined, invited) members."""
    before, after = membership_of(previous), membership_of(event)
    joined = (after == "join") - (before == "join")
    invited = (after == "invite") - (before == "invite")
    return joined, invited


class Derived:
    """What changes of current states change in the tables that follow from them.

    `members` are those of this server whose membership changed; to be stored with the position.
    """

    def __init__(self, name: ServerName) -> None:
        self.members: list[LocalMember] = []
        self._name = name
        self._counts: dict[int, tuple[int, int]] = {}
        self._summaries: dict[int, dict[str, str | None]] = {}

    def take(
        self, room: Room, key: StateKey, previous: Event | None, event: Event | None, ev: int
    ) -> None:
        """An entry changes; to None where it vanishes, with the number of the one that it was."""
        if key[0] == "m.room.member":
            self._take_member(room, key[1], previous, event, ev)
        elif (field := _SUMMARY.get(key[0])) is not None and key[1] == "":
            value = None if event is None else (summary_field(event) or ("", None))[1]
            self._summaries.setdefault(room.room, {})[field[0]] = value

    def redact(self, room: Room, event: Event) -> None:
        """The event of a current entry is redacted: the summary has what is left of it."""
        content = redact(event.pdu, event.rules)["content"]
        field = summary_value(event.type, event.state_key, content)
        if field is not None:
            self._summaries.setdefault(room.room, {})[field[0]] = field[1]

    def _take_member(
        self, room: Room, user_id: str, previous: Event | None, event: Event | None, ev: int
    ) -> None:
        joined, invited = count_change(previous, event)
        if joined or invited:
            so_far = self._counts.get(room.room, (0, 0))
            self._counts[room.room] = so_far[0] + joined, so_far[1] + invited
        if user_id.partition(":")[2] == self._name:
            membership = membership_of(event)
            member = LocalMember(user_id, room.room, room.room_id, membership, ev, 0, False)
            self.members.append(member)

    def flush(self, tx: Transaction) -> None:
        """Write all but the members."""
        if self._counts:
            rooms.count_members(tx, self._counts)
        for room, fields in self._summaries.items():
            rooms.summarise(tx, room, fields)
