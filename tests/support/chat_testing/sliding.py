"""Clients of sliding sync, in the test's own process."""

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
from chat_api.extra.sliding_sync import SlidingSyncBody, SlidingSyncRequest

from chat.http.context import Context
from chat.http.extra import sliding_sync
from chat_testing.people import Person

LAZY = [["m.room.name", ""], ["m.room.topic", ""], ["m.room.member", "$LAZY"]]
EVERYTHING = [["*", "*"]]


def a_list(*ranges: list[int], limit: int = 10, state: Any = None, **filters: Any) -> Any:
    """A list as clients ask for it; without ranges all of it."""
    wish = {"timeline_limit": limit, "required_state": LAZY if state is None else state}
    return (
        wish
        | ({"ranges": list(ranges)} if ranges else {})
        | ({"filters": filters} if filters else {})
    )


def a_room(limit: int = 10, state: Any = None) -> Any:
    """A subscription."""
    return {"timeline_limit": limit, "required_state": LAZY if state is None else state}


@dataclass
class Slider:
    """A connection of a person's client, which goes on from where it stopped."""

    person: Person
    conn_id: str | None = None
    pos: str | None = None
    lists: dict[str, Any] = field(default_factory=lambda: {"all": a_list()})
    rooms: dict[str, Any] = field(default_factory=dict)
    extensions: dict[str, Any] = field(default_factory=dict)

    def asks(self, pos: str | None = None, timeout: int = 0, **body: Any) -> dict[str, Any]:
        """The answer to a request with a token, as a client sees it; the own token stays."""
        asked = {
            "lists": self.lists,
            "room_subscriptions": self.rooms,
            "extensions": self.extensions,
        } | body
        if self.conn_id is not None:
            asked["conn_id"] = self.conn_id
        request = SlidingSyncRequest(
            pos=pos,
            timeout=timeout,
            body=msgspec.json.decode(json.dumps(asked), type=SlidingSyncBody),
        )
        context = Context(
            self.person.server, "/sync", "192.0.2.1", "test", caller=self.person.caller
        )
        answer = sliding_sync.sliding_sync(context, request)
        found: dict[str, Any] = json.loads(msgspec.json.encode(answer))
        return found

    def slides(self, timeout: int = 0, **body: Any) -> dict[str, Any]:
        """The answer to a request from where the last one stopped."""
        answer = self.asks(self.pos, timeout, **body)
        self.pos = answer["pos"]
        return answer

    def sees(self, room_id: str, **body: Any) -> dict[str, Any]:
        """What the next answer tells of a room."""
        found: dict[str, Any] = self.slides(**body)["rooms"][room_id]
        return found
