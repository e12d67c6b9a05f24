"""Parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from chat_api.base import Ctx, RawResponse
from chat_api.common.schemas import RoomId, Timestamp
from msgspec import Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class ListThingsRequest:
    """GET /rooms/{roomId}/list"""

    room_id: RoomId
    from_: Annotated[str, Meta(max_length=512)]
    dir: Literal["b", "f"] = "b"
    limit: Annotated[int, Meta(ge=0, le=1000)] = 10
    full: bool = False
    ts: Timestamp | None = None
    via: Annotated[list[str], Meta(max_length=3)] | None = None
    org_example_key: str | None = None
    content_type: str | None = None


class DemoHandlers(Protocol[Ctx]):
    def list_things(self, ctx: Ctx, request: ListThingsRequest, /) -> RawResponse:
        """List things."""
        ...
