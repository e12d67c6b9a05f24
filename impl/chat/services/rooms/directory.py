"""Names of rooms, and the directory of published rooms.

Spec: client-server-api/#room-aliases, #published-room-directory
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chat.config.model import DirectoryRule
from chat.protocol.auth_rules.levels import power_level_of, required_level
from chat.protocol.errors import (
    AliasInUse,
    BadAlias,
    Forbidden,
    InvalidParam,
    NotFound,
    Unreachable,
)
from chat.protocol.event import Event, StateKey
from chat.protocol.globs import Glob
from chat.protocol.identifiers import parse_room_alias, parse_room_id, server_of
from chat.protocol.room_versions import rules_for
from chat.services.caller import Caller
from chat.services.rooms import current_state
from chat.services.server import Server
from chat.storage import rooms
from chat.storage.engine import Transaction
from chat.storage.rooms import Room, Summary

MAX_PAGE = 500
DEFAULT_PAGE = 100
MAX_ALIASES = 100  # that a canonical alias names

CANONICAL_ALIAS = "m.room.canonical_alias"
CREATE: StateKey = ("m.room.create", "")
POWER_LEVELS: StateKey = ("m.room.power_levels", "")


@dataclass(frozen=True, slots=True)
class PublicRoom:
    """What the directory shows of a room; None where the room has not set it."""

    room_id: str
    joined: int
    name: str | None
    topic: str | None
    canonical_alias: str | None
    avatar_url: str | None
    join_rule: str
    room_type: str | None
    world_readable: bool
    guest_can_join: bool


@dataclass(frozen=True, slots=True)
class PublicRoomsQuery:
    """Which rooms are wanted. `room_types`: None in it stands for rooms without a type."""

    server: str | None = None
    limit: int | None = None
    since: str | None = None
    term: str | None = None
    room_types: Sequence[str | None] | None = None


@dataclass(frozen=True, slots=True)
class PublicRoomsPage:
    """A page of the directory; tokens are None at its ends."""

    rooms: list[PublicRoom]
    next_batch: str | None
    prev_batch: str | None
    total: int


def resolve(server: Server, alias: str) -> str:
    """The ID of the room that an alias names. Raises InvalidIdentifier, NotFound."""
    parse_room_alias(alias)
    found = server.store.read(lambda tx: rooms.resolve_alias(tx, alias), snapshot=False)
    if found is None:
        raise NotFound("There is no room of this alias")
    return found[1]


def set_alias(server: Server, caller: Caller, alias: str, room_id: str) -> None:
    """Name a room. Raises InvalidIdentifier, InvalidParam, Forbidden, NotFound, AliasInUse (409).

    Spec: client-server-api/#put_matrixclientv3directoryroomroomalias
    """
    check_new_alias(server, caller, alias, room_id)

    def work(tx: Transaction) -> None:
        room = _known(tx, room_id)
        member = rooms.local_member(tx, caller.user_id, room_id)
        joined = member is not None and member.membership == "join"
        if server.config.require_membership_for_aliases and not (joined or caller.is_admin):
            raise Forbidden("Only members of a room may name it")
        if not rooms.add_alias(tx, alias, room.room, caller.user_id):
            raise AliasInUse("This alias is taken")

    server.store.write(work)


def check_new_alias(server: Server, caller: Caller, alias: str, room_id: str) -> None:
    """Raises InvalidIdentifier, InvalidParam, Forbidden unless the caller may make this alias.

    `room_id` is empty for a room that is about to be made.
    """
    parse_room_alias(alias)
    if server_of(alias) != server.name:
        raise InvalidParam("An alias here must end in the name of this server")
    _check_rules(server.config.alias_creation_rules, caller.user_id, alias, room_id)


def named_aliases(content: dict[str, Any]) -> list[str]:
    """The aliases that an `m.room.canonical_alias` names. Raises InvalidParam.

    Spec: client-server-api/#mroomcanonical_alias
    """
    alternatives = content.get("alt_aliases")
    if not isinstance(alternatives, list | None):
        raise InvalidParam("alt_aliases is a list")
    if content.get("alias") in (None, ""):
        named = list(alternatives or ())
    else:
        named = [content["alias"], *(alternatives or ())]
    for alias in named:
        if not isinstance(alias, str):
            raise InvalidParam("An alias is a string")
        parse_room_alias(alias)
    return named


def check_canonical_alias(server: Server, room_id: str, content: dict[str, Any]) -> None:
    """Raises BadAlias, InvalidParam unless each alias that is named anew leads to the room."""
    named = named_aliases(content)
    if len(named) > MAX_ALIASES:
        raise InvalidParam(f"At most {MAX_ALIASES} aliases can be named")

    def work(tx: Transaction) -> None:
        room = rooms.get(tx, room_id)
        key = (CANONICAL_ALIAS, "")
        standing = {} if room is None else current_state.events_of(tx, room, [key])
        for alias in set(named) - _aliases_in(standing.get(key)):
            found = rooms.resolve_alias(tx, alias)
            if found is None or found[1] != room_id:
                raise BadAlias(f"{alias} does not name this room")

    server.store.read(work)


def _aliases_in(event: Event | None) -> set[str]:
    try:
        return set() if event is None else set(named_aliases(event.content))
    except InvalidParam:
        return set()  # it came from another server, which takes it with other eyes


def _check_rules(rules: Sequence[DirectoryRule], user_id: str, alias: str, room_id: str) -> None:
    """The first rule that matches decides; without one the answer is no."""
    for rule in rules:
        wanted = ((rule.user_id, user_id), (rule.alias, alias), (rule.room_id, room_id))
        if all(Glob(pattern).matches(text) for pattern, text in wanted):
            if rule.action == "allow":
                return
            break
    raise Forbidden("The rules of this server do not allow this")


def delete_alias(server: Server, caller: Caller, alias: str) -> None:
    """Take a name away: its creator, an administrator, or who may set the canonical alias.

    Raises InvalidIdentifier, NotFound, Forbidden.
    """
    parse_room_alias(alias)

    def work(tx: Transaction) -> None:
        found = rooms.resolve_alias(tx, alias)
        if found is None:
            raise NotFound("There is no such alias")
        _, room_id, creator = found
        if caller.user_id != creator and not caller.is_admin:
            _check_may_manage(tx, caller.user_id, _known(tx, room_id))
        rooms.remove_alias(tx, alias)

    server.store.write(work)


def local_aliases(server: Server, caller: Caller, room_id: str) -> list[str]:
    """The aliases of a room, for its members and for all where it is world-readable.

    Raises Forbidden, NotFound. Spec: client-server-api/#get_matrixclientv3roomsroomidaliases
    """
    parse_room_id(room_id)

    def work(tx: Transaction) -> list[str]:
        room = rooms.get(tx, room_id)
        member = rooms.local_member(tx, caller.user_id, room_id)
        joined = member is not None and member.membership == "join"
        if room is None:
            raise NotFound("There is no such room")
        if not (joined or caller.is_admin or _world_readable(tx, room)):
            raise Forbidden("You are not in this room")
        return rooms.aliases(tx, room.room)

    return server.store.read(work)


def _world_readable(tx: Transaction, room: Room) -> bool:
    summary = rooms.summaries(tx, [room.room])[room.room]
    return summary.history_visibility == "world_readable"


def check_publication(server: Server, caller: Caller, room_id: str) -> None:
    """Raises Forbidden where the rules of this server keep the caller's room out of the list."""
    _check_rules(server.config.room_list_publication_rules, caller.user_id, "", room_id)


