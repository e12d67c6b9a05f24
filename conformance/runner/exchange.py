"""One HTTP request with its answer, sent with nothing in between."""

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

SHOWN_CHARACTERS = 2000
TIMEOUT_S = 40


class StepFailed(Exception):
    """An answer is not what the step promises. `exchange` is the one at fault, if any."""

    def __init__(self, reason: str, exchange: "Exchange | None" = None) -> None:
        super().__init__(reason)
        self.exchange = exchange


@dataclass(frozen=True)
class Request:
    """A request: `path` is percent-encoded and has its query string."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None

    def json(self) -> Any:
        """The body as JSON; None where there is none that can be read."""
        try:
            return json.loads(self.body or b"")
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True)
class Exchange:
    """A request and its answer; header names of the answer are in lower case."""

    request: Request
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def media_type(self) -> str:
        """The media type of the answer without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def json(self) -> Any:
        """The answer's body as JSON. Raises StepFailed where it is none."""
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise StepFailed(f"the answer is not JSON: {error}", self) from error

    @property
    def errcode(self) -> str | None:
        """The errcode of a JSON answer, if it has one."""
        if self.media_type != "application/json" or self.status < 400:
            return None
        body = self.json
        code = body.get("errcode") if isinstance(body, dict) else None
        return code if isinstance(code, str) else None

    def ok(self) -> Any:
        """The JSON of an answer that must be 200."""
        if self.status != 200:
            raise StepFailed(f"expected 200, got {self.status}", self)
        return self.json

    def refused(self, status: int, *errcodes: str) -> Any:
        """The JSON of an answer that must be a refusal with one of these codes."""
        wanted = f"{status} {' or '.join(errcodes)}"
        if self.status != status:
            raise StepFailed(f"expected {wanted}, got {self.status}", self)
        body = self.json
        if not isinstance(body, dict) or body.get("errcode") not in errcodes:
            raise StepFailed(f"expected {wanted}, got another error", self)
        return body

    def __str__(self) -> str:
        sent = f"> {self.request.method} {self.request.path}"
        if self.request.body:
            sent += f"\n> {_shown(self.request.body)}"
        return f"{sent}\n< {self.status} {self.headers.get('content-type', '')}\n< " + _shown(
            self.content
        )


def _shown(body: bytes) -> str:
    text = body[:SHOWN_CHARACTERS].decode("utf-8", "backslashreplace")
    return text if len(body) <= SHOWN_CHARACTERS else f"{text}… ({len(body)} bytes)"


def send(base_url: str, request: Request, *, cut: bool = False) -> Exchange:
    """Send one request on a connection of its own. Raises StepFailed when no answer comes.

    With `cut` the way to the server is closed after the body, whatever length was announced.
    """
    host = urlsplit(base_url)
    kind = http.client.HTTPSConnection if host.scheme == "https" else http.client.HTTPConnection
    connection = kind(host.hostname or "", host.port, timeout=TIMEOUT_S)
    try:
        connection.request(
            request.method, request.path, body=request.body, headers=dict(request.headers)
        )
        if cut and connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_WR)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Exchange(request, answer.status, headers, answer.read())
    except (OSError, http.client.HTTPException) as error:
        raise StepFailed(f"no answer to {request.method} {request.path}: {error!r}") from error
    finally:
        connection.close()


def path_of(template: str, *parts: str, **query: Any) -> str:
    """`template` with each `{}` filled by a percent-encoded part, and a query string.

    A trailing underscore of a query name is dropped (`from_`), values of None are left out,
    true and false are written as JSON writes them.
    """
    path = template.format(*(quote(part, safe="") for part in parts))
    pairs = [
        (name.removesuffix("_"), json.dumps(value) if isinstance(value, bool) else value)
        for name, value in query.items()
        if value is not None
    ]
    return f"{path}?{urlencode(pairs, doseq=True)}" if pairs else path
