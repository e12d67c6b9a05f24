"""Server discovery."""

from typing import Any

from chat_api.client_server.wellknown import GetWellknownRequest

from chat.http.context import Context
from chat.services.discovery import client_discovery


def get_wellknown(ctx: Context, _request: GetWellknownRequest, /) -> dict[str, Any]:
    """GET /.well-known/matrix/client"""
    return client_discovery(ctx.server.config)
