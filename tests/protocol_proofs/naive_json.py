"""Canonical JSON, written a second time from the grammar in the appendices, one character a step.

Deliberately naive: no json module, recursion over the value, escapes spelled out one by one.
"""

from typing import Any

ESCAPES = {
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
    '"': '\\"',
    "\\": "\\\\",
}


def _character(character: str) -> str:
    if character in ESCAPES:
        return ESCAPES[character]
    if ord(character) < 0x20:
        return (
            "\\u00"
            + "0123456789abcdef"[ord(character) // 16]
            + "0123456789abcdef"[ord(character) % 16]
        )
    return character


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return '"' + "".join(_character(character) for character in value) + '"'
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(_text(item) for item in value) + "]"
    if isinstance(value, dict):
        # Python compares strings by code point, which is the order the appendix asks for.
        return "{" + ",".join(_text(key) + ":" + _text(value[key]) for key in sorted(value)) + "}"
    raise TypeError(f"{type(value).__name__} has no canonical form")


def encode(value: Any) -> bytes:
    """The canonical bytes of a JSON value made of dict, list, str, int, bool and None."""
    return _text(value).encode("utf-8")
