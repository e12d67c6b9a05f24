"""NUL in the strings of a body: databases do not keep it, so named fields may not hold it.

Content that the protocol leaves open (events, account data) may: it is stored as JSON, in which
NUL is escaped.
"""

from typing import Any

from msgspec import inspect

from chat.protocol.errors import BadJson

ESCAPED = b"\\u0000"  # NUL cannot stand in JSON in any other way


def refuse(body: Any, type_: Any) -> None:
    """Refuse a decoded `body` of `type_` with NUL in a field. Raises BadJson."""
    if _holds_nul(body, inspect.type_info(type_)):
        raise BadJson("A field holds a NUL")


def _holds_nul(value: Any, kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.UnionType):
        return any(_holds_nul(value, one) for one in kind.types)
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, list) and isinstance(kind, inspect.ListType):
        return any(_holds_nul(item, kind.item_type) for item in value)
    if isinstance(value, dict) and isinstance(kind, inspect.DictType):
        return not isinstance(kind.value_type, inspect.AnyType) and any(
            "\0" in key or _holds_nul(item, kind.value_type) for key, item in value.items()
        )
    if isinstance(kind, inspect.StructType) and isinstance(value, kind.cls):
        return any(_in_field(getattr(value, field.name), field.type) for field in kind.fields)
    return False


def _in_field(value: Any, kind: inspect.Type) -> bool:
    """Of an open object in a named field, the first level counts as named too."""
    if isinstance(value, dict) and any(
        "\0" in str(part) for item in value.items() for part in item
    ):
        return True
    return _holds_nul(value, kind)
