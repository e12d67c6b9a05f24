"""Neutral events → events of a room version.

A neutral event names its relations by short names and leaves out what differs between versions;
one written case then runs in every version. See tests/vectors/README.md for the format.
"""

from typing import Any

Neutral = dict[str, Any]
Pdu = dict[str, Any]

ROOM_NAME = "room"
ID_LENGTH = 43  # characters of a SHA-256 digest in unpadded base64


def domain(user: str) -> str:
    """The server part of a user ID."""
    return user.partition(":")[2]


def event_id(event: Neutral, version: str) -> str:
    """`$name:domain` in versions 1 and 2; afterwards the name filled up to a hash's length."""
    if "event_id" in event:
        return str(event["event_id"])
    if int(version) <= 2:
        return f"${event['name']}:{domain(event['sender'])}"
    return "$" + str(event["name"]).ljust(ID_LENGTH, "0")


class Rendering:
    """Renders the events of one neutral room in one version; `events` must hold all it cites."""

    def __init__(self, events: list[Neutral], version: str) -> None:
        self.version = version
        self.number = int(version)
        self.neutral = {event["name"]: event for event in events}
        creates = [event for event in events if event["type"] == "m.room.create"]
        self.create = creates[0] if creates else None

    def id_of(self, name: str) -> str:
        """The rendered ID of a named event; what starts with `$` is an ID already."""
        if name.startswith("$"):
            return name
        unknown = {"name": name, "sender": "@nobody:example.org"}
        return event_id(self.neutral.get(name, unknown), self.version)

    def room_id(self, event: Neutral) -> str | None:
        if "room_id" in event:
            return str(event["room_id"])
        if self.number <= 11 or self.create is None:
            return f"!{ROOM_NAME}:example.org"
        if event["type"] == "m.room.create":
            return None
        return "!" + event_id(self.create, self.version)[1:]

    def references(self, names: list[str]) -> list[Any]:
        ids = [self.id_of(name) for name in names]
        return [[one, {"sha256": "A" * ID_LENGTH}] for one in ids] if self.number <= 2 else ids

    def auth_names(self, event: Neutral) -> list[str]:
        names: list[str] = event.get("auth", [])
        if self.number <= 11 or event.get("verbatim"):
            return names
        create = None if self.create is None else self.create["name"]
        return [name for name in names if name != create]

    def content(self, event: Neutral) -> dict[str, Any]:
        content = dict(event["content"])
        if event.get("verbatim"):
            return content
        if event["type"] == "m.room.create":
            if self.number >= 2:
                content = {"room_version": self.version, **content}
            if self.number <= 10:
                content = {"creator": event["sender"], **content}
        if event["type"] == "m.room.power_levels" and self.number >= 12:
            self.without_creators(content)
        return content

    def without_creators(self, content: dict[str, Any]) -> None:
        if self.create is None or not isinstance(content.get("users"), dict):
            return
        more = self.create["content"].get("additional_creators", [])
        founders = {self.create["sender"], *more}
        content["users"] = {u: n for u, n in content["users"].items() if u not in founders}

    def event(self, event: Neutral) -> Pdu:
        """One event as it travels in this version, plus `event_id` and, if so, `rejected`."""
        pdu: Pdu = {
            "event_id": event_id(event, self.version),
            "type": event["type"],
            "sender": event["sender"],
            "content": self.content(event),
            "auth_events": self.references(self.auth_names(event)),
            "prev_events": self.references(event.get("prev", [])),
            "origin_server_ts": event.get("ts", 1),
            "depth": event.get("depth", 1),
            "hashes": {"sha256": "A" * ID_LENGTH},
            "signatures": {},
        }
        room_id = self.room_id(event)
        if room_id is not None:
            pdu["room_id"] = room_id
        if "state_key" in event:
            pdu["state_key"] = event["state_key"]
        if "redacts" in event:
            pdu["redacts"] = self.id_of(event["redacts"])
        if event.get("rejected"):
            pdu["rejected"] = True
        return pdu
