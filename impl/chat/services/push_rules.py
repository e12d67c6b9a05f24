"""The push rules of a user. Spec: client-server-api/#push-rules"""

from typing import Any

from chat.protocol.errors import NotFound
from chat.protocol.push_rules import default_rules

Rule = dict[str, Any]


def rules_of(user_id: str) -> dict[str, list[Rule]]:
    """The rules by kind, in the order in which they are tried."""
    return default_rules(user_id)


def rule_of(user_id: str, kind: str, rule_id: str) -> Rule:
    """One rule. Raises NotFound."""
    for rule in rules_of(user_id).get(kind, []):
        if rule["rule_id"] == rule_id:
            return rule
    raise NotFound("There is no such push rule")
