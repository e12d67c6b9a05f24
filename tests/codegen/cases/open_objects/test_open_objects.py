"""Open objects stay plain dicts; the fields that the YAML names are checked."""

import msgspec
import pytest


def test_output(case):
    assert case.output("client_server/demo.py") == case.expected


def test_unknown_keys_are_kept(case):
    text = b'{"one": {"type": "a", "extra": 1}, "free": {"b": [2]}}'
    body = msgspec.json.decode(text, type=case.module.UploadKeysBody)
    assert (body.one, body.free) == ({"type": "a", "extra": 1}, {"b": [2]})


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (b'{"one": {}}', "one"),
        (b'{"many": [{"type": "a"}, {"type": 1}]}', r"many.*\[1\]"),
        (b'{"named": {"x": {"type": null}}}', "named"),
        (b'{"free": []}', "free"),
    ],
)
def test_named_fields_are_checked_inside_a_struct(case, wrong, named):
    with pytest.raises(msgspec.ValidationError, match=named):
        msgspec.json.decode(wrong, type=case.module.UploadKeysBody)


@pytest.mark.parametrize("wrong", [{}, {"type": "123456789"}, {"type": "a", "who": {}}])
def test_an_open_body_is_checked_by_its_fields(case, wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, case.module.LoginBodyFields)
