"""Requests to a server under test."""

import http.client
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

Json = dict[str, Any]

V3 = "/_matrix/client/v3"
PATIENCE_S = 30.0
TIMEOUT_S = 60.0


class Unexpected(AssertionError):
    """The server answered what it should not have."""


def path(*parts: str, **query: Any) -> str:
    """A path below /_matrix/client/v3, its parts percent-encoded."""
    encoded = "/".join(quote(part, safe="") for part in parts)
    return f"{V3}/{encoded}" + (f"?{urlencode(query)}" if query else "")


@dataclass
class Api:
    """The server at `port` of loopback.

    `spread`: each request on a connection of its own, so that any worker may get it. A connection
    that breaks is tried again until `PATIENCE_S` have gone, so requests must bear repetition.
    """

    port: int
    spread: bool = False
    _kept: http.client.HTTPConnection | None = field(default=None, repr=False)

    def ask(
        self, method: str, target: str, token: str = "", body: object = None
    ) -> tuple[int, Json]:
        """Status and JSON body of the answer."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._exchange(method, target, token, body)
            except (OSError, http.client.HTTPException):
                self.drop()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def ok(self, method: str, target: str, token: str = "", body: object = None) -> Json:
        """The JSON body of a success. Raises Unexpected for anything else."""
        status, answer = self.ask(method, target, token, body)
        if status != 200:
            raise Unexpected(f"{method} {target}: {status} {answer}")
        return answer

    def drop(self) -> None:
        """Close the kept connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _exchange(self, method: str, target: str, token: str, body: object) -> tuple[int, Json]:
        if self._kept is None:
            self._kept = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        content = json.dumps(body) if body is not None else ("{}" if method != "GET" else None)
        if content is not None:
            headers["Content-Type"] = "application/json"
        self._kept.request(method, target, content, headers)
        answer = self._kept.getresponse()
        parsed: Json = json.loads(answer.read())
        if self.spread:
            self.drop()
        return answer.status, parsed
