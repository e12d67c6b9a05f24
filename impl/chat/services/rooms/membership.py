"""Joining, inviting, leaving, removing, banning, knocking, forgetting.

Each is a membership event, authorised under the room's lock. What the rules of a room version allow
but a client must not do by that name (unbanning by a kick, say) is checked there too.
"""

from typing import Any

from chat.protocol.auth_rules.levels import named_level, power_level_of
from chat.protocol.errors import (
    AuthRefused,
    BadState,
    Forbidden,
    GuestAccessForbidden,
    InvalidParam,
    NotFound,
    Unknown,
)
from chat.protocol.event import Event, StateKey
from chat.protocol.event_builder import Draft
from chat.protocol.identifiers import RoomId, UserId, parse_room_id, parse_user_id, server_of
from chat.protocol.room_versions import rules_for
from chat.services import typing
from chat.services.caller import Caller
from chat.services.rooms import current_state, directory, following, preferences
from chat.services.rooms.batch import Check, Lookup
from chat.services.rooms.derived import member_key, membership_of
from chat.services.rooms.following import Step
from chat.services.server import Server
from chat.storage import purge, room_lists, rooms, streams, users
from chat.storage.engine import Transaction
from chat.storage.rooms import Room, Seen
from chat.storage.streams import Change, Kind

MEMBER = "m.room.member"
CREATE: StateKey = ("m.room.create", "")
POWER_LEVELS: StateKey = ("m.room.power_levels", "")
JOIN_RULES: StateKey = ("m.room.join_rules", "")
GUEST_ACCESS: StateKey = ("m.room.guest_access", "")
PRESENT = ("join", "invite", "knock")


# --- by users about themselves ---


def room_named(server: Server, room_id_or_alias: str) -> str:
    """The room ID that an ID or alias means. Raises InvalidParam, NotFound."""
    if room_id_or_alias.startswith("#"):
        return directory.resolve(server, room_id_or_alias)
    return parse_room_id(room_id_or_alias)


def join(server: Server, caller: Caller, room_id: str, reason: str | None = None) -> None:
    """Join a room; whoever is in it stays in it.

    Raises Forbidden, GuestAccessForbidden, NotFound for a room that is not known here.
    Spec: client-server-api/#post_matrixclientv3roomsroomidjoin
    """

    def prepare(tx: Transaction) -> tuple[dict[str, Any], Step | None] | None:
        seen = _seen(tx, caller.user_id, room_id)
        if seen.membership == "join":
            return None
        content = _content("join", reason, _shown_profile(tx, caller.user_id))
        if seen.join_rule in ("restricted", "knock_restricted") and seen.membership != "invite":
            content |= _authorisation_by(tx, caller, seen.room)
        return content, following.step_to(tx, seen.room)

    prepared = server.store.read(prepare, snapshot=False)  # the writer decides, not this
    if prepared is None:
        return
    content, step = prepared
    server.limits.check_for(caller, "rc_joins_per_room", room_id)
    check = _guests_may_join if caller.is_guest else None
    _append(server, caller.user_id, room_id, caller.user_id, content, check)
    if step is not None:
        following.take(server, caller.user_id, step)


def knock(server: Server, caller: Caller, room_id: str, reason: str | None = None) -> None:
    """Ask to be let in. Raises Forbidden, NotFound for a room that is not known here.

    Spec: client-server-api/#post_matrixclientv3knockroomidoralias
    """

    def prepare(tx: Transaction) -> dict[str, Any]:
        _seen(tx, caller.user_id, room_id)
        return _content("knock", reason, _shown_profile(tx, caller.user_id))

    content = server.store.read(prepare)
    _append(server, caller.user_id, room_id, caller.user_id, content)


def leave(server: Server, caller: Caller, room_id: str, reason: str | None = None) -> None:
    """Leave a room, decline an invite or take back a knock; once is enough.

    Raises Forbidden where the caller never was or is banned, NotFound for an unknown room.
    Spec: client-server-api/#post_matrixclientv3roomsroomidleave
    """
    seen = server.store.read(lambda tx: _seen(tx, caller.user_id, room_id), snapshot=False)
    if seen.member is None:
        raise Forbidden("You are not in this room")
    if seen.membership != "leave":
        _append(server, caller.user_id, room_id, caller.user_id, _content("leave", reason))


