"""Answers as values, and how they are handed to the WSGI server."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import msgspec
from chat_api.base import RawResponse

__all__ = ["Headers", "RawResponse", "StartResponse", "json_response", "redirect", "send"]

Headers = tuple[tuple[str, str], ...]
StartResponse = Callable[..., Any]

JSON_HEADERS = (("Content-Type", "application/json"),)
STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

_encode = msgspec.json.Encoder().encode


def json_response(value: Any, status: int = 200, headers: Headers = ()) -> RawResponse:
    """`value` (a generated struct, or plain JSON) as JSON."""
    return RawResponse(status, JSON_HEADERS + headers, (_encode(value),))


def redirect(location: str, status: int = 307) -> RawResponse:
    """Send the client elsewhere."""
    return RawResponse(status, (("Location", location),), ())


def send(
    response: RawResponse, start_response: StartResponse, extra: Headers, *, bodiless: bool
) -> Iterable[bytes]:
    """Start the answer with `extra` headers and give its body, none where `bodiless` (HEAD).

    The length is stated where the body is a sequence; a generator states its own, or none.
    """
    headers = [*response.headers, *extra]
    body = response.body
    if isinstance(body, tuple | list):
        headers.append(("Content-Length", str(sum(map(len, body)))))
    start_response(STATUS_LINES.get(response.status, str(response.status)), headers)
    return () if bodiless else body
