"""Client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chat_api.base import OutgoingRequest, pairs, quoted
from chat_api.common.schemas import Integer
from msgspec import Struct, convert, field, json, to_builtins


class SendThingBody(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A thing."""

    name: str | None = None
    m_key: str | None = field(name="m.key", default=None)


class ThingFields(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A thing."""

    name: str


class SendThingResponse(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Taken."""

    n: Integer


@dataclass(frozen=True, slots=True, kw_only=True)
class SendThingRequest:
    """PUT /send/{txnId}"""

    txn_id: str
    via: list[str] | None = None
    now: bool = True
    limit: Integer | None = None
    x_agent: str | None = None
    body: SendThingBody


@dataclass(frozen=True, slots=True, kw_only=True)
class GetThingRequest:
    """GET /thing"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFileRequest:
    """GET /file"""


def send_thing(request: SendThingRequest) -> OutgoingRequest:
    """Send a thing."""
    return OutgoingRequest(
        method="PUT",
        path=f"/send/{quoted(request.txn_id)}",
        query=pairs({"via": request.via, "now": request.now, "limit": request.limit}),
        headers=pairs({"X-Agent": request.x_agent}),
        body=to_builtins(request.body),
    )


def decode_send_thing(body: bytes) -> SendThingResponse:
    """The answer. Raises msgspec.DecodeError or UnicodeDecodeError."""
    return json.decode(body, type=SendThingResponse)


def get_thing(_request: GetThingRequest) -> OutgoingRequest:
    """Get a thing."""
    return OutgoingRequest(method="GET", path="/thing")


def decode_get_thing(body: bytes) -> dict[str, Any]:
    """The answer. Raises msgspec.DecodeError or UnicodeDecodeError."""
    answer = json.decode(body, type=dict[str, Any])
    convert(answer, ThingFields)
    return answer


def get_file(_request: GetFileRequest) -> OutgoingRequest:
    """Get a file."""
    return OutgoingRequest(method="GET", path="/file")
