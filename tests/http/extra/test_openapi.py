"""The server hands out its own description."""

import pytest
import yaml
from chat_api.admin.routes import OPERATIONS as ADMIN
from chat_api.client_server.routes import OPERATIONS as CLIENT
from chat_api.extra.routes import GET_DOCS, GET_OPENAPI
from chat_api.extra.routes import OPERATIONS as EXTRA
from chat_api.federation.routes import OPERATIONS as FEDERATION
from chat_api.identity.routes import OPERATIONS as IDENTITY
from chat_api.media.routes import OPERATIONS as MEDIA
from openapi_spec_validator import validate

from chat.http.dispatch import Dispatcher
from chat.http.extra import openapi

ALL = (*CLIENT, *MEDIA, *FEDERATION, *IDENTITY, *ADMIN, *EXTRA)


@pytest.mark.parametrize("path", ["/openapi.yaml", "/docs"])
def test_both_are_served(path):
    dispatcher = Dispatcher()
    dispatcher.add(GET_OPENAPI, openapi.get_openapi)
    dispatcher.add(GET_DOCS, openapi.get_docs)
    route, _ = dispatcher.find("GET", path)
    assert route.handler in (openapi.get_openapi, openapi.get_docs)


def test_the_document_is_valid_and_complete():
    response = openapi.get_openapi(None, None)
    document = yaml.load(b"".join(response.body), yaml.CSafeLoader)
    validate(document)
    operations = [
        one["operationId"]
        for item in document["paths"].values()
        for one in item.values()
        if isinstance(one, dict)
    ]
    # OpenAPI knows one operation per path and method: those that share one are described together.
    paths = {(one.method, one.paths[0]) for one in ALL}
    assert len(operations) == len(set(operations)) == len(paths)
    assert ("Content-Type", "application/yaml; charset=utf-8") in response.headers


def test_the_page_may_load_nothing():
    response = openapi.get_docs(None, None)
    assert b"createRoom" in b"".join(response.body)
    assert dict(response.headers)["Content-Security-Policy"].startswith("default-src 'none'")
