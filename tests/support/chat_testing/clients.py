"""A plain client of a running server: JSON over HTTP, and a sync loop that remembers its token."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote

from chat_testing.running import RunningServer

V3 = "/_matrix/client/v3"
_numbers = count(1)


class Refused(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


@dataclass
class Client:
    """One device of one user. Everything raises Refused for an answer that is not 200."""

    server: RunningServer
    token: str = ""
    user_id: str = ""
    device_id: str = ""
    next_batch: str | None = None
    timelines: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None, timeout_s: float = 30) -> Any:
        """The JSON of an answer."""
        request = urllib.request.Request(self.server.url + path, method=method)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data, timeout=timeout_s) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(error.code, json.load(error)) from None

    def create_room(self, **wish: Any) -> str:
        """The ID of a new room."""
        room_id: str = self.ask("POST", f"{V3}/createRoom", {"preset": "public_chat", **wish})[
            "room_id"
        ]
        return room_id

    def join(self, room_id: str) -> None:
        """Join a room."""
        self.ask("POST", f"{V3}/join/{quote(room_id)}", {})

    def send(self, room_id: str, text: str) -> str:
        """The ID of a new message."""
        path = f"{V3}/rooms/{quote(room_id)}/send/m.room.message/txn{next(_numbers)}"
        body = {"msgtype": "m.text", "body": text}
        event_id: str = self.ask("PUT", path, body)["event_id"]
        return event_id

    def sync(self, timeout_ms: int = 0) -> dict[str, Any]:
        """One sync from where the last one stopped; timelines are kept."""
        since = f"&since={self.next_batch}" if self.next_batch else ""
        answer: dict[str, Any] = self.ask("GET", f"{V3}/sync?timeout={timeout_ms}{since}")
        self.next_batch = answer["next_batch"]
        for room_id, room in answer.get("rooms", {}).get("join", {}).items():
            events = room.get("timeline", {}).get("events", [])
            self.timelines.setdefault(room_id, []).extend(events)
        return answer

    def bodies(self, room_id: str) -> list[str]:
        """The texts of the messages that came by sync, in their order."""
        events = self.timelines.get(room_id, [])
        return [one["content"]["body"] for one in events if one["type"] == "m.room.message"]

    def at(self, server: RunningServer) -> "Client":
        """The same client at another server that has its account."""
        return Client(
            server, self.token, self.user_id, self.device_id, self.next_batch, self.timelines
        )


def registered(server: RunningServer, name: str) -> Client:
    """A new user."""
    client = Client(server)
    body = {"username": name, "password": f"pass of {name}", "auth": {"type": "m.login.dummy"}}
    made = client.ask("POST", f"{V3}/register", body)
    client.token, client.user_id = made["access_token"], made["user_id"]
    client.device_id = made["device_id"]
    return client