def forget(server: Server, caller: Caller, room_id: str) -> None:
    """Never show the room, which the caller has left, again.

    Raises NotFound for an unknown room, Unknown where the caller is in it or never was.

    Spec: client-server-api/#post_matrixclientv3roomsroomidforget
    """

    def work(tx: Transaction) -> None:
        member = rooms.local_member(tx, caller.user_id, room_id)
        if member is None:
            if rooms.find(tx, room_id) is None:
                raise NotFound("There is no such room")
            raise Unknown("You were never in this room")
        if member.membership in PRESENT:
            raise Unknown("Leave the room before forgetting it")
        rooms.forget(tx, caller.user_id, member.room)
        purge.note_if_ended(tx, member.room, server.clock.now_ms())
        # What the user's list of rooms holds is remembered by every worker.
        streams.append(tx, [Change(Kind.MEMBERSHIP, member.room, caller.user_id, member.ev)])

    server.store.write(work)


# --- about others ---


def invite(
    server: Server,
    caller: Caller,
    room_id: str,
    user_id: str,
    reason: str | None = None,
) -> None:
    """Invite a user, who need not be registered yet.

    Raises Forbidden, NotFound, InvalidParam, InviteBlocked, LimitExceeded.
    Spec: client-server-api/#post_matrixclientv3roomsroomidinvite
    """
    check_reachable(server, user_id)

    content = _content("invite", reason, _prepare_invite(server, caller, room_id, user_id))
    _append(server, caller.user_id, room_id, user_id, content)


def _prepare_invite(server: Server, caller: Caller, room_id: str, user_id: str) -> dict[str, Any]:
    """The invited user's profile, for the event.

    Raises Forbidden for outsiders, NotFound, InviteBlocked, LimitExceeded.
    """

    def prepare(tx: Transaction) -> dict[str, Any]:
        if _seen(tx, caller.user_id, room_id).membership != "join":
            raise Forbidden("You are not in this room")
        preferences.check_invitable(tx, [user_id])
        return _shown_profile(tx, user_id)

    profile = server.store.read(prepare)
    server.limits.check_for(caller, "rc_invites.per_room", room_id)
    server.limits.check_for(caller, "rc_invites.per_user", user_id)
    return profile


def kick(
    server: Server, caller: Caller, room_id: str, user_id: str, reason: str | None = None
) -> None:
    """Remove a user. Raises Forbidden, also where they are not there; NotFound for the room.

    Spec: client-server-api/#post_matrixclientv3roomsroomidkick
    """

    def check(state: Lookup) -> None:
        if membership_of(state(member_key(user_id))) not in PRESENT:
            raise Forbidden("The user is not in this room")

    _remove(server, caller, room_id, user_id, _content("leave", reason), check)


def ban(
    server: Server, caller: Caller, room_id: str, user_id: str, reason: str | None = None
) -> None:
    """Ban a user, who need not be there. Raises Forbidden, NotFound for the room.

    Spec: client-server-api/#post_matrixclientv3roomsroomidban
    """
    _remove(server, caller, room_id, user_id, _content("ban", reason), None)


def unban(
    server: Server, caller: Caller, room_id: str, user_id: str, reason: str | None = None
) -> None:
    """Lift a ban. Raises BadState where there is none, Forbidden, NotFound for the room.

    Spec: client-server-api/#post_matrixclientv3roomsroomidunban
    """

    def check(state: Lookup) -> None:
        if membership_of(state(member_key(caller.user_id))) != "join":
            raise Forbidden("You are not in this room")
        if membership_of(state(member_key(user_id))) != "ban":
            raise BadState("The user is not banned")

    _remove(server, caller, room_id, user_id, _content("leave", reason), check)


# --- by other ways ---


def check_by_state(
    server: Server, caller: Caller, room_id: str, user_id: str, content: dict[str, Any]
) -> Check | None:
    """Refuse, for a membership that is set as state, what the operation of its own would refuse.

    What has to be looked at under the room's lock is returned. Raises InvalidParam, Forbidden,
    NotFound, InviteBlocked, LimitExceeded.
    """
    parse_user_id(user_id)
    membership = content.get("membership")
    if membership == "invite":
        check_reachable(server, user_id)
        _prepare_invite(server, caller, room_id, user_id)
    if membership == "join" and user_id == caller.user_id:
        seen = server.store.read(lambda tx: _seen(tx, user_id, room_id), snapshot=False)
        if seen.membership != "join":
            server.limits.check("rc_joins", user_id)
            server.limits.check_for(caller, "rc_joins_per_room", room_id)
            return _guests_may_join if caller.is_guest else None
    return None


