"""Every operation of the client-server API, and the place where handlers are handed over."""

from __future__ import annotations

from typing import Any

from chat_api.base import Ctx, Operation, Parameter, Router
from chat_api.client_server import first, second
from chat_api.client_server.first import PutABodyFields

GET_A = Operation(
    id="getA",
    api="client-server",
    module="first",
    method="GET",
    paths=("/a/{aId}", "/old/{aId}", "/older/{aId}"),
    request=first.GetARequest,
    parameters=(
        Parameter("aId", "path", "a_id"),
        Parameter("via", "query", "via", many=True),
    ),
    security="accessToken",
    auth_optional=True,
    guests=True,
    status=202,
)
PUT_A = Operation(
    id="putA",
    api="client-server",
    module="first",
    method="PUT",
    paths=("/a/{aId}", "/old/{aId}", "/older/{aId}"),
    request=first.PutARequest,
    parameters=(Parameter("aId", "path", "a_id"),),
    body=dict[str, Any],
    check=PutABodyFields,
    security="accessToken",
    rate_limit="rc_message",
    max_body_bytes=99,
)
GET_B = Operation(
    id="getB",
    api="client-server",
    module="second",
    method="GET",
    paths=("/b",),
    request=second.GetBRequest,
)

OPERATIONS = (
    GET_A,
    PUT_A,
    GET_B,
)


def register(
    router: Router[Ctx],
    *,
    first: first.FirstHandlers[Ctx] | None = None,
    second: second.SecondHandlers[Ctx] | None = None,
) -> None:
    """Hand each operation to `router` with the function that fills it, if any."""
    router.add(GET_A, first.get_a if first else None)
    router.add(PUT_A, first.put_a if first else None)
    router.add(GET_B, second.get_b if second else None)
