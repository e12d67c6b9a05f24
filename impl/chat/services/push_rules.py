"""The push rules of a user: those that the server predefines, as the user set them, and own ones.

Stored as account data `m.push_rules` is only what the user changed, so that the predefined rules
are always today's: their own rules by kind, in order, and what they set of predefined ones.
Spec: client-server-api/#push-rules
"""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from chat.protocol.errors import InvalidParam, MissingParam, NotFound, TooLarge, Unknown
from chat.protocol.push_rules import KINDS, CompiledRules, compile_ruleset, default_rules
from chat.services.caller import Caller
from chat.services.push_members import renew
from chat.services.server import Server
from chat.storage import account_data, users
from chat.storage.engine import Transaction

Rule = dict[str, Any]
Ruleset = dict[str, list[Rule]]

PUSH_RULES = "m.push_rules"
MASTER = ".m.rule.master"
UNCHANGED = '{"own":{},"set":{}}'  # what is stored of who changed nothing
CONDITIONAL = ("override", "underride")
HISTORICAL_ACTIONS = ("dont_notify", "coalesce")  # to be ignored, so not kept
MAX_BYTES = 262_144  # of what a user has changed


def effective(user_id: str, stored: str | None) -> Ruleset:
    """A user's rules by kind, in the order in which they are tried."""
    changed = _parsed(stored)
    rules = default_rules(user_id)
    for kind in KINDS:
        of_user = changed["own"].get(kind, [])
        predefined = [rule | changed["set"].get(rule["rule_id"], {}) for rule in rules[kind]]
        first = [rule for rule in predefined if rule["rule_id"] == MASTER]
        rules[kind] = first + of_user + [r for r in predefined if r["rule_id"] != MASTER]
    return rules


def content(user_id: str, stored: str | None) -> dict[str, Ruleset]:
    """The content of the account data `m.push_rules`, as clients see it."""
    return {"global": effective(user_id, stored)}


def shown(user_id: str, kind: str, stored: str) -> str:
    """The content of account data of a type as clients see it: what is stored, or push rules."""
    return stored if kind != PUSH_RULES else json.dumps(content(user_id, stored))


def _parsed(stored: str | None) -> dict[str, dict[str, Any]]:
    changed: dict[str, dict[str, Any]] = json.loads(stored or UNCHANGED)
    return changed


def rules_of(server: Server, user_id: str) -> Ruleset:
    """A user's rules by kind, in the order in which they are tried."""
    return server.store.read(lambda tx: effective(user_id, _stored(tx, user_id)))


def rule_of(server: Server, user_id: str, kind: str, rule_id: str) -> Rule:
    """One rule. Raises NotFound."""
    return _found(rules_of(server, user_id)[kind], rule_id)


def _stored(tx: Transaction, user_id: str) -> str | None:
    return account_data.get(tx, user_id, account_data.GLOBAL, PUSH_RULES)


def _found(rules: Sequence[Rule], rule_id: str) -> Rule:
    for rule in rules:
        if rule["rule_id"] == rule_id:
            return rule
    raise NotFound("There is no such push rule")


# --- changes ---


def put(
    server: Server,
    caller: Caller,
    kind: str,
    rule: Rule,
    *,
    before: str | None = None,
    after: str | None = None,
) -> None:
    """Make or replace a rule of the user's own: `rule_id`, `actions`, `conditions`, `pattern`.

    It stands before or after another one of theirs, `before` wins; without either a new one is the
    first, and one that is replaced stays where it is. Raises InvalidParam, MissingParam, NotFound
    for a predefined rule that does not exist, Unknown for a neighbour that does not, TooLarge.
    """
    made = _own_rule(caller.user_id, kind, rule)

    def change(changed: dict[str, dict[str, Any]]) -> None:
        own = changed["own"].setdefault(kind, [])
        place = next((i for i, one in enumerate(own) if one["rule_id"] == made["rule_id"]), None)
        if place is not None:
            made["enabled"] = own.pop(place)["enabled"]
        own.insert(_place(own, before, after, place or 0), made)

    _change(server, caller.user_id, change)


