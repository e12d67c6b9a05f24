"""Creating rooms. Spec: client-server-api/#post_matrixclientv3createroom"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from chat.protocol.errors import (
    AuthRefused,
    InvalidEvent,
    InvalidParam,
    InvalidRoomState,
    RoomInUse,
    UnsupportedRoomVersion,
)
from chat.protocol.event import StateKey
from chat.protocol.event_builder import Draft
from chat.protocol.identifiers import RoomId, UserId
from chat.protocol.room_versions import ROOM_VERSIONS, RoomRules, rules_for
from chat.services.caller import Caller
from chat.services.rooms import contents, directory, membership, preferences
from chat.services.server import Server
from chat.storage import rooms, users
from chat.storage.engine import Transaction
from chat.storage.rooms import Room

# Every version is stable. Spec: rooms/#complete-list-of-room-versions
OFFERED_VERSIONS = tuple(ROOM_VERSIONS)
# all are stable. Spec: rooms/#complete-list-of-room-versions
MAX_INVITED = 100
MAX_INITIAL_STATE = 200

# Preset → join rule, history visibility, guest access.
PRESETS = {
    "private_chat": ("invite", "shared", "can_join"),
    "trusted_private_chat": ("invite", "shared", "can_join"),
    "public_chat": ("public", "shared", "forbidden"),
}
POWER_LEVELS: dict[str, Any] = {
    "users_default": 0,
    "events_default": 0,
    "state_default": 50,
    "ban": 50,
    "kick": 50,
    "redact": 50,
    "invite": 0,
    "events": {
        "m.room.name": 50,
        "m.room.avatar": 50,
        "m.room.canonical_alias": 50,
        "m.room.power_levels": 100,
        "m.room.history_visibility": 100,
        "m.room.encryption": 100,
        "m.room.server_acl": 100,
        "m.room.tombstone": 100,
    },
}
TOMBSTONE_LEVEL_V12 = 150  # above every level that a creator would hand out


@dataclass(frozen=True, slots=True)
class Wish:
    """What the new room is to be. `initial_state`: (type, state key) → content, in order."""

    preset: str | None = None
    published: bool = False
    room_version: str | None = None
    creation_content: dict[str, Any] = field(default_factory=dict)
    power_levels: dict[str, Any] = field(default_factory=dict)
    initial_state: Sequence[tuple[StateKey, dict[str, Any]]] = ()
    name: str | None = None
    topic: str | None = None
    alias_name: str | None = None
    invited: Sequence[str] = ()
    is_direct: bool = False


def create_room(server: Server, caller: Caller, wish: Wish) -> str:
    """Make a room, with everything in it that was wished for or none; its ID.

    Raises RoomInUse, UnsupportedRoomVersion, InvalidRoomState, InvalidParam, EventTooLarge,
    InviteBlocked, LimitExceeded.
    """
    rules = _rules(server, wish)
    alias = _alias(server, caller, wish)
    _check_bounds(wish)
    _check_initial_state(wish, alias)
    if wish.published:
        directory.check_publication(server, caller, "")
    invited = _invited(server, wish)
    profiles = server.store.read(
        lambda tx: _profiles([caller.user_id, *invited], tx), snapshot=False
    )
    drafts = _drafts(server, caller, wish, rules, alias, profiles)
    try:
        created = server.writer.append_all(
            drafts, partial(_list_room, alias, wish.published, caller.user_id)
        )
    except (AuthRefused, InvalidEvent) as error:
        raise InvalidRoomState(f"Such a room is not possible: {error.message}") from error
    return created[0].room_id


def _rules(server: Server, wish: Wish) -> RoomRules:
    version = wish.room_version or server.config.default_room_version
    if version not in OFFERED_VERSIONS:
        raise UnsupportedRoomVersion(f"This server does not make rooms of version {version[:40]}")
    return rules_for(version)


def _alias(server: Server, caller: Caller, wish: Wish) -> str | None:
    if wish.alias_name is None:
        return None
    if ":" in wish.alias_name:
        raise InvalidParam("room_alias_name is the part of the alias before the colon")
    alias = f"#{wish.alias_name}:{server.name}"
    directory.check_new_alias(server, caller, alias, "")
    if server.store.read(lambda tx: rooms.resolve_alias(tx, alias), snapshot=False):
        raise RoomInUse("The alias is taken")
    return alias


def _check_bounds(wish: Wish) -> None:
    if len(wish.invited) > MAX_INVITED:
        raise InvalidParam(f"At most {MAX_INVITED} users can be invited to a new room")
    if len(wish.initial_state) > MAX_INITIAL_STATE:
        raise InvalidParam(f"initial_state has at most {MAX_INITIAL_STATE} events")


def _check_initial_state(wish: Wish, alias: str | None) -> None:
    """Raises InvalidRoomState for aliases that cannot lead here and for contents without sense."""
    for (kind, _), content in wish.initial_state:
        if kind == "m.room.canonical_alias":
            named = {name for name in directory.named_aliases(content) if name != alias}
            if named:
                raise InvalidRoomState(f"{min(named)} does not name the new room")
        elif kind in contents.CHECKS:
            contents.CHECKS[kind](content)


def _invited(server: Server, wish: Wish) -> list[str]:
    """Whom the room begins with, each once, also those whom its initial state invites.

    Raises InvalidParam for who cannot be reached, LimitExceeded.
    """
    by_state = [
        user_id
        for (kind, user_id), content in wish.initial_state
        if kind == "m.room.member" and content.get("membership") == "invite"
    ]
    invited = list(dict.fromkeys([*wish.invited, *by_state]))
    for user_id in invited:
        membership.check_reachable(server, user_id)
        server.limits.check("rc_invites.per_user", user_id)
    return invited


def _profiles(user_ids: list[str], tx: Transaction) -> dict[str, dict[str, Any]]:
    """What profiles put into membership events; the first is the creator's, others are invited.

    Raises InviteBlocked.
    """
    preferences.check_invitable(tx, user_ids[1:])
    found = users.profiles(tx, user_ids)
    return {
        user_id: {
            name: value
            for name, value in found.get(user_id, {}).items()
            if name in ("displayname", "avatar_url")
        }
        for user_id in user_ids
    }


def _list_room(
    alias: str | None, published: bool, creator: str, tx: Transaction, room: Room
) -> None:
    if alias is not None and not rooms.add_alias(tx, alias, room.room, creator):
        raise RoomInUse("The alias is taken")
    if published:
        rooms.publish(tx, room.room, published=True)


# --- the events, in the order that the spec gives ---


def _drafts(
    server: Server,
    caller: Caller,
    wish: Wish,
    rules: RoomRules,
    alias: str | None,
    profiles: dict[str, dict[str, Any]],
) -> list[Draft]:
    creator = UserId(caller.user_id)
    room_id = None if rules.hashed_room_id else new_room_id(server)
    join = membership.profile_content("join", profiles[creator])
    drafts = [
        Draft(room_id, creator, "m.room.create", _create_content(creator, wish, rules), ""),
        Draft(room_id, creator, "m.room.member", join, creator),
    ]
    drafts += [
        Draft(room_id, creator, kind, content, state_key)
        for (kind, state_key), content in _state(creator, wish, rules, alias)
    ]
    for user_id in dict.fromkeys(wish.invited):
        content = membership.profile_content("invite", profiles[user_id])
        if wish.is_direct:
            content["is_direct"] = True
        drafts.append(Draft(room_id, creator, "m.room.member", content, user_id))
    return drafts


def new_room_id(server: Server) -> RoomId:
    """A room ID for versions in which the server chooses it."""
    return RoomId(f"!{secrets.token_urlsafe(18)}:{server.name}")


def _create_content(creator: str, wish: Wish, rules: RoomRules) -> dict[str, Any]:
    content = {**wish.creation_content, "room_version": rules.version}
    content.pop("creator", None)
    if not rules.creator_is_sender:
        content["creator"] = creator
    if rules.privileged_creators and wish.preset == "trusted_private_chat":
        named = content.get("additional_creators", [])
        if not isinstance(named, list):
            raise InvalidRoomState("additional_creators is not a list")
        content["additional_creators"] = list(dict.fromkeys([*named, *wish.invited]))
    return content


def _state(
    creator: str, wish: Wish, rules: RoomRules, alias: str | None
) -> list[tuple[StateKey, dict[str, Any]]]:
    """What follows the creator's join, in order: each entry overrules what comes before it."""
    named = _name_and_topic(wish)
    initial = [(key, content) for key, content in wish.initial_state if key not in named]
    overruled = {key for key, _ in initial}
    entries = [(("m.room.power_levels", ""), _power_levels(creator, wish, rules))]
    if alias is not None:
        entries.append((("m.room.canonical_alias", ""), {"alias": alias}))
    entries += [(key, value) for key, value in _preset(wish).items() if key not in overruled]
    return [*entries, *initial, *named.items()]


