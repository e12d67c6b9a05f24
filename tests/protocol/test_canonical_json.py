"""Spec: appendices/#canonical-json"""

from typing import Any

import pytest

from chat.protocol.canonical_json import (
    MAX_DEPTH,
    MAX_INTEGER,
    check_strict,
    decode,
    decode_object,
    encode,
)
from chat.protocol.errors import BadJson, NotJson

SPEC_EXAMPLES = [
    ("{}", "{}"),
    ('{\n "one": 1,\n "two": "Two"\n}', '{"one":1,"two":"Two"}'),
    ('{\n "b": "2",\n "a": "1"\n}', '{"a":"1","b":"2"}'),
    ('{"b":"2","a":"1"}', '{"a":"1","b":"2"}'),
    (
        """{"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {
            "display_name": "John Doe", "three_pids": [
                {"medium": "email", "address": "john.doe@example.org"},
                {"medium": "msisdn", "address": "123456789"}]}}}""",
        '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe",'
        '"three_pids":[{"address":"john.doe@example.org","medium":"email"},'
        '{"address":"123456789","medium":"msisdn"}]},"success":true}}',
    ),
    ('{"a": "日本語"}', '{"a":"日本語"}'),
    ('{"本": 2, "日": 1}', '{"日":1,"本":2}'),
    ('{"a": "\\u65E5"}', '{"a":"日"}'),
    ('{"a": null}', '{"a":null}'),
    ('{"a": -0, "b": 1e10}', '{"a":0,"b":10000000000}'),
]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(("text", "canonical"), SPEC_EXAMPLES)
def test_examples_of_the_spec(text: str, canonical: str, strict: bool) -> None:
    assert encode(decode(text.encode()), strict=strict) == canonical.encode()


@pytest.mark.parametrize("strict", [True, False])
def test_only_what_must_be_escaped_is_escaped(strict: bool) -> None:
    controls = "".join(map(chr, range(0x20)))
    shorter = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}
    escaped = "".join(shorter.get(code, f"\\u{code:04x}") for code in range(0x20))
    value = controls + '"\\/\x7f\u2028😀'
    assert encode(value, strict=strict) == f'"{escaped}\\"\\\\/\x7f\u2028😀"'.encode()


def test_keys_are_sorted_by_code_point_not_by_utf16_unit() -> None:
    assert encode({"😀": 1, "ﬀ": 2, "a": 3}) == '{"a":3,"ﬀ":2,"😀":1}'.encode()


def test_the_widest_integers_are_canonical() -> None:
    assert encode([MAX_INTEGER, -MAX_INTEGER]) == b"[9007199254740991,-9007199254740991]"


STRICTLY_REFUSED = [1.5, 1.0, -0.0, MAX_INTEGER + 1, -MAX_INTEGER - 1, 10**30]


@pytest.mark.parametrize("value", STRICTLY_REFUSED)
def test_floats_and_wide_integers_are_refused_where_strict(value: float) -> None:
    for wrapped in (value, [value], {"a": {"b": [value]}}):
        with pytest.raises(BadJson):
            check_strict(wrapped)


@pytest.mark.parametrize("value", STRICTLY_REFUSED)
def test_floats_and_wide_integers_are_written_where_lenient(value: float) -> None:
    assert encode({"b": value, "a": "é"}, strict=False) == f'{{"a":"é","b":{value}}}'.encode()


NEVER: list[Any] = [
    float("nan"),
    float("inf"),
    "\ud800",
    {"\udfff": 1},
    {1: 2},
    {None: 2},
    (1,),
    {1, 2},
    b"bytes",
    object(),
]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("value", NEVER, ids=repr)
def test_what_is_no_json_is_refused_everywhere(value: Any, strict: bool) -> None:
    with pytest.raises(BadJson):
        encode([value], strict=strict)


def nested(depth: int) -> Any:
    value: Any = 1
    for number in range(depth):
        value = [value] if number % 2 else {"k": value}
    return value


@pytest.mark.parametrize("strict", [True, False])
def test_nesting_is_bounded(strict: bool) -> None:
    assert encode(nested(MAX_DEPTH), strict=strict)
    with pytest.raises(BadJson):
        encode(nested(MAX_DEPTH + 1), strict=strict)
    with pytest.raises(BadJson):
        encode([nested(MAX_DEPTH), 1.5], strict=strict)


def test_the_deepest_text_that_decodes_can_be_encoded() -> None:
    text = encode(nested(MAX_DEPTH))
    assert decode(text) == nested(MAX_DEPTH)
    for depth in (MAX_DEPTH + 1, 10_000, 1_000_000):
        with pytest.raises(NotJson):
            decode(b"[" * depth + b"]" * depth)


def test_broad_values_are_not_taken_for_deep_ones() -> None:
    text = b"[" + b",".join([b'{"a":[1]}'] * 1000) + b"]"
    assert len(decode(text)) == 1000


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"nul",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"01",
        b"[1,]",
        b"{'a':1}",
        b'"a\nb"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b"{} {}",
        b'{"a":1' + b"0" * 100_000 + b"}",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(NotJson):
        decode(text)


def test_of_duplicate_keys_the_last_one_wins() -> None:
    assert decode(b'{"a":1,"b":2,"a":3}') == {"a": 3, "b": 2}
    assert decode(b'{"a":"\\ud800","a":3}') == {"a": 3}  # read by the standard library


def test_integers_stay_integers() -> None:
    text = b"[18446744073709551616,-9223372036854775809,123456789012345678901234567890]"
    assert decode(text) == [2**64, -(2**63) - 1, 123456789012345678901234567890]
    digits = "7" * 4000
    assert decode(digits) == int(digits)


@pytest.mark.parametrize(
    ("text", "value"), [("1e2", 100), ("-3E1", -30), ("1.0", 1.0), ("1e-2", 0.01), ("1e300", 1e300)]
)
def test_numbers_with_exponents(text: str, value: float) -> None:
    decoded = decode(text)
    assert decoded == value
    assert type(decoded) is type(value)


def test_lone_surrogates_spoil_only_what_holds_them() -> None:
    pdus = decode(b'{"pdus":[{"body":"\\ud800"},{"body":"\\ud83d\\ude00"}]}')["pdus"]
    with pytest.raises(BadJson):
        encode(pdus[0], strict=False)
    assert encode(pdus[1]) == '{"body":"😀"}'.encode()


@pytest.mark.parametrize("text", [b"[]", b"1", b'"x"', b"null"])
def test_an_object_is_asked_for(text: bytes) -> None:
    with pytest.raises(BadJson):
        decode_object(text)
    assert decode_object(b'{"a":1}') == {"a": 1}
