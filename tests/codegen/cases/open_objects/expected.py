"""Open objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from chat_api.base import Ctx, RawResponse, check_open
from msgspec import Meta, Struct


class WhoFields(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A user."""

    type: str


class UploadKeysBody(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Keys."""

    one: dict[str, Any] | None = None
    many: list[dict[str, Any]] | None = None
    named: dict[str, dict[str, Any]] | None = None
    free: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        check_open("one", self.one, WhoFields)
        check_open("many", self.many, list[WhoFields])
        check_open("named", self.named, dict[str, WhoFields])


class LoginBodyFields(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who logs in."""

    type: Annotated[str, Meta(max_length=8)]
    who: WhoFields | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """POST /login"""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest:
    """PUT /send"""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadKeysRequest:
    """POST /keys"""

    body: UploadKeysBody


class DemoHandlers(Protocol[Ctx]):
    def login(self, ctx: Ctx, request: LoginRequest, /) -> dict[str, Any]:
        """Log in."""
        ...

    def send(self, ctx: Ctx, request: SendRequest, /) -> RawResponse:
        """Send."""
        ...

    def upload_keys(self, ctx: Ctx, request: UploadKeysRequest, /) -> RawResponse:
        """Upload keys."""
        ...
