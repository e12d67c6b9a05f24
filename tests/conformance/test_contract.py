"""The contract by which the conformance checks judge answers: what it lets pass and what not."""

import copy
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))  # conformance/ is no installed package
clients = importlib.import_module("conformance.client")
contracts = importlib.import_module("conformance.runner.contract")
exchanges = importlib.import_module("conformance.runner.exchange")
run = importlib.import_module("conformance.runner.run")

ERROR = {
    "type": "object",
    "required": ["errcode", "error"],
    "properties": {
        "errcode": {"type": "string", "enum": ["M_NOT_FOUND"]},
        "error": {"type": "string"},
    },
}
SEAT = {
    "type": "object",
    "required": ["free"],
    "properties": {"free": {"type": "boolean"}, "extra": {"$ref": "#/components/schemas/Open"}},
}
API = {
    "paths": {
        "/seats/{seat}": {
            "x-aliases": ["/chairs/{seat}"],
            "get": {
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Seat"}}
                        }
                    },
                    "404": {"content": {"application/json": {"schema": ERROR}}},
                    "307": {"description": "Elsewhere."},
                }
            },
        }
    },
    "components": {
        "schemas": {
            "Seat": SEAT,
            "Open": {"type": "object", "x-open": "anything", "properties": {"a": {}}},
        }
    },
}


@pytest.fixture
def contract() -> Any:
    return contracts.Contract(copy.deepcopy(API))


def answered(status: int, body: Any, *, path: str = "/seats/1", method: str = "GET") -> Any:
    """An exchange with a JSON answer."""
    request = exchanges.Request(method, path, {}, None)
    headers = {"content-type": "application/json"}
    return exchanges.Exchange(request, status, headers, json.dumps(body).encode())


GOOD = [
    (200, {"free": True}),
    (200, {"free": True, "extra": {"b": 1}}),
    (404, {"errcode": "M_NOT_FOUND", "error": "No such seat"}),
    (307, "whatever stands there"),
]
BAD = [
    (200, {"free": True, "color": "red"}),
    (200, {"free": "yes"}),
    (200, {}),
    (404, {"errcode": "M_FORBIDDEN", "error": "Not yours"}),
    (404, {"errcode": "M_NOT_FOUND"}),
    (403, {"errcode": "M_NOT_FOUND", "error": "No such seat"}),
    (500, {"errcode": "M_UNKNOWN", "error": "Sorry"}),
]


@pytest.mark.parametrize(("status", "body"), GOOD)
@pytest.mark.parametrize("path", ["/seats/1", "/chairs/%2F", "/seats/1?near=window"])
def test_what_is_described_passes(contract: Any, status: int, body: Any, path: str) -> None:
    contract.check(answered(status, body, path=path))


@pytest.mark.parametrize(("status", "body"), BAD)
def test_what_is_not_described_fails(contract: Any, status: int, body: Any) -> None:
    with pytest.raises(exchanges.StepFailed):
        contract.check(answered(status, body))


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/tables", 404), ("DELETE", "/seats/1", 405)]
)
def test_what_is_unknown_is_refused(contract: Any, method: str, path: str, status: int) -> None:
    body = {"errcode": "M_UNRECOGNIZED", "error": "No"}
    contract.check(answered(status, body, path=path, method=method))
    with pytest.raises(exchanges.StepFailed):
        contract.check(answered(200, {}, path=path, method=method))


def test_an_answer_that_is_no_json_fails(contract: Any) -> None:
    page = exchanges.Exchange(
        exchanges.Request("GET", "/seats/1", {}, None), 200, {"content-type": "text/html"}, b"<p>"
    )
    with pytest.raises(exchanges.StepFailed, match="text/html"):
        contract.check(page)


def test_each_check_has_a_promise_of_its_own() -> None:
    module = importlib.import_module("conformance.checks")
    topics = module.TOPICS + module.LIMITED_TOPICS
    checks = list(run.checks_of(topics))
    assert len(checks) >= 500
    names = [(check.topic, check.promise) for check in checks]
    assert len(set(names)) == len(names)
    assert all(check.promise.endswith(".") for check in checks)
    files = {path.stem for path in (Path(run.CHECKS)).glob("*.py")} - {"__init__"}
    assert files == {check.topic for check in checks}


def kept(_world: Any) -> None:
    """A promise that is kept."""


def broken(_world: Any) -> None:
    """A promise that is broken."""
    answered(403, {"errcode": "M_FORBIDDEN", "error": "No"}).ok()


def test_a_broken_promise_is_named_with_its_exchange(capsys: pytest.CaptureFixture[str]) -> None:
    wire = clients.Wire(["http://127.0.0.1:1"], None)
    promises = [(kept, "A promise that is kept."), (broken, "A promise that is broken.")]
    checks = [run.Check("seats", function, promise) for function, promise in promises]
    assert run.run(checks, clients.World(wire, "")) == 1
    printed = capsys.readouterr().out
    assert "  ok      A promise that is kept." in printed
    assert "  FAILED  A promise that is broken." in printed
    assert "expected 200, got 403" in printed
    assert "> GET /seats/1" in printed
    assert '< {"errcode": "M_FORBIDDEN"' in printed
    assert "1 passed, 1 failed" in printed


def test_no_answer_is_a_failure() -> None:
    wire = clients.Wire(["http://127.0.0.1:1"], None)
    with pytest.raises(exchanges.StepFailed, match="no answer"):
        clients.Client(wire).get("/sync")
