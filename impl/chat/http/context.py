"""What a handler knows of its request beside the request record."""

import msgspec

from chat.protocol.errors import MissingToken
from chat.services.caller import Caller
from chat.services.connection import ClientConnection
from chat.services.server import Server

__all__ = ["Caller", "Context"]


class Context(msgspec.Struct, frozen=True):
    """One request, as it stands when its handler is called.

    `path` is the path as the client wrote it, still percent-encoded, without the query. `address`
    is the client's IP address. `caller` is the authenticated user, None where there is none; `user`
    is for operations that always have one. `origin` is the server that signed the request, in the
    federation API. `token` is the bearer token that came along, of whatever kind.
    `connection` is given where a waiting request can be told that its client is gone. `came_s` is
    the time.perf_counter() before anything was looked up for the request.
    """

    server: Server
    path: str
    address: str
    user_agent: str
    token: str | None = None
    caller: Caller | None = None
    origin: str | None = None
    connection: ClientConnection | None = None
    came_s: float | None = None

    @property
    def user(self) -> Caller:
        """The caller. Raises MissingToken where authentication is optional and was left out."""
        if self.caller is None:
            raise MissingToken("Missing access token")
        return self.caller
