"""Bodies become frozen structs."""

import msgspec
import pytest

SMALL = b'{"name": "a", "parts": [{}], "note": null}'


def test_output(case):
    assert case.output("client_server/demo.py") == case.expected


def test_absent_fields_are_none_or_have_their_default(case):
    body = msgspec.json.decode(SMALL, type=case.module.MakeThingBody)
    assert (body.room, body.from_, body.m_heroes, body.limit, body.note) == (None,) * 3 + (10, None)
    assert body.parts == [case.module.Part(weight=None, is_new=False, parts=None)]


def test_fields_have_their_own_names_on_the_wire(case):
    text = SMALL[:-1] + b', "from": "x", "m.heroes": ["y"], "3pid": "z"}'
    body = msgspec.json.decode(text, type=case.module.MakeThingBody)
    assert (body.from_, body.m_heroes, body.field_3pid) == ("x", ["y"], "z")
    assert msgspec.json.decode(msgspec.json.encode(body)) == msgspec.json.decode(text)


def test_absent_fields_are_left_out_of_an_answer(case):
    answer = case.module.MakeThingResponse(id="1")
    assert msgspec.json.encode(answer) == b'{"id":"1"}'


@pytest.mark.parametrize(
    "wrong",
    [
        b"{}",
        b'{"name": "a", "parts": [{}]}',
        b'{"name": "aaaaaaaaa", "parts": [{}], "note": null}',
        b'{"name": "a", "parts": [], "note": null}',
        b'{"name": "a", "parts": [{"parts": [{"weight": "heavy"}]}], "note": null}',
        SMALL[:-1] + b', "limit": -1}',
        SMALL[:-1] + b', "limit": 9007199254740992}',
        SMALL[:-1] + b', "counts": {"a": -9007199254740992}}',
        SMALL[:-1] + b', "kind": "other"}',
        SMALL[:-1] + b', "counts": {"a": "b"}}',
        SMALL[:-1] + b', "by_name": {"a": 1}}',
        SMALL[:-1] + b', "3pid": "12345"}',
    ],
)
def test_what_the_spec_refuses_is_refused(case, wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(wrong, type=case.module.MakeThingBody)