def _preset(wish: Wish) -> dict[StateKey, dict[str, Any]]:
    preset = wish.preset or ("public_chat" if wish.published else "private_chat")
    join_rule, history_visibility, guest_access = PRESETS[preset]
    return {
        ("m.room.join_rules", ""): {"join_rule": join_rule},
        ("m.room.history_visibility", ""): {"history_visibility": history_visibility},
        ("m.room.guest_access", ""): {"guest_access": guest_access},
    }


def _name_and_topic(wish: Wish) -> dict[StateKey, dict[str, Any]]:
    entries: dict[StateKey, dict[str, Any]] = {}
    if wish.name is not None:
        entries["m.room.name", ""] = {"name": wish.name}
    if wish.topic is not None:
        plain = {"body": wish.topic, "mimetype": "text/plain"}
        entries["m.room.topic", ""] = {"topic": wish.topic, "m.topic": {"m.text": [plain]}}
    return entries


def _power_levels(creator: str, wish: Wish, rules: RoomRules) -> dict[str, Any]:
    content = {**POWER_LEVELS, "events": dict(POWER_LEVELS["events"])}
    if rules.privileged_creators:
        # v12+: creators stand above all levels and must not be named.
        content["users"] = {}
        content["events"]["m.room.tombstone"] = TOMBSTONE_LEVEL_V12
    else:
        content["users"] = {creator: 100}
        if wish.preset == "trusted_private_chat":
            content["users"] |= dict.fromkeys(wish.invited, 100)
    return content | wish.power_levels
