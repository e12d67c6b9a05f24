"""One operation with all that can be prepared before its first request: how to read it."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from chat_api.base import Operation, Stream

from chat.http import errors, nul
from chat.protocol.errors import ChatError, InvalidParam, NotJson

MAX_QUERY_FIELDS = 1000

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Route:
    """`operation`, the function that fills it (None: none does), and one template of its path.

    `special` is the route of the operation on the same path for requests with a certain field.
    """

    __slots__ = (
        "_decode",
        "_headers",
        "_path_fields",
        "_query",
        "body_kind",
        "handler",
        "operation",
        "resource",
        "special",
    )

    def __init__(
        self,
        operation: Operation,
        handler: Callable[[Any, Any], Any] | None,
        template: str | None = None,
    ) -> None:
        self.operation = operation
        self.handler = handler
        self.resource = _resource(operation)
        self.special: Route | None = None
        named = {p.name: p.field for p in operation.parameters if p.place == "path"}
        names = re.findall(r"\{(\w+)\}", template or operation.paths[0])
        self._path_fields = tuple(named[name] for name in names)
        self._query = {p.name: p for p in operation.parameters if p.place == "query"}
        self._headers = [
            (_key(p.name), p.field) for p in operation.parameters if p.place == "header"
        ]
        self.body_kind = _body_kind(operation)
        if self.body_kind == "json":
            self._decode = msgspec.json.Decoder(operation.body).decode

    def selected(self, query: str, raw: bytes) -> "Route":
        """This route, or the special one where the request carries the field that selects it."""
        if self.special is None or self.special.operation.selected_by is None:
            return self
        place, name = self.special.operation.selected_by
        if place == "query":
            return self.special if any(field == name for field, _ in _pairs(query)) else self
        try:
            return self.special if name in _decode_fields(raw or b"{}") else self
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self  # which says what is wrong with the body

    def body(self, raw: bytes) -> Any:
        """The JSON body as its type. Raises NotJson, BadJson, MissingParam."""
        try:
            body = self._decode(raw or b"{}")
            checked = body
            if self.operation.check is not None:
                checked = msgspec.convert(body, self.operation.check)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            if not raw:
                raise NotJson("The body is empty") from None
            raise errors.of_body(error, raw) from None
        if nul.ESCAPED in raw:
            nul.refuse(checked, self.operation.check or self.operation.body)
        return body

    def request(
        self, path_values: tuple[str, ...], query: str, environ: Mapping[str, Any], body: Any
    ) -> Any:
        """The request record. Raises InvalidParam, MissingParam."""
        fields: dict[str, Any] = dict(zip(self._path_fields, path_values, strict=True))
        if query and self._query:
            self._add_query(fields, query)
        for key, field in self._headers:
            if key in environ:
                fields[field] = environ[key]
        if self.body_kind is not None:
            fields["body"] = body
        try:
            return msgspec.convert(fields, self.operation.request, strict=False)
        except msgspec.ValidationError as error:
            raise errors.of_parameters(error, self.operation) from None

    def _add_query(self, fields: dict[str, Any], query: str) -> None:
        for name, value in _pairs(query):
            parameter = self._query.get(name)
            if parameter is None:
                continue
            if "\0" in value:
                raise InvalidParam(f"Query parameter {name} holds a NUL")
            if parameter.many:
                fields.setdefault(parameter.field, []).append(value)
            else:
                fields.setdefault(parameter.field, value)


def _pairs(query: str) -> list[tuple[str, str]]:
    """Names and values of a query. Raises InvalidParam."""
    try:
        if not query.isascii():
            query = query.encode("latin-1").decode("utf-8")
        return parse_qsl(
            query, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS
        )
    except ValueError:
        raise _unreadable() from None


def _unreadable() -> ChatError:
    return InvalidParam("The query is not UTF-8, or has too many parts")


def _key(header: str) -> str:
    """Where WSGI keeps a header."""
    name = header.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


def _body_kind(operation: Operation) -> str | None:
    if operation.body is None:
        return None
    return "stream" if operation.body is Stream else "json"


def _resource(operation: Operation) -> str:
    """The name under which a listener's `resources` offers the operation."""
    path = operation.paths[0]
    if path.startswith("/_matrix/key/"):
        return "keys"
    if "/openid/" in path and operation.api == "federation":
        return "openid"
    if operation.module in ("health", "metrics"):
        return operation.module
    return operation.api if operation.api in ("media", "federation", "identity") else "client"
