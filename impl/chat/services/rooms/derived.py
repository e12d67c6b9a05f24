"""What a state event changes in the tables that follow from the current state."""

from typing import Any

from chat.protocol.event import Event, StateKey

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
    if event.state_key != "" or event.type not in _SUMMARY:
        return None
    field, name = _SUMMARY[event.type]
    value: Any = event.content.get(name)
    # NUL may stand in an event, but not in a text column; nobody searches for it.
    return field, value.replace("\0", "") or None if isinstance(value, str) else None


def membership_of(event: Event | None) -> str:
    """The membership that a membership event sets; `leave` where there is none."""
    membership = None if event is None else event.content.get("membership")
    return membership if isinstance(membership, str) else "leave"


def member_key(user_id: str) -> StateKey:
    """The key of a user's membership."""
    return "m.room.member", user_id


def count_change(previous: Event | None, event: Event) -> tuple[int, int]:
    """How a membership event changes the numbers of (joined, invited) members."""
    before, after = membership_of(previous), membership_of(event)
    joined = (after == "join") - (before == "join")
    invited = (after == "invite") - (before == "invite")
    return joined, invited
