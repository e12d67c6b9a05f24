"""Canonical JSON against an independent, naive encoder."""

import json
import os
from typing import Any

import naive_json
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.protocol import canonical_json
from chat.protocol.errors import BadJson, NotJson

PROVE = os.environ.get("CHAT_PROVE") == "1"
pytestmark = pytest.mark.timeout(3600 if PROVE else 300)
many = settings(max_examples=10_000 if PROVE else 200, deadline=None, derandomize=not PROVE)

MAX_INTEGER = 2**53 - 1
# Hypothesis leaves surrogates out of st.text() by default (they have no UTF-8 form).
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.text()
    | st.sampled_from(["\u2028", "\x7f", "\uffff", "😀", "\x00", "\x1f", "é", "e\u0301", "/"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
OUTSIDE = st.one_of(
    st.integers(MAX_INTEGER + 1), st.integers(max_value=-MAX_INTEGER - 1), st.floats()
)


@many
@given(VALUES)
def test_encodes_as_the_naive_encoder_does(value: Any) -> None:
    expected = naive_json.encode(value)
    assert canonical_json.encode(value) == expected
    assert canonical_json.encode(value, strict=False) == expected


@many
@given(VALUES, st.integers(0, 4), st.booleans())
def test_decodes_any_spelling_to_the_same_bytes(value: Any, indent: int, ascii_only: bool) -> None:
    spelt = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    for text in (spelt, spelt.encode()):
        assert canonical_json.encode(canonical_json.decode(text)) == naive_json.encode(value)


@many
@given(VALUES)
def test_canonical_bytes_decode_to_the_same_value(value: Any) -> None:
    assert canonical_json.decode(canonical_json.encode(value)) == value


@many
@given(VALUES, OUTSIDE)
def test_strict_refuses_what_lies_outside(value: Any, odd: Any) -> None:
    for holder in (odd, [value, odd], {"a": value, "b": {"c": [odd]}}):
        with pytest.raises(BadJson):
            canonical_json.encode(holder)


@many
@given(VALUES, st.integers(-(10**30), 10**30))
def test_lenient_keeps_integers_of_any_size(value: Any, number: int) -> None:
    both = {"value": value, "number": number}
    assert canonical_json.encode(both, strict=False) == naive_json.encode(both)


@many
@given(st.integers(0, 40), st.integers(1, 10**9))
def test_numbers_with_exponent_are_integers_where_they_are(exponent: int, digits: int) -> None:
    text = f"{digits}e{exponent}"
    value = canonical_json.decode(text)
    exact = digits * 10**exponent
    if exact <= MAX_INTEGER:
        assert value == exact
        assert type(value) is int
    else:
        with pytest.raises(BadJson):
            canonical_json.encode(value)


@many
@given(st.binary(max_size=40))
def test_arbitrary_bytes_decode_or_are_refused(data: bytes) -> None:
    try:
        value = canonical_json.decode(data)
    except NotJson:
        return
    assert value == json.loads(data)


@many
@given(VALUES, st.sampled_from([chr(0xD800), chr(0xDBFF), "x" + chr(0xDC00), chr(0xDFFF) + "y"]))
def test_lone_surrogates_are_never_encoded(value: Any, text: str) -> None:
    for holder in (text, [value, text], {text: value}, {"a": {text: 1.5}}):
        for strict in (True, False):
            with pytest.raises(BadJson):
                canonical_json.encode(holder, strict=strict)
