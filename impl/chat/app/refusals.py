"""Answers to what never becomes a request: whole HTTP responses in Matrix's error form."""

import json

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException


def _response(status: str, errcode: str, sentence: str) -> bytes:
    body = json.dumps({"errcode": errcode, "error": sentence}).encode()
    head = (
        f"HTTP/1.1 {status}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Access-Control-Allow-Origin: *\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


INTERNAL = _response("500 Internal Server Error", "M_UNKNOWN", "Internal server error")
_MALFORMED = _response("400 Bad Request", "M_UNKNOWN", "Malformed HTTP request")
_BY_ERROR = {
    LimitRequestLine: _response("414 URI Too Long", "M_TOO_LARGE", "The request line is too long"),
    LimitRequestHeaders: _response(
        "431 Request Header Fields Too Large", "M_TOO_LARGE", "The headers are too large"
    ),
}


def of_request(error: ParseException) -> bytes:
    """The response to a request head, or chunked body, that `error` made unreadable."""
    return _BY_ERROR.get(type(error), _MALFORMED)
