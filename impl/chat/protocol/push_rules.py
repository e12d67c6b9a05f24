"""Push rules: which events notify a user, and how.

A user's ruleset is compiled once and kept; an event is wrapped once for all users. What the
conditions need to know of the room travels with the event. Spec: client-server-api/#push-rules
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from chat.protocol.event import Event
from chat.protocol.globs import Glob
from chat.protocol.property_paths import parse_path, value_at

KINDS = ("override", "content", "room", "sender", "underride")

_BODY = ("content", "body")
_HISTORICAL_ACTIONS = ("dont_notify", "coalesce")
_MEMBER_COUNT = re.compile(r"(==|<=|>=|<|>)?([0-9]{1,10})")
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": lambda count, limit: count == limit,
    "<": lambda count, limit: count < limit,
    ">": lambda count, limit: count > limit,
    "<=": lambda count, limit: count <= limit,
    ">=": lambda count, limit: count >= limit,
}


@dataclass(slots=True)
class PushEvent:
    """An event with what push rules ask of its room; remembers the properties it was asked for.

    `notification_level(key)` is the power level that `notifications.key` asks for.
    """

    event: Event
    member_count: int
    sender_level: float
    notification_level: Callable[[str], float]
    _values: dict[tuple[str, ...], Any] = field(default_factory=dict)
    _texts: dict[tuple[str, ...], str | None] = field(default_factory=dict)

    def value(self, path: tuple[str, ...]) -> Any:
        """The property of the event at this path, or `property_paths.ABSENT`."""
        if path not in self._values:
            self._values[path] = value_at(self._top_level(), path)
        return self._values[path]

    def text(self, path: tuple[str, ...]) -> str | None:
        """The same in lower case where it is a string, else None."""
        if path not in self._texts:
            value = self.value(path)
            self._texts[path] = value.lower() if isinstance(value, str) else None
        return self._texts[path]

    def _top_level(self) -> dict[str, Any]:
        event = self.event
        return {**event.pdu, "event_id": event.event_id, "room_id": event.room_id}


Condition: TypeAlias = Callable[[PushEvent, str | None], bool]  # given the user's display name


@dataclass(frozen=True, slots=True)
class PushRule:
    """One enabled rule, ready to be tried."""

    kind: str
    rule_id: str
    conditions: tuple[Condition, ...]
    actions: tuple[Any, ...]

    @property
    def notifies(self) -> bool:
        """Whether a match is a notification."""
        return "notify" in self.actions

    @property
    def highlights(self) -> bool:
        """Whether a match is to be highlighted."""
        return self.tweaks.get("highlight") is True

    @property
    def tweaks(self) -> dict[str, Any]:
        """The tweaks for the push gateway; a highlight without value is true."""
        return {
            action["set_tweak"]: action.get("value", True)
            if action["set_tweak"] == "highlight"
            else action.get("value")
            for action in self.actions
            if isinstance(action, dict) and isinstance(action.get("set_tweak"), str)
        }


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """A user's rules, ready to be tried; and whether one of them looks for their display name."""

    rules: tuple[PushRule, ...]
    needs_display_name: bool


def compile_ruleset(ruleset: Mapping[str, Sequence[Mapping[str, Any]]]) -> CompiledRules:
    """The rules of a ruleset as `compile_rules` has them, and what they need."""
    named = any(
        isinstance(condition, dict) and condition.get("kind") == "contains_display_name"
        for kind in KINDS
        for rule in ruleset.get(kind, ())
        for condition in _conditions_of(kind, rule)
    )
    return CompiledRules(compile_rules(ruleset), named)


