"""Rooms to test in, made by the writer without the services above it."""

import itertools
from typing import Any

from chat.protocol.event import Event
from chat.protocol.event_builder import Draft
from chat.protocol.identifiers import RoomId, UserId
from chat.services.server import Server

ALICE, BOB, CAROL = (UserId(f"@{name}:a.example") for name in ("alice", "bob", "carol"))

_names = itertools.count()


def member(user_id: str, membership: str, sender: str | None = None, **content: Any) -> Draft:
    """A membership event; by default users speak for themselves."""
    return Draft(
        None,
        UserId(sender or user_id),
        "m.room.member",
        {"membership": membership, **content},
        user_id,
    )


def state(event_type: str, content: dict[str, Any], sender: str = ALICE) -> Draft:
    """A state event with an empty state key."""
    return Draft(None, UserId(sender), event_type, content, "")


def a_room(server: Server, *more: Draft, version: str = "12", join_rule: str = "public") -> RoomId:
    """A room of Alice's, then what `more` adds."""
    powers = {"users": {} if version == "12" else {ALICE: 100}}
    drafts = [
        Draft(
            None if version == "12" else RoomId(f"!{next(_names)}:a.example"),
            ALICE,
            "m.room.create",
            {"room_version": version} | ({"creator": ALICE} if int(version) < 11 else {}),
            "",
        ),
        member(ALICE, "join"),
        state("m.room.power_levels", powers),
        state("m.room.join_rules", {"join_rule": join_rule}),
        *more,
    ]
    return server.writer.append_all(drafts)[0].room_id


def say(server: Server, room_id: str, body: str, sender: str = ALICE) -> Event:
    """Send a text message."""
    content = {"msgtype": "m.text", "body": body}
    return server.writer.append(Draft(RoomId(room_id), UserId(sender), "m.room.message", content))
