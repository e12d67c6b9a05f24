"""Unions, and objects made of several."""

import msgspec
import pytest


def test_output(case):
    assert case.output("client_server/demo.py") == case.expected


@pytest.mark.parametrize("key", ['"text"', '{"a": "x"}'])
def test_each_branch_is_taken(case, key):
    body = msgspec.json.decode(b'{"key": %s}' % key.encode(), type=case.module.MixBody)
    assert body.key in ("text", case.module.A(a="x"))


@pytest.mark.parametrize("wrong", ['"texts"', '{"a": 1}', "1", "null"])
def test_what_no_branch_takes_is_refused(case, wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"key": %s}' % wrong.encode(), type=case.module.MixBody)


def test_all_of_is_one_object(case):
    both = b'{"key": "x", "both": {"a": "y", "b": 1}}'
    assert msgspec.json.decode(both, type=case.module.MixBody).both == case.module.Both(a="y", b=1)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"key": "x", "both": {"b": 1}}', type=case.module.MixBody)