def compile_rules(ruleset: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[PushRule, ...]:
    """The enabled rules of a ruleset (`{"override": […], …}`) in the order they are tried.

    Rules that can never match, for an unknown condition or a wrong parameter, are left out.
    """
    compiled = (_compile(kind, rule) for kind in KINDS for rule in ruleset.get(kind, ()))
    return tuple(rule for rule in compiled if rule is not None)


def evaluate(
    rules: Sequence[PushRule], event: PushEvent, display_name: str | None
) -> PushRule | None:
    """The first rule that matches, or None. The caller leaves out users' own events."""
    for rule in rules:  # plain loops: they run for every user of a room
        for condition in rule.conditions:
            if not condition(event, display_name):
                break
        else:
            return rule
    return None


def _compile(kind: str, rule: Mapping[str, Any]) -> PushRule | None:
    if not rule.get("enabled", True):
        return None
    conditions = [_compile_condition(one) for one in _conditions_of(kind, rule)]
    ready = tuple(condition for condition in conditions if condition is not None)
    if len(ready) != len(conditions):
        return None
    named = rule.get("actions")
    listed = named if isinstance(named, list | tuple) else ()
    actions = tuple(one for one in listed if one not in _HISTORICAL_ACTIONS)
    return PushRule(kind, str(rule.get("rule_id")), ready, actions)


def _conditions_of(kind: str, rule: Mapping[str, Any]) -> list[Any]:
    """The rule's conditions; those of content, room and sender rules are predefined."""
    if kind == "content":
        pattern = rule.get("pattern")
        return [{"kind": "event_match", "key": "content.body", "pattern": pattern}]
    if kind in {"room", "sender"}:
        key = "room_id" if kind == "room" else "sender"
        return [{"kind": "event_property_is", "key": key, "value": rule.get("rule_id")}]
    conditions = rule.get("conditions") or []
    return conditions if isinstance(conditions, list) else [conditions]


def _compile_condition(condition: Any) -> Condition | None:
    compiler = _CONDITIONS.get(str(condition.get("kind"))) if isinstance(condition, dict) else None
    return None if compiler is None else compiler(condition)


def _event_match(condition: dict[str, Any]) -> Condition | None:
    key, pattern = condition.get("key"), condition.get("pattern")
    if not isinstance(key, str) or not isinstance(pattern, str):
        return None
    path, wanted = parse_path(key), pattern.lower()
    if path != _BODY and "*" not in wanted and "?" not in wanted:
        return lambda event, _: event.text(path) == wanted
    match = Glob(wanted).matches_words if path == _BODY else Glob(wanted).matches

    def holds(event: PushEvent, display_name: str | None) -> bool:
        text = event.text(path)
        return text is not None and match(text)

    return holds


def _event_property_is(condition: dict[str, Any]) -> Condition | None:
    key, wanted = condition.get("key"), condition.get("value")
    if not isinstance(key, str) or "value" not in condition or not _is_simple(wanted):
        return None
    path = parse_path(key)
    return lambda event, _: _same(event.value(path), wanted)


def _event_property_contains(condition: dict[str, Any]) -> Condition | None:
    key, wanted = condition.get("key"), condition.get("value")
    if not isinstance(key, str) or "value" not in condition or not _is_simple(wanted):
        return None
    path = parse_path(key)

    def holds(event: PushEvent, display_name: str | None) -> bool:
        values = event.value(path)
        return isinstance(values, list) and any(_same(value, wanted) for value in values)

    return holds


def _contains_display_name(condition: dict[str, Any]) -> Condition | None:
    def holds(event: PushEvent, display_name: str | None) -> bool:
        body = event.text(_BODY)
        if not display_name or body is None:
            return False
        return Glob(display_name.lower(), wildcards="").matches_words(body)

    return holds


def _room_member_count(condition: dict[str, Any]) -> Condition | None:
    wanted = condition.get("is")
    match = _MEMBER_COUNT.fullmatch(wanted) if isinstance(wanted, str) else None
    if match is None:
        return None
    compare, limit = _COMPARISONS[match[1] or "=="], int(match[2])
    return lambda event, _: compare(event.member_count, limit)


def _sender_notification_permission(condition: dict[str, Any]) -> Condition | None:
    key = condition.get("key")
    if not isinstance(key, str):
        return None
    return lambda event, _: event.sender_level >= event.notification_level(key)


_CONDITIONS: dict[str, Callable[[dict[str, Any]], Condition | None]] = {
    "event_match": _event_match,
    "event_property_is": _event_property_is,
    "event_property_contains": _event_property_contains,
    "contains_display_name": _contains_display_name,
    "room_member_count": _room_member_count,
    "sender_notification_permission": _sender_notification_permission,
}


def _is_simple(value: Any) -> bool:
    return value is None or type(value) in (str, int, bool)


def _same(value: Any, wanted: Any) -> bool:
    """Equal and of the same type: true is not 1."""
    return type(value) is type(wanted) and bool(value == wanted)


# ── the server's own rules ───────────────────────────────────────────────────────────────────

_NOTIFY: tuple[Any, ...] = ("notify",)
_WITH_SOUND: tuple[Any, ...] = ("notify", {"set_tweak": "sound", "value": "default"})
_WITH_RING: tuple[Any, ...] = ("notify", {"set_tweak": "sound", "value": "ring"})
_HIGHLIGHTED: tuple[Any, ...] = ("notify", {"set_tweak": "highlight"})


def default_rules(user_id: str) -> dict[str, list[dict[str, Any]]]:
    """The predefined rules of a user. Spec: client-server-api/#predefined-rules"""
    return {
        "override": _default_overrides(user_id),
        "content": [],
        "room": [],
        "sender": [],
        "underride": _default_underrides(),
    }


def _default_overrides(user_id: str) -> list[dict[str, Any]]:
    is_member = _matches("type", "m.room.member")
    mentions_user = {
        "kind": "event_property_contains",
        "key": "content.m\\.mentions.user_ids",
        "value": user_id,
    }
    mentions_room = {"kind": "event_property_is", "key": "content.m\\.mentions.room", "value": True}
    may_notify_room = {"kind": "sender_notification_permission", "key": "room"}
    is_edit = {
        "kind": "event_property_is",
        "key": "content.m\\.relates_to.rel_type",
        "value": "m.replace",
    }
    invites_user = [
        is_member,
        _matches("content.membership", "invite"),
        _matches("state_key", user_id),
    ]
    return [
        _rule(".m.rule.master", [], enabled=False),
        _rule(".m.rule.suppress_notices", [_matches("content.msgtype", "m.notice")]),
        _rule(".m.rule.invite_for_me", invites_user, _WITH_SOUND),
        _rule(".m.rule.member_event", [is_member]),
        _rule(
            ".m.rule.is_user_mention", [mentions_user], (*_WITH_SOUND, {"set_tweak": "highlight"})
        ),
        _rule(".m.rule.is_room_mention", [mentions_room, may_notify_room], _HIGHLIGHTED),
        _rule(".m.rule.tombstone", _state_of_type("m.room.tombstone"), _HIGHLIGHTED),
        _rule(".m.rule.reaction", [_matches("type", "m.reaction")]),
        _rule(".m.rule.room.server_acl", _state_of_type("m.room.server_acl")),
        _rule(".m.rule.suppress_edits", [is_edit]),
    ]


def _default_underrides() -> list[dict[str, Any]]:
    one_to_one = {"kind": "room_member_count", "is": "2"}
    is_encrypted = _matches("type", "m.room.encrypted")
    is_message = _matches("type", "m.room.message")
    return [
        _rule(".m.rule.call", [_matches("type", "m.call.invite")], _WITH_RING),
        _rule(".m.rule.encrypted_room_one_to_one", [one_to_one, is_encrypted], _WITH_SOUND),
        _rule(".m.rule.room_one_to_one", [one_to_one, is_message], _WITH_SOUND),
        _rule(".m.rule.message", [is_message], _NOTIFY),
        _rule(".m.rule.encrypted", [is_encrypted], _NOTIFY),
    ]


def _rule(
    rule_id: str,
    conditions: list[dict[str, Any]],
    actions: tuple[Any, ...] = (),
    *,
    enabled: bool = True,
) -> dict[str, Any]:
    return {
        "rule_id": rule_id,
        "default": True,
        "enabled": enabled,
        "conditions": conditions,
        "actions": list(actions),
    }


def _matches(key: str, pattern: str) -> dict[str, Any]:
    return {"kind": "event_match", "key": key, "pattern": pattern}


def _state_of_type(event_type: str) -> list[dict[str, Any]]:
    return [_matches("type", event_type), _matches("state_key", "")]
