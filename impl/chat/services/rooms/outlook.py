"""What a user may know of rooms that they are not in: who may look, and what is told.

Spec: client-server-api/#get_matrixclientv1roomsroomidhierarchy (the conditions),
#get_matrixclientv1room_summaryroomidoralias
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from chat.protocol.room_versions import rules_for
from chat.services.rooms import current_state
from chat.storage import events, room_lists
from chat.storage.engine import Transaction
from chat.storage.room_lists import Sight
from chat.storage.rooms import Summary

JOIN_RULES = "m.room.join_rules"
RESTRICTED = ("restricted", "knock_restricted")
ENCRYPTION_SHOWN = "m.megolm.v1.aes-sha2"  # the one algorithm that the spec lets be told


class Outlook(NamedTuple):
    """A room that a user may look at. `allowed`: rooms whose members may join it."""

    summary: Summary
    version: str
    membership: str | None
    allowed: tuple[str, ...]

    @property
    def join_rule(self) -> str:
        """The join rule; a room without one takes the invited only."""
        return self.summary.join_rule or "invite"

    def fields(self) -> dict[str, Any]:
        """What is told in summaries and hierarchies alike, by its name in the API."""
        summary = self.summary
        encryption = summary.encryption if summary.encryption == ENCRYPTION_SHOWN else None
        return {
            "room_id": summary.room_id,
            "name": summary.name,
            "topic": summary.topic,
            "avatar_url": summary.avatar_url,
            "canonical_alias": summary.canonical_alias,
            "num_joined_members": summary.joined,
            "world_readable": summary.history_visibility == "world_readable",
            "guest_can_join": summary.guest_access == "can_join",
            "join_rule": self.join_rule,
            "allowed_room_ids": list(self.allowed) or None,
            "room_type": summary.room_type,
            "room_version": self.version,
            "encryption": encryption,
        }


def outlooks(tx: Transaction, user_id: str, room_ids: Collection[str]) -> dict[str, Outlook]:
    """Those of the rooms that the user may look at, by ID; three statements for any number."""
    sights = room_lists.sights(tx, user_id, room_ids)
    allowed = _allowed(tx, sights)
    named = {room_id for of_room in allowed.values() for room_id in of_room}
    joined = room_lists.joined_among(tx, user_id, named)
    return {
        room_id: Outlook(*sight, allowed.get(room_id, ()))
        for room_id, sight in sights.items()
        if _may_look(sight, meets=not joined.isdisjoint(allowed.get(room_id, ())))
    }


def _may_look(sight: Sight, *, meets: bool) -> bool:
    """`meets`: whether the user meets a condition of a restricted room."""
    rules, join_rule = rules_for(sight.version), sight.summary.join_rule
    if sight.membership in ("join", "invite"):
        return True
    if sight.summary.history_visibility == "world_readable":
        return True
    if sight.membership == "ban":
        return False
    if join_rule == "public" or (meets and join_rule in RESTRICTED):
        return True
    if join_rule == "knock_restricted":
        return rules.knock_restricted_joins
    return join_rule == "knock" and rules.knocking


def _allowed(tx: Transaction, sights: Mapping[str, Sight]) -> dict[str, tuple[str, ...]]:
    """The rooms whose members may join, by room; for versions and rules that know such."""
    restricted = {
        sight.summary.room: sight
        for sight in sights.values()
        if sight.summary.join_rule in RESTRICTED and rules_for(sight.version).restricted_joins
    }
    if not restricted:
        return {}
    found = {}
    for row, body in events.in_state(tx, [(room, JOIN_RULES, "") for room in restricted]):
        sight = restricted[row.room]
        event = current_state.event_of(row, body, rules_for(sight.version))
        found[sight.summary.room_id] = allowed_rooms(event.content)
    return found


def allowed_rooms(join_rules: Mapping[str, Any]) -> tuple[str, ...]:
    """The rooms that the conditions of a join rule name, each once, in their order."""
    conditions = join_rules.get("allow")
    named = [
        condition["room_id"]
        for condition in (conditions if isinstance(conditions, list) else ())
        if isinstance(condition, dict)
        and condition.get("type") == "m.room_membership"
        and isinstance(condition.get("room_id"), str)
    ]
    return tuple(dict.fromkeys(named))
