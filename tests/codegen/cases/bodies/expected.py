"""Bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from chat_api.base import Ctx
from chat_api.common.schemas import Integer, RoomId
from msgspec import Meta, Struct, field


class Part(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A part."""

    weight: float | None = None
    is_new: bool = False
    parts: list[Part] | None = None


class MakeThingResponse(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The thing."""

    id: str
    made_by: str | None = None


class MakeThingBody(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The thing to make."""

    name: Annotated[str, Meta(max_length=8)]
    parts: Annotated[list[Part], Meta(max_length=2, min_length=1)]
    note: str | None
    room: RoomId | None = None
    kind: Literal["plain", "odd"] | None = None
    limit: Annotated[int, Meta(ge=0, le=9007199254740991)] = 10
    from_: str | None = field(name="from", default=None)
    m_heroes: list[str] | None = field(name="m.heroes", default=None)
    field_3pid: Annotated[str, Meta(max_length=4)] | None = field(name="3pid", default=None)
    counts: dict[str, Integer] | None = None
    by_name: dict[str, Part] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeThingRequest:
    """POST /make"""

    body: MakeThingBody


class DemoHandlers(Protocol[Ctx]):
    def make_thing(self, ctx: Ctx, request: MakeThingRequest, /) -> MakeThingResponse:
        """Make a thing.

        Refusals: 400 M_UNKNOWN.
        Spec: client-server-api/#make
        """
        ...
