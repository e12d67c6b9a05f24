"""From a `Config` to the running application."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from chat.config.model import Config

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Application:
    """What serves requests, and how it is ended."""

    wsgi: Wsgi
    stop_waiting: Callable[[], None]
    close: Callable[[], None]


def application(config: Config) -> Application:
    """Build everything that serves requests in this process."""

    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [b"OK"]

    return Application(wsgi, lambda: None, lambda: None)
