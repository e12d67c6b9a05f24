"""The table of routes, and what register() does with it."""

import importlib
import sys
from types import SimpleNamespace

import pytest
from chat_api.base import unfilled


@pytest.fixture
def routes(case, monkeypatch):
    """The generated table, imported beside the real one."""
    root = case.work / "python" / "chat_api" / "client_server"
    assert case.files
    package = importlib.import_module("chat_api.client_server")
    monkeypatch.setattr(package, "__path__", [str(root)])
    for name in list(sys.modules):
        if name.startswith("chat_api.client_server."):
            monkeypatch.delitem(sys.modules, name)
    for name in ("routes", "first", "second"):
        monkeypatch.delattr(package, name, raising=False)
    found = importlib.import_module("chat_api.client_server.routes")
    yield found
    for name in ("routes", "first", "second"):
        sys.modules.pop(f"chat_api.client_server.{name}", None)


def test_output(case):
    assert case.output("client_server/routes.py") == case.expected


def test_each_operation_is_handed_over_once(routes):
    seen = {}
    router = SimpleNamespace(add=lambda operation, handler: seen.update({operation.id: handler}))
    get_b = object()
    routes.register(router, second=SimpleNamespace(get_b=get_b))
    assert seen == {"getA": None, "putA": None, "getB": get_b}


def test_a_module_may_leave_an_operation_unfilled(routes):
    seen = []
    first = SimpleNamespace(get_a=unfilled, put_a=unfilled)
    routes.register(SimpleNamespace(add=lambda _o, handler: seen.append(handler)), first=first)
    assert seen == [unfilled, unfilled, None]