def _own_rule(user_id: str, kind: str, rule: Rule) -> Rule:
    rule_id: str = rule["rule_id"]
    if rule_id.startswith("."):
        _found(default_rules(user_id)[kind], rule_id)
        raise InvalidParam("IDs that begin with a dot are for predefined rules")
    if not rule_id or "/" in rule_id or "\\" in rule_id or "\0" in rule_id:
        raise InvalidParam("The ID of a rule is not empty and has no slash, backslash or NUL")
    made: Rule = {"rule_id": rule_id, "default": False, "enabled": True}
    if kind in CONDITIONAL:
        made["conditions"] = rule.get("conditions") or []
    elif kind == "content":
        if rule.get("pattern") is None:
            raise MissingParam("A content rule needs a pattern")
        made["pattern"] = rule["pattern"]
    return made | {"actions": _lawful(rule["actions"])}


def _lawful(actions: Sequence[Any]) -> list[Any]:
    """The actions to keep. Raises InvalidParam."""
    for action in actions:
        if isinstance(action, str):
            lawful = action in ("notify", *HISTORICAL_ACTIONS)
        else:
            lawful = isinstance(action, dict) and isinstance(action.get("set_tweak"), str)
        if not lawful:
            raise InvalidParam("An action is `notify` or sets a tweak")
    return [one for one in actions if one not in HISTORICAL_ACTIONS]


def _place(own: Sequence[Rule], before: str | None, after: str | None, otherwise: int) -> int:
    neighbour = before if before is not None else after
    if neighbour is None:
        return otherwise
    for place, rule in enumerate(own):
        if rule["rule_id"] == neighbour:
            return place if before is not None else place + 1
    raise Unknown(f"before/after rule not found: {neighbour}")


def delete(server: Server, caller: Caller, kind: str, rule_id: str) -> None:
    """Delete a rule of the user's own. Raises NotFound, InvalidParam for a predefined one."""
    if rule_id.startswith("."):
        _found(default_rules(caller.user_id)[kind], rule_id)
        raise InvalidParam("Predefined rules can be disabled, not deleted")

    def change(changed: dict[str, dict[str, Any]]) -> None:
        own = changed["own"].get(kind, [])
        own.remove(_found(own, rule_id))

    _change(server, caller.user_id, change)


def set_enabled(server: Server, caller: Caller, kind: str, rule_id: str, *, enabled: bool) -> None:
    """Switch a rule on or off. Raises NotFound."""
    _set(server, caller.user_id, kind, rule_id, {"enabled": enabled})


def set_actions(
    server: Server, caller: Caller, kind: str, rule_id: str, actions: Sequence[Any]
) -> None:
    """Replace the actions of a rule. Raises NotFound, InvalidParam."""
    _set(server, caller.user_id, kind, rule_id, {"actions": _lawful(actions)})


def _set(server: Server, user_id: str, kind: str, rule_id: str, values: Mapping[str, Any]) -> None:
    def change(changed: dict[str, dict[str, Any]]) -> None:
        if rule_id.startswith("."):
            _found(default_rules(user_id)[kind], rule_id)
            changed["set"].setdefault(rule_id, {}).update(values)
        else:
            _found(changed["own"].get(kind, []), rule_id).update(values)

    _change(server, user_id, change)


def _change(
    server: Server, user_id: str, change: Callable[[dict[str, dict[str, Any]]], None]
) -> None:
    def work(tx: Transaction) -> None:
        users.lock(tx, user_id)  # two devices may change rules at once
        changed = _parsed(_stored(tx, user_id))
        change(changed)
        store(tx, user_id, changed)

    server.store.write(work)


def store(tx: Transaction, user_id: str, changed: Mapping[str, Any]) -> None:
    """Store what a user changed, and let it count from now on. Raises TooLarge."""
    text = json.dumps(changed, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > MAX_BYTES:
        raise TooLarge(f"Push rules are limited to {MAX_BYTES} bytes")
    renew(tx, user_id, text, digest(text), compiled(user_id, text))
    account_data.put(tx, user_id, account_data.GLOBAL, PUSH_RULES, text)


def follow_room(tx: Transaction, user_id: str, old_id: str, new_id: str) -> None:
    """What a user set for a room holds for the room that replaces it, unless they set something
    for that already. Spec: client-server-api/#room-upgrades
    """
    changed = _parsed(_stored(tx, user_id))
    own = changed["own"].get("room", [])
    known = {rule["rule_id"]: rule for rule in own}
    if old_id in known and new_id not in known:
        own.insert(own.index(known[old_id]), known[old_id] | {"rule_id": new_id})
        store(tx, user_id, changed)


# --- ready to be tried ---


def digest(stored: str) -> str:
    """What tells the rules of a user at different times apart."""
    return sha256(stored.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def compiled(user_id: str, stored: str) -> CompiledRules:
    """The rules of a user who changed some."""
    return compile_ruleset(effective(user_id, stored))