def expel_guests(server: Server, room_id: str) -> None:
    """Have the guests leave a room that takes guests no longer.

    From the change of `m.room.guest_access` on no guest can join, so none is overlooked.
    Spec: client-server-api/#guest-access
    """

    def prepare(tx: Transaction) -> list[Draft]:
        room = rooms.get(tx, room_id)
        state = {} if room is None else current_state.events_of(tx, room, [GUEST_ACCESS])
        if _takes_guests(state.get(GUEST_ACCESS)):
            return []
        leave = _content("leave", "Guests may no longer be in this room")
        guests = room_lists.joined_guests(tx, room_id)
        return [_draft(guest, room_id, guest, leave) for guest in guests]

    for outcome in server.writer.append_each(server.store.read(prepare)):
        if isinstance(outcome, Exception) and not isinstance(outcome, AuthRefused):
            raise outcome


def _remove(
    server: Server,
    caller: Caller,
    room_id: str,
    user_id: str,
    content: dict[str, Any],
    check: Check | None,
) -> None:
    parse_user_id(user_id)
    _append(server, caller.user_id, room_id, user_id, content, check)


# --- what they share ---


def check_reachable(server: Server, user_id: str) -> None:
    """Raises InvalidParam for what is no user ID, and for users whom no event of ours reaches."""
    if server_of(parse_user_id(user_id)) != server.name:
        raise InvalidParam("Users of other servers cannot be reached")


def profile_content(membership: str, profile: dict[str, Any]) -> dict[str, Any]:
    """The content of a membership event with the user's profile."""
    return _content(membership, None, profile)


def _append(
    server: Server,
    sender: str,
    room_id: str,
    user_id: str,
    content: dict[str, Any],
    check: Check | None = None,
) -> None:
    server.writer.append(_draft(sender, room_id, user_id, content), check=check)
    if content["membership"] != "join":
        typing.end(server, user_id, room_id)


def _draft(sender: str, room_id: str, user_id: str, content: dict[str, Any]) -> Draft:
    return Draft(RoomId(room_id), UserId(sender), MEMBER, content, user_id)


def _content(
    membership: str, reason: str | None, profile: dict[str, Any] | None = None
) -> dict[str, Any]:
    content: dict[str, Any] = {"membership": membership, **(profile or {})}
    return content if reason is None else content | {"reason": reason}


def _shown_profile(tx: Transaction, user_id: str) -> dict[str, Any]:
    profile = users.profile(tx, user_id)
    return {name: profile[name] for name in ("displayname", "avatar_url") if name in profile}


def _seen(tx: Transaction, user_id: str, room_id: str) -> Seen:
    """The room and the user's membership. Raises NotFound for an unknown room."""
    found = rooms.seen(tx, user_id, room_id)
    if found is None:
        raise NotFound("This server does not know the room")
    return found


def _guests_may_join(state: Lookup) -> None:
    if not _takes_guests(state(GUEST_ACCESS)):
        raise GuestAccessForbidden("Guests may not join this room")


def _takes_guests(rule: Event | None) -> bool:
    return rule is not None and rule.content.get("guest_access") == "can_join"


# --- restricted rooms: members of another room may join ---


def _authorisation_by(tx: Transaction, caller: Caller, room: Room) -> dict[str, Any]:
    """The field of a join to a restricted room that names who authorises it.

    Spec: client-server-api/#restricted-rooms
    """
    found = current_state.events_of(tx, room, [JOIN_RULES, CREATE, POWER_LEVELS])
    if not _is_let_in(tx, caller, found[JOIN_RULES].content.get("allow")):
        return {}
    authoriser = _who_may_invite(tx, room, found)
    return {} if authoriser is None else {"join_authorised_via_users_server": authoriser}


def _is_let_in(tx: Transaction, caller: Caller, allowed: object) -> bool:
    """Whether the caller is joined to one of the rooms that a join rule names."""
    conditions = allowed if isinstance(allowed, list) else []
    joined = {member.room_id for member in rooms.memberships(tx, caller.user_id, ["join"])}
    return any(
        isinstance(condition, dict)
        and condition.get("type") == "m.room_membership"
        and condition.get("room_id") in joined
        for condition in conditions
    )


def _who_may_invite(tx: Transaction, room: Room, found: dict[StateKey, Event]) -> str | None:
    """A joined user of this server who could invite: the first by ID."""
    rules, power_levels = rules_for(room.version), found.get(POWER_LEVELS)
    needed = named_level("invite", power_levels, rules)
    for user_id in rooms.local_users(tx, room.room):
        if power_level_of(user_id, power_levels, found[CREATE], rules) >= needed:
            return user_id
    return None
