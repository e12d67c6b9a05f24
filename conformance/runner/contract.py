"""The published API as a contract: what an answer may be, by operation and status."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from conformance.runner.exchange import Exchange, StepFailed
from conformance.runner.matrix import Matrix, outcomes
from conformance.runner.operation import Operation, Parameter

API = "urn:api"
LONGEST_REQUEST_LINE_BYTES = 65_536
METHODS = ("get", "put", "post", "delete")
Json = dict[str, Any]


@dataclass(frozen=True)
class Route:
    """A path template with the operations on it, by method."""

    pattern: re.Pattern[str]
    template: str
    operations: Json
    is_alias: bool

    def name(self, method: str) -> str:
        """The name of an operation on it."""
        return f"{method.upper()} {self.template}"


class Contract:
    """The operations of an OpenAPI document, with closed objects: no field beyond the described."""

    def __init__(self, document: Json) -> None:
        document = closed(document)
        resource = DRAFT202012.create_resource(document)
        self._registry: Registry[Any] = Registry().with_resource(API, resource)
        self._validators: dict[str, Draft202012Validator] = {}
        self._document = document
        self.matrix = Matrix()
        self._routes = sorted(
            (
                _route(path, template, item)
                for template, item in document["paths"].items()
                for path in (template, *item.get("x-aliases", ()))
            ),
            key=lambda route: (route.template.count("{"), -len(route.template)),
        )

    @classmethod
    def load(cls, path: Path) -> "Contract":
        """Read the document from a YAML file."""
        return cls(yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader))

    def operations(self) -> list[Operation]:
        """Every operation of the API, once."""
        return [
            self._operation(route, method)
            for route in self._routes
            if not route.is_alias
            for method in route.operations
        ]

    def _operation(self, route: Route, method: str) -> Operation:
        node = route.operations[method]
        at = f"paths/{_escape(route.template)}/{method}"
        responses = {
            status: self._resolve(f"{at}/responses/{status}", answer)[1]
            for status, answer in node["responses"].items()
        }
        parameters = [self._resolve(at, one)[1] for one in node.get("parameters", [])]
        schemas = [self._resolve(at, one["schema"])[1] for one in parameters]
        content = self._resolve(at, node.get("requestBody", {}))[1].get("content", {})
        described = content.get("application/json", {})
        body = described.get("schema")
        return Operation(
            route.name(method),
            tuple(Parameter.of(*pair) for pair in zip(parameters, schemas, strict=True)),
            None if body is None else self._resolve(at, body)[1],
            described.get("example"),
            bool(node.get("x-guests")),
            "security" in node and all("accessToken" in one for one in node["security"]),
            outcomes(responses),
        )

    def check(self, exchange: Exchange) -> None:
        """Raises StepFailed unless status, errcode and every field of an answer are described."""
        method = exchange.request.method.lower()
        if method not in METHODS:
            return
        if len(exchange.request.path) > LONGEST_REQUEST_LINE_BYTES:
            exchange.refused(414, "M_TOO_LARGE")  # before it is known what it is for
            return
        path = exchange.request.path.partition("?")[0]
        routes = [route for route in self._routes if route.pattern.fullmatch(path)]
        found = [route for route in routes if method in route.operations]
        if found:
            self._check_answer(exchange, _selected(found, method, exchange), method)
        else:
            exchange.refused(405 if routes else 404, "M_UNRECOGNIZED")

    def _check_answer(self, exchange: Exchange, route: Route, method: str) -> None:
        answers = route.operations[method]["responses"]
        status = str(exchange.status)
        name = route.name(method)
        self.matrix.note(name, exchange.status, exchange.errcode)
        if exchange.status == 500:
            raise StepFailed(f"{name}: the server failed", exchange)
        if status not in answers:
            raise StepFailed(f"{name} has no status {status} in the API", exchange)
        at, answer = self._resolve(
            f"paths/{_escape(route.template)}/{method}/responses/{status}", answers[status]
        )
        content = answer.get("content")
        if not content:
            return
        if exchange.media_type in content:
            if exchange.media_type == "application/json":
                self._check_schema(exchange, f"{at}/content/application~1json/schema", name)
        elif "*/*" not in content:
            raise StepFailed(f"{name} {status} has no {exchange.media_type!r} in the API", exchange)

    def _resolve(self, at: str, node: Json) -> tuple[str, Json]:
        while "$ref" in node:
            at = node["$ref"].removeprefix("#/")
            node = self._document
            for part in at.split("/"):
                node = node[part.replace("~1", "/").replace("~0", "~")]
        return at, node

    def _check_schema(self, exchange: Exchange, pointer: str, name: str) -> None:
        if pointer not in self._validators:
            self._validators[pointer] = Draft202012Validator(
                {"$ref": f"{API}#/{pointer}"}, registry=self._registry
            )
        errors = list(self._validators[pointer].iter_errors(exchange.json))
        if errors:
            error = min(errors, key=lambda one: len(one.absolute_path))
            where = "/".join(str(part) for part in error.absolute_path) or "the answer"
            raise StepFailed(f"{name}: {where}: {error.message[:500]}", exchange)


def _route(path: str, template: str, item: Json) -> Route:
    """The route of a path, which is the template or an alias of it."""
    parts = re.split(r"(\{[^}]+\})", path.strip())
    pattern = "".join("[^/]*" if part.startswith("{") else re.escape(part) for part in parts)
    operations = {method: item[method] for method in METHODS if method in item}
    return Route(re.compile(pattern), template, operations, path != template)


def _selected(routes: list[Route], method: str, exchange: Exchange) -> Route:
    """Of operations that share a path, the one that the request selects by a key of its own."""
    for route in routes:
        selector = route.operations[method].get("x-selected-by", {})
        body = exchange.request.json()
        if selector.get("body") and isinstance(body, dict) and selector["body"] in body:
            return route
        if selector.get("query") and f"{selector['query']}=" in exchange.request.path:
            return route
    plain = [one for one in routes if "x-selected-by" not in one.operations[method]]
    return (plain or routes)[0]


def _escape(name: str) -> str:
    """A name as part of a JSON pointer in a URI."""
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~")


def closed(document: Json) -> Json:
    """The document, in which objects that are not left open admit no field beyond theirs."""
    joined = {one["$ref"] for schema in _schemas(document) for one in schema.get("allOf", [])}
    parts = [document["components"]["schemas"][ref.rpartition("/")[2]] for ref in joined]
    for schema in _schemas(document):
        is_record = "properties" in schema and "additionalProperties" not in schema
        if is_record and "x-open" not in schema and schema not in parts:
            schema["additionalProperties"] = False
        if "allOf" in schema:
            schema["unevaluatedProperties"] = False
        if "x-items-also" in schema:  # what a special request is answered with
            schema["items"] = {"anyOf": [schema["items"], schema["x-items-also"]]}
        missing = schema.get("x-tolerated-missing", {})
        if missing:
            schema["required"] = [name for name in schema["required"] if name not in missing]
    return document


def _schemas(document: Json) -> Iterator[Json]:
    """Every schema of the document, those of properties and items included."""
    waiting = list(document["components"]["schemas"].values())
    waiting.extend(_content_schemas(document["paths"]))
    while waiting:
        schema = waiting.pop()
        if not isinstance(schema, dict):
            continue
        yield schema
        waiting.extend(schema.get("properties", {}).values())
        waiting.extend(schema.get(key) for key in ("items", "additionalProperties"))
        for key in ("oneOf", "anyOf", "allOf"):
            waiting.extend(schema.get(key, []))


def _content_schemas(node: Any) -> Iterator[Json]:
    """The schemas of every media type below a path or response."""
    if isinstance(node, list):
        for one in node:
            yield from _content_schemas(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "content" and isinstance(value, dict):
                yield from (one["schema"] for one in value.values() if "schema" in one)
            elif key not in ("example", "examples", "schema"):
                yield from _content_schemas(value)
