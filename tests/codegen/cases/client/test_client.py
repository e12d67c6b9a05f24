"""Functions for the APIs that we call."""

import msgspec
import pytest
from chat_api.base import OutgoingRequest


def test_output(case):
    assert case.output("push_gateway/demo.py") == case.expected


def test_a_request_is_written_out(case):
    body = case.module.SendThingBody(m_key="k")
    record = case.module.SendThingRequest(
        txn_id="a/b ü", via=["x", "y&"], now=False, x_agent="a", body=body
    )
    request = case.module.send_thing(record)
    assert request == OutgoingRequest(
        method="PUT",
        path="/send/a%2Fb%20%C3%BC",
        query=(("via", "x"), ("via", "y&"), ("now", "false")),
        headers=(("X-Agent", "a"),),
        body={"m.key": "k"},
    )
    assert request.target == "/send/a%2Fb%20%C3%BC?via=x&via=y%26&now=false"


def test_an_answer_is_read_and_checked(case):
    assert case.module.decode_send_thing(b'{"n": 1}') == case.module.SendThingResponse(n=1)
    with pytest.raises(msgspec.ValidationError):
        case.module.decode_send_thing(b'{"n": "1"}')


def test_an_open_answer_keeps_its_keys_and_is_checked(case):
    assert case.module.decode_get_thing(b'{"name": "x", "more": 1}') == {"name": "x", "more": 1}
    with pytest.raises(msgspec.ValidationError):
        case.module.decode_get_thing(b'{"name": 1}')


def test_a_file_has_no_decoder(case):
    assert not hasattr(case.module, "decode_get_file")
