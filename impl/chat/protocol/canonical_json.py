"""Canonical JSON: the one place where JSON is parsed, and the exact bytes that are hashed.

`decode` reads any JSON a peer or client may send; what an event may hold is decided per event,
by `encode(…, strict=True)` for the room versions that require it. Only re-encoded values are
hashed, verified, stored and sent on, never received bytes; of duplicate keys the last one wins.

The fast way is msgspec to read, one walk to check, orjson to write. Where it refuses what the
older room versions allow (floats, integers of any size), the standard library takes over.
Spec: appendices/#canonical-json
"""

import json
from typing import Any, NoReturn

import msgspec
import orjson

from chat.protocol.errors import BadJson, NotJson

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 250  # nested arrays and objects; orjson writes up to 254


def encode(value: Any, *, strict: bool = True) -> bytes:
    """The canonical bytes of a JSON value.

    `strict` refuses what canonical JSON forbids: floats and integers outside ±(2^53−1). Without
    it they are written as the standard library writes them, as room versions 1 to 5 need.
    Raises BadJson for these, for nesting beyond MAX_DEPTH, lone surrogates, NaN, infinities and
    values that are not JSON.
    """
    try:
        _walk_strict(value, MAX_DEPTH)
    except BadJson:
        if strict:
            raise
        return _encode_lenient(value)
    return _encode_checked(value)


def _encode_checked(value: Any) -> bytes:
    """The canonical bytes of a value that was decoded and checked strictly before."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:  # lone surrogates, or nesting that was never checked
        raise BadJson(f"Not canonical JSON: {error}") from None


def check_strict(value: Any) -> None:
    """Raises BadJson unless `value` is allowed in canonical JSON."""
    encode(value)


def decode(data: bytes | str) -> Any:
    """The value of a JSON text in UTF-8; raises NotJson.

    Integers of up to 4 300 digits stay integers. A number written with an exponent but without a
    fraction is an integer where it is one (`1e10`). Lone surrogates are let through here, so that
    one odd event does not spoil the others of its transaction; `encode` refuses them.
    """
    try:
        value = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError):
        value = _decode_leniently(data)
    except RecursionError:
        raise NotJson("Nested too deeply") from None
    _check_depth(data, value)
    return value


def decode_object(data: bytes | str) -> dict[str, Any]:
    """As `decode`, for a text that must hold an object; raises NotJson or BadJson."""
    value = decode(data)
    if type(value) is not dict:
        raise BadJson("Not a JSON object")
    return value


def _number(text: str) -> int | float:
    """The value of a number with a fraction or exponent."""
    value = float(text)
    if "." not in text and value.is_integer() and -MAX_INTEGER <= value <= MAX_INTEGER:
        return int(value)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is not JSON")


_decoder = msgspec.json.Decoder(float_hook=_number)


def _decode_leniently(data: bytes | str) -> Any:
    try:
        text = data if isinstance(data, str) else str(data, "utf-8")
        return json.loads(text, parse_float=_number, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise NotJson(f"Not JSON: {str(error)[:200]}") from None


def _check_depth(data: bytes | str, value: Any) -> None:
    """Raises NotJson beyond MAX_DEPTH; most texts have too few brackets to come near it."""
    brackets = (
        data.count(b"[") + data.count(b"{")
        if isinstance(data, bytes)
        else data.count("[") + data.count("{")
    )
    if brackets <= MAX_DEPTH:
        return
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _containers(outer)]
        if not level:
            return
    raise NotJson("Nested too deeply")


def _containers(value: Any) -> list[Any]:
    kind = type(value)
    if kind is dict:
        return [inner for inner in value.values() if type(inner) is dict or type(inner) is list]
    if kind is list:
        return [inner for inner in value if type(inner) is dict or type(inner) is list]
    return []


def _walk_strict(value: Any, depth: int) -> None:
    """Raises BadJson at the first thing canonical JSON forbids; orjson sees to surrogates."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise BadJson("Integer outside the range of canonical JSON")
    elif kind is dict:
        _walk_members(value, depth)
    elif kind is list:
        if not depth:
            raise BadJson("Nested too deeply")
        for inner in value:
            _walk_strict(inner, depth - 1)
    else:
        raise BadJson(f"Not allowed in canonical JSON: {kind.__name__}")


def _walk_members(value: dict[Any, Any], depth: int) -> None:
    if not depth:
        raise BadJson("Nested too deeply")
    for key, inner in value.items():
        if type(key) is not str:
            raise BadJson("Not allowed in canonical JSON: a key that is not a string")
        if type(inner) is not str:  # most members are strings: spare them the call
            _walk_strict(inner, depth - 1)


def _encode_lenient(value: Any) -> bytes:
    _walk_lenient(value, MAX_DEPTH)
    try:
        return json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
        ).encode()
    except (ValueError, RecursionError) as error:  # NaN, surrogates, integers beyond 4 300 digits
        raise BadJson(f"Cannot be encoded: {str(error)[:200]}") from None


def _walk_lenient(value: Any, depth: int) -> None:
    """Raises BadJson for what is no JSON at all."""
    kind = type(value)
    if kind is dict or kind is list:
        if not depth:
            raise BadJson("Nested too deeply")
        if kind is dict and any(type(key) is not str for key in value):
            raise BadJson("A key that is not a string")
        for inner in value.values() if kind is dict else value:
            _walk_lenient(inner, depth - 1)
    elif kind not in (str, int, float, bool) and value is not None:
        raise BadJson(f"Not JSON: {kind.__name__}")
