"""Moving a room to another version: a successor is made, and the old room points to it.

Everything happens in one transaction under the old room's lock, so that there is a successor with
all that was moved to it, or none. Spec: client-server-api/#room-upgrades
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chat.protocol.auth_rules.levels import (
    creators_of,
    named_level,
    power_level_of,
    read_level,
    required_level,
)
from chat.protocol.errors import (
    AuthRefused,
    Forbidden,
    InvalidEvent,
    InvalidRoomState,
    UnsupportedRoomVersion,
)
from chat.protocol.event import Event, StateKey
from chat.protocol.event_builder import Draft
from chat.protocol.identifiers import RoomId, UserId, parse_user_id
from chat.protocol.room_versions import RoomRules, rules_for
from chat.services.caller import Caller
from chat.services.rooms import following, membership, opened
from chat.services.rooms.create import OFFERED_VERSIONS, TOMBSTONE_LEVEL_V12, new_room_id
from chat.services.rooms.derived import member_key, membership_of
from chat.services.rooms.opened import OpenRoom
from chat.services.server import Server
from chat.storage import room_lists, rooms, users
from chat.storage.engine import Transaction
from chat.storage.rooms import Room

MAX_BANS = 5_000  # the newest ones
MAX_CHILDREN = 2_000
LEAST_CLOSED_LEVEL = 50

CREATE: StateKey = ("m.room.create", "")
POWER_LEVELS: StateKey = ("m.room.power_levels", "")
TOMBSTONE: StateKey = ("m.room.tombstone", "")
CANONICAL_ALIAS: StateKey = ("m.room.canonical_alias", "")
COPIED: tuple[StateKey, ...] = (
    ("m.room.join_rules", ""),
    ("m.room.history_visibility", ""),
    ("m.room.guest_access", ""),
    ("m.room.encryption", ""),
    ("m.room.name", ""),
    ("m.room.avatar", ""),
    ("m.room.topic", ""),
    ("m.room.server_acl", ""),
)
KEPT_ON_CREATION = ("type", "m.federate")

Content = dict[str, Any]


def upgrade(
    server: Server,
    caller: Caller,
    room_id: str,
    version: str,
    additional_creators: Sequence[str] = (),
) -> str:
    """Replace a room by one of another version; the new room's ID.

    Raises UnsupportedRoomVersion, InvalidParam, NotFound, Forbidden unless the caller may send the
    tombstone, InvalidRoomState where the new version cannot hold what the old room has.
    """
    if version not in OFFERED_VERSIONS:
        raise UnsupportedRoomVersion(f"This server does not make rooms of version {version[:40]}")
    rules = rules_for(version)
    creators = list(dict.fromkeys(additional_creators)) if rules.privileged_creators else []
    for user_id in creators:
        parse_user_id(user_id)
    succession = _Succession(server, caller.user_id, rules, creators)
    try:
        successor = server.writer.replace_room(room_id, succession)
    except (AuthRefused, InvalidEvent) as error:
        raise InvalidRoomState(f"Such a room is not possible: {error.message}") from error
    following.follow(server, caller.user_id, successor)
    return successor


class _Succession:
    """How one user replaces a room."""

    def __init__(
        self, server: Server, user_id: str, rules: RoomRules, creators: Sequence[str]
    ) -> None:
        self._name = server.name
        self._user_id = UserId(user_id)
        self._rules = rules
        self._creators = creators
        self._room_id = None if rules.hashed_room_id else new_room_id(server)

    def drafts(self, tx: Transaction, old: OpenRoom, /) -> list[Draft]:
        """What the new room begins with. Raises NotFound, Forbidden."""
        keys = [CREATE, POWER_LEVELS, CANONICAL_ALIAS, member_key(self._user_id), *COPIED]
        opened.fetch(tx, {old: keys})
        _check_may_end(old, self._user_id)
        profile = {
            name: value
            for name, value in users.profile(tx, self._user_id).items()
            if name in ("displayname", "avatar_url")
        }
        first, last = self._power_levels(old)
        entries: list[tuple[StateKey, Content]] = [
            (CREATE, self._create_content(old)),
            (member_key(self._user_id), membership.profile_content("join", profile)),
            (POWER_LEVELS, first),
            *self._copied(old),
            *self._aliases(tx, old),
            *self._children(tx, old),
            *(
                (member_key(user), ban)
                for user, ban in room_lists.bans(tx, old.room.room, MAX_BANS)
            ),
        ]
        if last != first:
            entries.append((POWER_LEVELS, last))
        return [
            Draft(self._room_id, self._user_id, kind, content, state_key)
            for (kind, state_key), content in entries
        ]

    def closing(self, old: OpenRoom, new_room_id: str, /) -> list[Draft]:
        """The tombstone, and power levels that keep the old room quiet."""
        body = "This room has been replaced"
        entries = [(TOMBSTONE, {"body": body, "replacement_room": new_room_id})]
        levels = _closed_levels(old, self._user_id)
        if levels is not None:
            entries.append((POWER_LEVELS, levels))
        room_id = RoomId(old.room.room_id)
        return [
            Draft(room_id, self._user_id, kind, content, state_key)
            for (kind, state_key), content in entries
        ]

    def also(self, tx: Transaction, old: Room, new: Room, /) -> None:
        """Move the local aliases and the entry in the directory."""
        room_lists.move_aliases(tx, old.room, new.room)
        if rooms.is_published(tx, old.room):
            rooms.publish(tx, new.room, published=True)
            rooms.publish(tx, old.room, published=False)

    # --- what goes into the new room ---

    def _create_content(self, old: OpenRoom) -> Content:
        predecessor: Content = {"room_id": old.room.room_id}
        if not self._rules.hashed_room_id and old.room.tips:
            predecessor["event_id"] = old.room.tips[-1].event_id
        before = _content(old, CREATE)
        content = {name: before[name] for name in KEPT_ON_CREATION if name in before}
        content |= {"room_version": self._rules.version, "predecessor": predecessor}
        if not self._rules.creator_is_sender:
            content["creator"] = self._user_id
        if self._creators:
            content["additional_creators"] = list(self._creators)
        return content

    def _copied(self, old: OpenRoom) -> list[tuple[StateKey, Content]]:
        found = [(key, event.content) for key in COPIED if (event := old.event(key)) is not None]
        return [
            (key, _join_rules(content, self._rules) if key[0] == "m.room.join_rules" else content)
            for key, content in found
        ]

    def _aliases(self, tx: Transaction, old: OpenRoom) -> list[tuple[StateKey, Content]]:
        """The canonical alias, as far as it consists of aliases that move."""
        moved = set(rooms.aliases(tx, old.room.room))
        before = _content(old, CANONICAL_ALIAS)
        content: Content = {}
        if before.get("alias") in moved:
            content["alias"] = before["alias"]
        others = before.get("alt_aliases")
        kept = [one for one in (others if isinstance(others, list) else ()) if one in moved]
        if kept:
            content["alt_aliases"] = kept
        return [(CANONICAL_ALIAS, content)] if content else []

    def _children(self, tx: Transaction, old: OpenRoom) -> list[tuple[StateKey, Content]]:
        """A space goes on with its rooms."""
        if _content(old, CREATE).get("type") != "m.space":
            return []
        found = room_lists.contents_of_type(tx, old.room.room, "m.space.child", MAX_CHILDREN)
        return [(("m.space.child", key), content) for key, content in found if "via" in content]

    def _power_levels(self, old: OpenRoom) -> tuple[Content, Content]:
        """The levels to begin with, with which the caller may do everything, and those to stay."""
        content = _readable(_content(old, POWER_LEVELS), old.rules)
        create = old.event(CREATE)
        assert create is not None
        creators = creators_of(create, old.rules)
        named = content.setdefault("users", {})
        top = max([100, *_all_levels(content)])
        if old.rules.privileged_creators:
            named |= dict.fromkeys(creators, top)
        elif old.event(POWER_LEVELS) is None:
            named |= dict.fromkeys(creators, 100)
        if self._rules.privileged_creators:
            for user_id in (self._user_id, *self._creators):
                named.pop(user_id, None)
            _raise_tombstone(content)
            return content, content
        return content | {"users": named | {self._user_id: top}}, content


def _check_may_end(old: OpenRoom, user_id: str) -> None:
    if membership_of(old.event(member_key(user_id))) != "join":
        raise Forbidden("You are not in this room")
    needed = required_level(TOMBSTONE[0], old.event(POWER_LEVELS), old.rules, is_state=True)
    if _level_of(old, user_id) < needed:
        raise Forbidden("You may not upgrade this room")


def _level_of(old: OpenRoom, user_id: str) -> float:
    create = old.event(CREATE)
    assert create is not None
    return power_level_of(user_id, old.event(POWER_LEVELS), create, old.rules)


def _content(old: OpenRoom, key: StateKey) -> Content:
    event = old.event(key)
    return {} if event is None else event.content


def _join_rules(content: Content, rules: RoomRules) -> Content:
    """The join rule, or the widest one that is no wider where the new version does not know it."""
    wanted = content.get("join_rule")
    if wanted == "knock_restricted" and not rules.knock_restricted_joins:
        wanted = "restricted"
    if wanted == "restricted" and not rules.restricted_joins:
        wanted = "invite"
    if wanted == "knock" and not rules.knocking:
        wanted = "invite"
    return content if wanted == content.get("join_rule") else content | {"join_rule": wanted}


# --- power levels ---


def _readable(content: Mapping[str, Any], rules: RoomRules) -> Content:
    """Power levels as integers, which every version takes; without what is no level."""
    found: Content = {}
    for name, value in content.items():
        if isinstance(value, dict):
            levels = {key: read_level(one, rules) for key, one in value.items()}
            found[name] = {key: level for key, level in levels.items() if level is not None}
        elif (level := read_level(value, rules)) is not None:
            found[name] = level
    return found


def _all_levels(content: Mapping[str, Any]) -> list[int]:
    levels: list[int] = []
    for value in content.values():
        levels += value.values() if isinstance(value, dict) else [value]
    return levels


def _raise_tombstone(content: Content) -> None:
    """From version 12 on, ending a room takes more than changing its state."""
    events = content.setdefault("events", {})
    state_default = content.get("state_default", 50)
    if events.get(TOMBSTONE[0], state_default) <= state_default:
        events[TOMBSTONE[0]] = max(TOMBSTONE_LEVEL_V12, state_default + 1)


def _closed_levels(old: OpenRoom, user_id: str) -> Content | None:
    """The old room's levels so that few can still talk and invite; None where the caller may not.

    What the caller changes may neither be nor become higher than their own level.
    """
    power_levels = old.event(POWER_LEVELS)
    if power_levels is None:
        return None
    least = max(LEAST_CLOSED_LEVEL, named_level("users_default", power_levels, old.rules) + 1)
    before = {
        name: named_level(name, power_levels, old.rules) for name in ("events_default", "invite")
    }
    after = {name: max(level, least) for name, level in before.items()}
    if before == after or not _may_set_levels(old, power_levels, user_id, max(after.values())):
        return None
    return power_levels.content | after


def _may_set_levels(old: OpenRoom, power_levels: Event, user_id: str, highest: int) -> bool:
    needed = required_level(POWER_LEVELS[0], power_levels, old.rules, is_state=True)
    return _level_of(old, user_id) >= max(needed, highest)
