"""Every operation of the client-server API, and the place where handlers are handed over."""

from __future__ import annotations

from chat_api.base import Ctx, Operation, Router
from chat_api.client_server import demo
from chat_api.client_server.demo import InviteByAddressBody, InviteUserBody

INVITE_USER = Operation(
    id="inviteUser",
    api="client-server",
    module="demo",
    method="POST",
    paths=("/invite",),
    request=demo.InviteUserRequest,
    body=InviteUserBody,
)
INVITE_BY_ADDRESS = Operation(
    id="inviteByAddress",
    api="client-server",
    module="demo",
    method="POST",
    paths=("/invite",),
    request=demo.InviteByAddressRequest,
    body=InviteByAddressBody,
    selected_by=("body", "address"),
)

OPERATIONS = (
    INVITE_USER,
    INVITE_BY_ADDRESS,
)


def register(
    router: Router[Ctx],
    *,
    demo: demo.DemoHandlers[Ctx] | None = None,
) -> None:
    """Hand each operation to `router` with the function that fills it, if any."""
    router.add(INVITE_USER, demo.invite_user if demo else None)
    router.add(INVITE_BY_ADDRESS, demo.invite_by_address if demo else None)
