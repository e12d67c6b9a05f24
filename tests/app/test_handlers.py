"""Every module that fills operations is handed over, and the report tells what is missing."""

from pathlib import Path

from chat_api.client_server import routes

import chat.http
from chat.app import coverage
from chat.app.handlers import register_all
from chat.http.dispatch import Dispatcher
from chat.http.route import Route

HTTP = Path(chat.http.__file__).parent


def test_every_module_is_registered():
    dispatcher = Dispatcher()
    register_all(dispatcher)
    filled = {
        (route.operation.api.replace("-", "_"), route.operation.module)
        for route in dispatcher.routes
        if route.handler is not None
    }
    written = {
        (path.parent.name, path.stem) for path in HTTP.glob("*/*.py") if path.stem != "__init__"
    }
    assert written == filled


def test_the_report_counts_and_names():
    found = [
        Route(routes.SYNC, None),
        Route(routes.GET_VERSIONS, lambda _ctx, _request: None),
    ]
    assert coverage.report(found) == [
        "client-server: 1/2 filled",
        "  sync: sync",
        "all: 1/2 filled",
    ]
