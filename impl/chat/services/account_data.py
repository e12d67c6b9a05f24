"""Account data, tags and filters: what a user keeps for its own clients.

Spec: client-server-api/#client-config, #room-tagging, #filtering
"""

import json
from typing import Any

from chat.protocol.errors import ChatError, Forbidden, InvalidParam, NotFound, TooLarge
from chat.protocol.identifiers import parse_room_id
from chat.services import push_rules
from chat.services.caller import Caller
from chat.services.server import Server
from chat.storage import account_data as stored
from chat.storage import rooms, users
from chat.storage.engine import Transaction

MAX_CONTENT_BYTES = 65_536
MAX_TAG_BYTES = 255
TAGS = "m.tag"
SERVER_MANAGED = frozenset({"m.fully_read", "m.push_rules"})


class ServerManaged(ChatError):
    """This type of account data is set by an API of its own."""

    errcode = "M_BAD_JSON"
    status = 405


def check_own(caller: Caller, user_id: str) -> None:
    """Raises Forbidden where the path names somebody else."""
    if caller.user_id != user_id:
        raise Forbidden("This belongs to another user")


def get(server: Server, user_id: str, room_id: str | None, kind: str) -> dict[str, Any]:
    """The content of one type, global or of a room. Raises NotFound."""

    def work(tx: Transaction) -> str | None:
        room = stored.GLOBAL if room_id is None else rooms.find(tx, room_id)
        return None if room is None else stored.get(tx, user_id, room, kind)

    content = server.store.read(work)
    if kind == push_rules.PUSH_RULES and room_id is None:
        content = push_rules.shown(user_id, kind, content or push_rules.UNCHANGED)
    if content is None:
        raise NotFound("There is no such account data")
    found: dict[str, Any] = json.loads(content)
    return found


def put(
    server: Server, user_id: str, room_id: str | None, kind: str, content: dict[str, Any]
) -> None:
    """Replace the content of one type.

    Raises ServerManaged for types that have an API of their own, TooLarge, NotFound for an
    unknown room.
    """
    if kind in SERVER_MANAGED:
        raise ServerManaged(f"{kind} is set by other means")
    text = _text(content)
    server.store.write(lambda tx: stored.put(tx, user_id, _room(tx, room_id), kind, text))


def _room(tx: Transaction, room_id: str | None) -> int:
    if room_id is None:
        return stored.GLOBAL
    room = rooms.find(tx, parse_room_id(room_id))
    if room is None:
        raise NotFound("There is no such room")
    return room


def _text(content: dict[str, Any]) -> str:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > MAX_CONTENT_BYTES:
        raise TooLarge(f"Account data is limited to {MAX_CONTENT_BYTES} bytes")
    return text


def tags(server: Server, user_id: str, room_id: str) -> dict[str, dict[str, Any]]:
    """The tags of a room by name; empty where there are none."""
    try:
        content = get(server, user_id, room_id, TAGS)
    except NotFound:
        return {}
    return _tags_in(content)


def _tags_in(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = content.get("tags")  # perhaps written as account data, in whatever form
    if not isinstance(found, dict):
        return {}
    return {name: tag for name, tag in found.items() if isinstance(tag, dict)}


def set_tag(
    server: Server, user_id: str, room_id: str, tag: str, content: dict[str, Any] | None
) -> None:
    """Set a tag, or remove it where `content` is None.

    Raises InvalidParam for a name that is too long, NotFound for an unknown room, TooLarge.
    """
    if len(tag.encode()) > MAX_TAG_BYTES:
        raise InvalidParam(f"The name of a tag is limited to {MAX_TAG_BYTES} bytes")

    def work(tx: Transaction) -> None:
        users.lock(tx, user_id)  # two devices may tag at once
        room = _room(tx, room_id)
        known = stored.get(tx, user_id, room, TAGS)
        named = _tags_in(json.loads(known)) if known is not None else {}
        if content is not None:
            named[tag] = content
        elif named.pop(tag, None) is None:
            return
        stored.put(tx, user_id, room, TAGS, _text({"tags": named}))

    server.store.write(work)


def add_filter(server: Server, user_id: str, definition: dict[str, Any]) -> str:
    """Store a filter and return its ID. Raises TooLarge."""
    _text(definition)
    return server.store.write(lambda tx: stored.add_filter(tx, user_id, definition))


def get_filter(server: Server, user_id: str, filter_id: str) -> dict[str, Any]:
    """A stored filter. Raises NotFound."""
    text = server.store.read(lambda tx: stored.find_filter(tx, user_id, filter_id))
    if text is None:
        raise NotFound("There is no such filter")
    found: dict[str, Any] = json.loads(text)
    return found
