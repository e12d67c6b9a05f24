"""Unions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeAlias

from chat_api.base import Ctx, RawResponse
from chat_api.common.schemas import Integer
from msgspec import Meta, Struct

StringOrA1: TypeAlias = Annotated[str, Meta(max_length=4)]


class A(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An A."""

    a: str


StringOrA: TypeAlias = StringOrA1 | A


class Both(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Both."""

    a: str
    b: Integer | None = None


class B(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A B."""

    b: Integer | None = None


class MixBody(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A mixture."""

    key: StringOrA
    either: Any = None
    anything: Any = None
    both: Both | None = None
    shadow: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MixRequest:
    """POST /mix"""

    body: MixBody


class DemoHandlers(Protocol[Ctx]):
    def mix(self, ctx: Ctx, request: MixRequest, /) -> RawResponse:
        """Mix."""
        ...
