"""Encoded JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from chat_api.base import Ctx
from msgspec import Raw, Struct


class Rooms(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Rooms."""

    a: str | None = None


class SyncResponse(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """News."""

    rooms: Raw
    events: list[Raw] | None = None
    by_room: dict[str, list[Raw]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest:
    """GET /sync"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetStateRequest:
    """GET /state"""


class DemoHandlers(Protocol[Ctx]):
    def sync(self, ctx: Ctx, request: SyncRequest, /) -> SyncResponse:
        """Sync."""
        ...

    def get_state(self, ctx: Ctx, request: GetStateRequest, /) -> list[Raw]:
        """Get the state."""
        ...
