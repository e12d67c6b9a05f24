"""The connection by which a request came, as far as waiting goes."""

from collections.abc import Callable


class ClientConnection:
    """`end_wait` is set while the request waits for news; call it when the client is gone."""

    __slots__ = ("end_wait",)

    def __init__(self) -> None:
        self.end_wait: Callable[[], None] | None = None
