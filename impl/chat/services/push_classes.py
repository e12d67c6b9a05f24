"""What an event is to users, by their push rules: whether it notifies them, and how.

Spec: client-server-api/#push-rules
"""

from typing import NamedTuple

from chat.protocol.auth_rules.levels import notification_level, power_level_of
from chat.protocol.event import Event, StateKey
from chat.protocol.push_rules import PushEvent, PushRule, compile_rules, default_rules
from chat.services.rooms.opened import OpenRoom

CREATE: StateKey = ("m.room.create", "")
POWER_LEVELS: StateKey = ("m.room.power_levels", "")
MENTION = ".m.rule.is_user_mention"
PERSONAL = frozenset({MENTION, ".m.rule.invite_for_me"})


class Outcome(NamedTuple):
    """Whether an event notifies a user, and is highlighted; 0 or 1 each."""

    n: int
    h: int


NOTHING = Outcome(0, 0)


def outcome(rule: PushRule | None) -> Outcome:
    """What the rule that matched, if any, comes to."""
    if rule is None or not rule.notifies:
        return NOTHING
    return Outcome(1, int(rule.highlights))


def _predefined(*, mentioned: bool) -> tuple[PushRule, ...]:
    """The predefined rules as they are for everybody who is mentioned, or is not."""
    rules = default_rules("")
    overrides = []
    for rule in rules["override"]:
        if mentioned and rule["rule_id"] == MENTION:
            overrides.append(rule | {"conditions": []})
        elif rule["rule_id"] not in PERSONAL:
            overrides.append(rule)
    return compile_rules(rules | {"override": overrides})


FOR_ALL = _predefined(mentioned=False)
FOR_MENTIONED = _predefined(mentioned=True)


def push_event(event: Event, room: OpenRoom, member_count: int = 0) -> PushEvent:
    """An event with what push rules ask of its room; that asks nothing of the database.

    With the predefined rules the number of members changes the sound, and nothing that is counted.
    """
    power_levels, create = room.event(POWER_LEVELS), room.event(CREATE)
    assert create is not None
    level = power_level_of(event.sender, power_levels, create, room.rules)
    return PushEvent(
        event,
        member_count,
        level,
        lambda key: notification_level(key, power_levels, room.rules),
    )


def mentioned(event: Event, server_name: str) -> set[str]:
    """The users of this server, but for the sender, whom an event names as mentioned."""
    mentions = event.content.get("m.mentions")
    named = mentions.get("user_ids") if isinstance(mentions, dict) else None
    if not isinstance(named, list):
        return set()
    users = {one for one in named if isinstance(one, str) and one.partition(":")[2] == server_name}
    return users - {event.sender}
