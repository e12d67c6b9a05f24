"""Every refusal names its error code and status, and stands in the drawing of the tree."""

import pytest

from chat.protocol import errors
from chat.protocol.errors import AuthRefused, ChatError, LimitExceeded, UnknownToken


def tree(of: type[ChatError]) -> list[type[ChatError]]:
    return [of, *(one for child in of.__subclasses__() for one in tree(child))]


OURS = [one for one in tree(ChatError) if one.__module__ == errors.__name__]


@pytest.mark.parametrize("error", OURS, ids=lambda error: error.__name__)
def test_the_drawing_is_true(error: type[ChatError]) -> None:
    lines = (errors.__doc__ or "").splitlines()
    (line,) = [one for one in lines if one.lstrip(" │├└─").split(" ")[0] == error.__name__]
    if error not in (ChatError, errors.InteractiveAuthRequired):
        assert error.errcode in line.split()
        assert str(error.status) in line.split()


def test_facts_travel_in_the_body() -> None:
    assert LimitExceeded(retry_after_ms=5).body()["retry_after_ms"] == 5
    assert UnknownToken(soft_logout=True).body()["soft_logout"] is True
    refused = AuthRefused("The user is banned", "5.2.3")
    assert (refused.rule, refused.status) == ("5.2.3", 403)
    assert refused.body() == {"errcode": "M_FORBIDDEN", "error": "The user is banned"}
