"""Answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from chat_api.base import Ctx, RawResponse, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadRequest:
    """GET /download"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRequest:
    """POST /upload"""

    content_type: str | None = None
    body: Stream


class DemoHandlers(Protocol[Ctx]):
    def download(self, ctx: Ctx, request: DownloadRequest, /) -> RawResponse:
        """Download.

        Refusals: 404 M_NOT_FOUND.
        """
        ...

    def upload(self, ctx: Ctx, request: UploadRequest, /) -> dict[str, str] | RawResponse:
        """Upload."""
        ...
