"""Every path of the spec leads to its operation, whatever stands in its parameters."""

import re
from urllib.parse import quote

import pytest
from chat_api.admin.routes import OPERATIONS as ADMIN
from chat_api.client_server.routes import OPERATIONS as CLIENT
from chat_api.extra.routes import OPERATIONS as EXTRA
from chat_api.federation.routes import OPERATIONS as FEDERATION
from chat_api.identity.routes import OPERATIONS as IDENTITY
from chat_api.media.routes import OPERATIONS as MEDIA
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.http.dispatch import Dispatcher
from chat.protocol.errors import ChatError

ALL = (*CLIENT, *MEDIA, *FEDERATION, *IDENTITY, *ADMIN, *EXTRA)
PATHS = [(operation, path) for operation in ALL for path in operation.paths]
ODD = ["!a:b", "#a/b:c", "$x+y z", "%2F", "..", "ü", "state", "0", "?#&="]


@pytest.fixture(scope="module")
def dispatcher() -> Dispatcher:
    found = Dispatcher()
    for operation in ALL:
        found.add(operation, lambda _ctx, _request: None)
    return found


@pytest.mark.parametrize("value", ODD)
def test_every_path_of_the_spec_is_found(dispatcher, value):
    for operation, template in PATHS:
        path = re.sub(r"\{\w+\}", quote(value, safe=""), template)
        route, values = dispatcher.find(operation.method, path)
        if operation.selected_by is not None and route.special is not None:
            route = route.special
        assert route.operation is operation, path
        assert values == (value,) * template.count("{")


def test_an_empty_state_key_is_the_operation_without_one(dispatcher):
    for ending in ("", "/"):
        path = f"/_matrix/client/v3/rooms/!r/state/m.room.name{ending}"
        route, values = dispatcher.find("GET", path)
        assert values == ("!r", "m.room.name"), route.operation.id


@settings(max_examples=300, deadline=None)
@given(path=st.text(st.characters(codec="latin-1"), max_size=80), method=st.text(max_size=8))
def test_any_path_is_found_or_refused(dispatcher, path, method):
    for start in ("", "/", "/_matrix/client/v3/", "/_matrix/client/v3/rooms/"):
        try:
            dispatcher.find(method, start + path)
        except ChatError as refusal:
            assert refusal.status in (400, 404, 405)
