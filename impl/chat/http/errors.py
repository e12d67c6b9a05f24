"""The one place where errors become responses. Spec: client-server-api/#standard-error-response"""

import re
from typing import Any

import msgspec
from chat_api.base import Operation

from chat.http.responses import Headers, RawResponse, json_response
from chat.protocol.errors import (
    BadJson,
    ChatError,
    InteractiveAuthRequired,
    InternalError,
    InvalidParam,
    LimitExceeded,
    MethodNotAllowed,
    MissingParam,
    NotJson,
    Unavailable,
    Unrecognized,
)

_MISSING = re.compile(r"Object missing required field `(.+?)`(?: - at `\$\.?(.*)`)?")
_LOCATED = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)


class NoSuchPath(Unrecognized):
    """No operation has this path."""


class WrongMethod(MethodNotAllowed):
    """Operations have this path, with `allowed` methods."""

    def __init__(self, method: str, allowed: set[str]) -> None:
        super().__init__(f"This path does not take {method}")
        self.allowed = sorted(allowed)


INTERNAL = InternalError("Internal server error")
NO_DATABASE = Unavailable("The server's database cannot be used now; try again later")
RETRY_AFTER_S = 5


def response_of(error: ChatError) -> RawResponse:
    """The answer that tells a client of a refusal."""
    if isinstance(error, InteractiveAuthRequired):
        return json_response(error.body(), error.status)
    body = {"errcode": error.errcode, "error": error.message or _sentence(error)} | error.extra()
    return json_response(body, error.status, _headers(error))


def _headers(error: ChatError) -> Headers:
    if isinstance(error, LimitExceeded):
        return (("Retry-After", str(-(-error.retry_after_ms // 1000))),)
    if isinstance(error, Unavailable):
        return (("Retry-After", str(RETRY_AFTER_S)),)
    if isinstance(error, WrongMethod):
        return (("Allow", ", ".join(error.allowed)),)
    return ()


def _sentence(error: ChatError) -> str:
    """What is said where the raiser said nothing: the first line of the class's docstring."""
    return (type(error).__doc__ or error.errcode).partition("\n")[0]


def of_body(error: Exception, raw: bytes) -> ChatError:
    """The refusal of a body that could not be decoded as its type; names the field."""
    if not is_json(raw):
        return NotJson("The body is not JSON, or is nested too deeply")
    missing = _MISSING.fullmatch(str(error))
    if missing:
        return MissingParam(f"Missing field {_join(missing[2], missing[1])}")
    located = _LOCATED.fullmatch(str(error))
    if located:
        return BadJson(f"Field {_plain(located[2])}: {_plain(located[1])}")
    return BadJson(f"The body: {_plain(str(error))}")


def is_json(raw: bytes) -> bool:
    """Whether the bytes are JSON, of whatever shape; what is nested too deeply counts as none."""
    try:
        msgspec.json.decode(raw)
    except msgspec.ValidationError:
        return True  # a number too long for any type of ours
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def of_parameters(error: msgspec.ValidationError, operation: Operation) -> ChatError:
    """The refusal of path, query or header parameters; names the one that is wrong."""
    names: dict[str, Any] = {one.field: one for one in operation.parameters}
    missing = _MISSING.fullmatch(str(error))
    if missing and missing[1] in names:
        parameter = names[missing[1]]
        return MissingParam(f"Missing {parameter.place} parameter {parameter.name}")
    located = _LOCATED.fullmatch(str(error))
    if located:
        parameter = names.get(re.split(r"[.\[]", located[2])[0])
        if parameter is not None:
            where = f"{parameter.place.capitalize()} parameter {parameter.name}"
            return InvalidParam(f"{where}: {_plain(located[1])}")
    return InvalidParam(_plain(str(error)))


def _join(path: str | None, name: str) -> str:
    return f"{path}.{name}" if path else name


def _plain(text: str) -> str:
    """msgspec's sentence without its backticks, in lower case."""
    text = text.replace("`", "")
    return text[:1].lower() + text[1:]