def is_published(server: Server, room_id: str) -> bool:
    """Whether the directory lists the room. Raises NotFound."""
    return server.store.read(lambda tx: rooms.is_published(tx, _known(tx, room_id).room))


def publish(server: Server, caller: Caller, room_id: str, *, published: bool) -> None:
    """List a room or take it out. Raises NotFound, Forbidden.

    It takes the power to set the room's canonical alias, in a room the caller is in.
    """

    def work(tx: Transaction) -> None:
        room = _known(tx, room_id)
        if not caller.is_admin:
            _check_may_manage(tx, caller.user_id, room)
        rooms.publish(tx, room.room, published=published)

    if published:
        check_publication(server, caller, room_id)
    server.store.write(work)


def _known(tx: Transaction, room_id: str) -> Room:
    room = rooms.get(tx, room_id)
    if room is None:
        raise NotFound("There is no such room")
    return room


def _check_may_manage(tx: Transaction, user_id: str, room: Room) -> None:
    """Whether the user may set the canonical alias, as the measure of a room's managers."""
    member = rooms.local_member(tx, user_id, room.room_id)
    if member is None or member.membership != "join":
        raise Forbidden("You are not in this room")
    rules = rules_for(room.version)
    state = current_state.events_of(tx, room, [CREATE, POWER_LEVELS])
    power_levels = state.get(POWER_LEVELS)
    level = power_level_of(user_id, power_levels, state[CREATE], rules)
    if level < required_level(CANONICAL_ALIAS, power_levels, rules, is_state=True):
        raise Forbidden("You may not manage the names of this room")


