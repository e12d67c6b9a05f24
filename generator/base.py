"""What every generated module builds on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, Protocol, TypeVar, runtime_checkable
from urllib.parse import quote, urlencode

from msgspec import ValidationError, convert

Ctx = TypeVar("Ctx", contravariant=True)  # noqa: PLC0105
RouterCtx = TypeVar("RouterCtx", covariant=True)  # noqa: PLC0105


def check_open(name: str, value: object, type_: Any) -> None:
    """Check the known fields of the open object, or list or map of such, in field `name`.

    Raises ValueError, which msgspec completes with the path of the object that has the field.
    """
    if value is None:
        return
    try:
        convert(value, type_)
    except ValidationError as error:
        raise ValueError(f"{name}: {error}") from None


@runtime_checkable
class Stream(Protocol):
    """A body that is not JSON; `read` gives at most `size` bytes, and b"" at the end."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class RawResponse:
    """An answer that is not one JSON struct: files, redirects, text, JSON from elsewhere."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: Iterable[bytes] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its name on the wire, and the field of the request record that holds it."""

    name: str
    place: Literal["path", "query", "header"]
    field: str
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation as spec/ describes it. `paths` are the template of today and its old forms.

    `body` is the type of the body, None where none is read; `check` the type against which an open
    body is checked beside. `rate_limit` is a rc_* key of the configuration. Where two operations
    share path and method, the one with `selected_by` answers requests that carry this field.
    """

    id: str
    api: str
    module: str
    method: str
    paths: tuple[str, ...]
    request: type[Any]
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    check: Any = None
    security: Literal["accessToken", "homeserverToken", "xMatrix", "identityToken"] | None = None
    auth_optional: bool = False
    rate_limit: str | None = None
    guests: bool = False
    max_body_bytes: int = 1_048_576
    status: int = 200
    selected_by: tuple[Literal["query", "body"], str] | None = None


class Router(Protocol[RouterCtx]):
    """What `register` hands the operations to."""

    def add(self, operation: Operation, handler: Callable[[RouterCtx, Any], Any] | None, /) -> None:
        """Answer an operation by `handler`, or as unknown where it is None or `unfilled`."""
        ...


def unfilled(_ctx: Any, _request: Any, /) -> NoReturn:
    """Stands in a module for an operation that is still to be written; it is never called."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRequest:
    """A request to send: `path` is encoded, `body` is a JSON value or None for no body."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None

    @property
    def target(self) -> str:
        """Path and query as they stand in the request line."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


def quoted(value: object) -> str:
    """A path segment, percent-encoded."""
    return quote(str(value), safe="")


def pairs(values: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Query parameters or headers as text; None is left out, a list is repeated."""
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        several = value if isinstance(value, list) else [value]
        found += [(name, _text(one)) for one in several if one is not None]
    return tuple(found)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
