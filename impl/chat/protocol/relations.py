"""What an event says of its relation to another.

Spec: client-server-api/#forming-relationships-between-events
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

THREAD, REPLACE, REFERENCE, ANNOTATION = "m.thread", "m.replace", "m.reference", "m.annotation"
MAX_LENGTH = 255  # of an event ID and of a type of relation


class RelatesTo(NamedTuple):
    """The event that another relates to, and how; `key` is that of an annotation."""

    rel_type: str
    event_id: str
    key: str | None = None


def relation_of(content: Mapping[str, Any]) -> RelatesTo | None:
    """The relation that a content describes; None where there is none, or it breaks the schema."""
    said = content.get("m.relates_to")
    if not isinstance(said, dict):
        return None
    rel_type, event_id, key = said.get("rel_type"), said.get("event_id"), said.get("key")
    if not _is_name(rel_type) or not _is_name(event_id):
        return None
    return RelatesTo(rel_type, event_id, key if isinstance(key, str) else None)


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= MAX_LENGTH and "\0" not in value


def may_replace(event_type: str, state_key: str | None, content: Mapping[str, Any]) -> bool:
    """Whether an event with `m.replace` can be a valid edit, as far as it alone can tell.

    What an encrypted one replaces with is inside.
    Spec: client-server-api/#validity-of-replacement-events
    """
    if state_key is not None:
        return False
    return event_type == "m.room.encrypted" or isinstance(content.get("m.new_content"), dict)