def public_rooms(server: Server, query: PublicRoomsQuery) -> PublicRoomsPage:
    """A page of published rooms: most members first.

    Raises InvalidParam for a token that is none of ours, Unreachable for the directory of others.
    """
    if query.server not in (None, server.name):
        raise Unreachable("The directories of other servers cannot be asked yet")
    limit = min(query.limit or DEFAULT_PAGE, MAX_PAGE)
    backwards, mark = _read_token(query.since)

    def work(tx: Transaction) -> tuple[list[Summary], int]:
        found = rooms.published(
            tx,
            None if backwards else mark,
            mark if backwards else None,
            query.term,
            query.room_types,
            limit + 1,
        )
        return found, rooms.count_published(tx, query.term, query.room_types)

    found, total = server.store.read(work)
    return _page(found, total, limit, mark, backwards=backwards)


def _page(
    found: list[Summary],
    total: int,
    limit: int,
    mark: tuple[int, int] | None,
    *,
    backwards: bool,
) -> PublicRoomsPage:
    more = len(found) > limit
    entries = found[:limit]
    if backwards:
        entries.reverse()
    before = more if backwards else mark is not None
    after = backwards or more
    return PublicRoomsPage(
        [_shown(entry) for entry in entries],
        _token("n", entries[-1]) if after and entries else None,
        _token("p", entries[0]) if before and entries else None,
        total,
    )


def _shown(summary: Summary) -> PublicRoom:
    return PublicRoom(
        room_id=summary.room_id,
        joined=summary.joined,
        name=summary.name,
        topic=summary.topic,
        canonical_alias=summary.canonical_alias,
        avatar_url=summary.avatar_url,
        join_rule=summary.join_rule or "invite",  # one that is not told would mean public
        room_type=summary.room_type,
        world_readable=summary.history_visibility == "world_readable",
        guest_can_join=summary.guest_access == "can_join",
    )


def _token(direction: str, entry: Summary) -> str:
    text = json.dumps([direction, entry.joined, entry.room])
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _read_token(token: str | None) -> tuple[bool, tuple[int, int] | None]:
    """(backwards, the entry next to which to go on). Raises InvalidParam."""
    if not token:
        return False, None
    try:
        padded = token + "=" * (-len(token) % 4)
        direction, joined, room = json.loads(base64.urlsafe_b64decode(padded))
    except (binascii.Error, ValueError, TypeError) as error:
        raise InvalidParam("since is no token of this directory") from error
    if direction not in ("n", "p") or type(joined) is not int or type(room) is not int:
        raise InvalidParam("since is no token of this directory")
    return direction == "p", (joined, room)
