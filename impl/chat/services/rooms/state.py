"""Reading and setting the state of rooms, and listing their members."""

from dataclasses import replace
from typing import Any

import msgspec

from chat.protocol.errors import Forbidden, InvalidParam, NotFound
from chat.protocol.event import Event
from chat.protocol.event_builder import Draft
from chat.protocol.identifiers import RoomId, UserId
from chat.services import typing
from chat.services.caller import Caller
from chat.services.rooms import client_events, contents, directory, following, membership, shown
from chat.services.rooms.history import place_of
from chat.services.rooms.visibility import View, view
from chat.services.server import Server
from chat.storage import events, rooms
from chat.storage import state as stored
from chat.storage.cooperation import in_turns
from chat.storage.engine import Transaction
from chat.storage.events import START, EventRow, Txn

MEMBER = "m.room.member"


def put(
    server: Server,
    caller: Caller,
    room_id: str,
    event_type: str,
    state_key: str,
    content: dict[str, Any],
    txn: Txn | None = None,
) -> Event:
    """Set an entry of the room state; setting it to what it is changes nothing, nor does a repeat
    of `txn`.

    Raises Forbidden, NotFound, BadAlias, InvalidParam, EventTooLarge, and for memberships what the
    operation of their own raises.
    Spec: client-server-api/#put_matrixclientv3roomsroomidstateeventtypestatekey
    """
    check = None
    if event_type == MEMBER:
        check = membership.check_by_state(server, caller, room_id, state_key, content)
    elif event_type == "m.room.canonical_alias" and not state_key:
        directory.check_canonical_alias(server, room_id, content)
    elif event_type in contents.CHECKS and not state_key:
        contents.CHECKS[event_type](content)
    draft = Draft(RoomId(room_id), UserId(caller.user_id), event_type, content, state_key)
    event = server.writer.append(draft, txn, check)
    if event_type == "m.room.guest_access":
        membership.expel_guests(server, room_id)
    elif event_type == MEMBER and content.get("membership") == "join":
        following.follow(server, caller.user_id, room_id)
    elif event_type == MEMBER:
        typing.end(server, state_key, room_id)
    return event


def whole(server: Server, caller: Caller, room_id: str) -> list[bytes]:
    """The state of a room, of today or of when the caller left, as JSON. Raises Forbidden."""

    def work(tx: Transaction) -> list[bytes]:
        return whole_seen(tx, server, view(tx, server.sync.events, caller.user_id, room_id))

    return server.store.read(work)


def whole_seen(tx: Transaction, server: Server, seen_by: View) -> list[bytes]:
    """The whole state that is seen in a view, as JSON."""

    def make() -> list[bytes]:
        rows = _rows(tx, seen_by)
        return shown.show_state(tx, server.sync.events, seen_by.room.room_id, rows)

    return server.lists.of(_key(seen_by), make)


def _key(seen_by: View, *more: str | None) -> tuple[object, ...]:
    """What a list of the state that is seen depends on."""
    return seen_by.room.room, seen_by.head, seen_by.room.redactions, *more


def _rows(tx: Transaction, seen_by: View, event_type: str | None = None) -> list[EventRow]:
    if seen_by.is_current:
        return events.of_current_state(tx, seen_by.room.room, event_type)
    entries = stored.at(tx, seen_by.room.room, seen_by.ref)
    found = events.by_numbers(tx, entries.values()).values()
    rows = [row for row in found if event_type is None or row.type == event_type]
    return sorted(rows, key=lambda row: row.place)


def entry(
    server: Server, caller: Caller, room_id: str, event_type: str, state_key: str, *, whole: bool
) -> bytes:
    """The content of an entry of the state as JSON, or the whole event. Raises NotFound, Forbidden.

    Spec: client-server-api/#get_matrixclientv3roomsroomidstateeventtypestatekey
    """

    def work(tx: Transaction) -> bytes:
        cache = server.sync.events
        seen_by = view(tx, cache, caller.user_id, room_id)
        key = (event_type, state_key)
        k = stored.find_keys(tx, [key]).get(key)
        found = {} if k is None else stored.at(tx, seen_by.room.room, seen_by.ref, [k])
        if k not in found:
            raise NotFound("The room has no such state")
        rows = list(events.by_numbers(tx, [found[k]]).values())
        event = client_events.load(tx, cache, rows)[found[k]]
        return event.shown(b"", room_id) if whole else event.content

    return server.store.read(work)


def members(
    server: Server,
    caller: Caller,
    room_id: str,
    *,
    at: str | None,
    membership: str | None,
    not_membership: str | None,
) -> list[bytes]:
    """The membership events of a room as JSON, of today or as of a token.

    Raises Forbidden, InvalidParam. Spec: client-server-api/#get_matrixclientv3roomsroomidmembers
    """

    def work(tx: Transaction) -> list[bytes]:
        seen_by = view(tx, server.sync.events, caller.user_id, room_id)
        if at is not None:
            seen_by = _view_at(tx, seen_by, at)

        def make() -> list[bytes]:
            rows = _rows(tx, seen_by, MEMBER)
            loaded = client_events.load(tx, server.sync.events, rows)
            return [
                event.shown(b"", room_id)
                for event in (loaded[row.ev] for row in in_turns(rows))
                if membership in (None, event.membership)
                and (not_membership is None or event.membership != not_membership)
            ]

        return server.lists.of(_key(seen_by, MEMBER, membership, not_membership), make)

    return server.store.read(work)


def _view_at(tx: Transaction, seen_by: View, token: str) -> View:
    room = seen_by.room.room
    found = events.page(tx, room, place_of(tx, room, token), START, 1, backwards=True)
    if not found:
        raise InvalidParam("The room did not exist then")
    return replace(seen_by, head=min(found[0].head, seen_by.head))


class MemberProfile(msgspec.Struct, frozen=True):
    """How a member appears in a room; None for what is not set, or not a string."""

    displayname: str | None
    avatar_url: str | None


def joined_members(server: Server, caller: Caller, room_id: str) -> dict[str, MemberProfile]:
    """The joined members of a room by user ID. Raises Forbidden."""

    def work(tx: Transaction) -> dict[str, MemberProfile]:
        cache = server.sync.events
        seen_by = view(tx, cache, caller.user_id, room_id)
        if seen_by.membership != "join":
            raise Forbidden("Only members are shown the members")
        rows = _rows(tx, seen_by, MEMBER)
        loaded = client_events.load(tx, cache, rows)
        return {
            row.state_key or "": _profile(loaded[row.ev].content)
            for row in rows
            if loaded[row.ev].membership == "join"
        }

    return server.store.read(work)


def _profile(content: bytes) -> MemberProfile:
    fields = msgspec.json.decode(content)
    name, avatar_url = fields.get("displayname"), fields.get("avatar_url")
    return MemberProfile(
        name if isinstance(name, str) else None,
        avatar_url if isinstance(avatar_url, str) else None,
    )


def joined_rooms(server: Server, caller: Caller) -> list[str]:
    """The IDs of the rooms to which the caller is joined."""
    found = server.store.read(
        lambda tx: rooms.memberships(tx, caller.user_id, ["join"]), snapshot=False
    )
    return [member.room_id for member in found]
