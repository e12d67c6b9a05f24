"""Spec: client-server-api/#user-interactive-authentication-api"""

import pytest

from chat.protocol import uia
from chat.protocol.errors import Forbidden

FOO, BAR, BAZ = "example.type.foo", "example.type.bar", "example.type.baz"
FLOWS = [[FOO, BAR], [FOO, BAZ]]


def test_flows_are_walked_in_order() -> None:
    assert uia.next_stages(FLOWS, ()) == {FOO}
    assert uia.next_stages(FLOWS, (FOO,)) == {BAR, BAZ}
    completed = uia.advance(FLOWS, uia.advance(FLOWS, (), FOO), BAZ)
    assert completed == (FOO, BAZ)
    assert uia.is_complete(FLOWS, completed)
    assert uia.next_stages(FLOWS, completed) == set()


@pytest.mark.parametrize("stage", [BAR, BAZ, "m.login.password", ""])
def test_stages_out_of_order_are_refused(stage: str) -> None:
    with pytest.raises(Forbidden):
        uia.advance(FLOWS, (), stage)


def test_a_stage_once_completed_stays_completed() -> None:
    assert uia.advance(FLOWS, (FOO,), FOO) == (FOO,)
    assert not uia.is_complete(FLOWS, (FOO,))


def test_a_shorter_flow_ends_before_a_longer_one() -> None:
    flows = [[FOO], [FOO, BAR]]
    assert uia.is_complete(flows, (FOO,))
    assert uia.next_stages(flows, (FOO,)) == set()


def test_a_flow_without_stages_is_complete_at_once() -> None:
    assert uia.is_complete([[]], ())
    assert not uia.is_complete([], ())


def test_the_challenge_of_the_spec() -> None:
    params = {BAZ: {"example_key": "foobar"}}
    body = {
        "flows": [{"stages": [FOO, BAR]}, {"stages": [FOO, BAZ]}],
        "params": params,
        "session": "xxxxxx",
    }
    assert uia.challenge("xxxxxx", FLOWS, (), params) == body
    assert uia.challenge("xxxxxx", FLOWS, (FOO,), params) == {"completed": [FOO], **body}
