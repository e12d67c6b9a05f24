"""Dot-separated property paths, as `content.m\\.relates_to.rel_type`.

Spec: appendices/#dot-separated-property-paths
"""

import re
from typing import Any, Final

ABSENT: Final = object()

_PART = re.compile(r"(?:[^.\\]|\\.|\\$)*", re.DOTALL)
_ESCAPED = re.compile(r"\\([.\\])")


def parse_path(text: str) -> tuple[str, ...]:
    """The property names of a path; `\\.` and `\\\\` stand for a dot and a backslash in a name."""
    parts = []
    position = 0
    while True:
        match = _PART.match(text, position)
        assert match is not None
        parts.append(_ESCAPED.sub(r"\1", match[0]))
        if match.end() == len(text):
            return tuple(parts)
        position = match.end() + 1  # over the dot


def value_at(value: Any, path: tuple[str, ...]) -> Any:
    """The property at a path inside nested objects; ABSENT where there is none."""
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return ABSENT
        value = value[name]
    return value


def select(event: dict[str, Any], paths: list[tuple[str, ...]]) -> dict[str, Any]:
    """A copy of an object with the properties at these paths only."""
    selected: dict[str, Any] = {}
    for path in paths:
        value = value_at(event, path)
        if value is not ABSENT:
            _put(selected, path, value)
    return selected


def _put(target: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        inner = target.get(name)
        if not isinstance(inner, dict):
            inner = target[name] = {}
        target = inner
    target[path[-1]] = value
