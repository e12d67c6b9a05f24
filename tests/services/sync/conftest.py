"""Two people on one server."""

import pytest

from chat.services.server import Server
from chat_testing.people import Person, a_person


@pytest.fixture
def alice(server: Server) -> Person:
    """Creates rooms."""
    return a_person(server, "alice")


@pytest.fixture
def bob(server: Server) -> Person:
    """Comes to rooms."""
    return a_person(server, "bob")
