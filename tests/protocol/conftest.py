"""What the tests of the protocol core share; rooms stand in chat_testing.protocol_rooms."""

import pytest

from chat.protocol.room_versions import ROOM_VERSIONS
from chat.protocol.signatures import SigningKey, generate_signing_key
from chat_testing.protocol_rooms import SEED


@pytest.fixture(params=list(ROOM_VERSIONS))
def every_version(request: pytest.FixtureRequest) -> str:
    """The test runs once in each room version."""
    return str(request.param)


@pytest.fixture
def key() -> SigningKey:
    """The signing key of the spec's test vectors."""
    return generate_signing_key("1", SEED)
