"""Profiles, and their way into the member events of the user's rooms.

Spec: client-server-api/#profiles
"""

import re
from typing import Any

from chat.protocol import canonical_json
from chat.protocol.errors import (
    BadJson,
    Forbidden,
    InvalidParam,
    KeyTooLarge,
    MissingParam,
    MissingToken,
    NotFound,
    ProfileTooLarge,
)
from chat.protocol.identifiers import parse_user_id
from chat.services.accounts import profile_carry
from chat.services.accounts.profile_carry import SHOWN_IN_ROOMS
from chat.services.caller import Caller
from chat.services.server import Server
from chat.storage import profile_carry as carries
from chat.storage import user_directory, users
from chat.storage.engine import Transaction

DISPLAYNAME = "displayname"
AVATAR_URL = "avatar_url"
MAX_FIELD_NAME_BYTES = 255
MAX_LENGTHS = {DISPLAYNAME: 256, AVATAR_URL: 1000}
MAX_PROFILE_BYTES = 65_536

_FIELD_NAME = re.compile(r"[a-z][a-z0-9_.-]*")


def get(server: Server, caller: Caller | None, user_id: str) -> dict[str, Any]:
    """The whole profile. Raises InvalidIdentifier, NotFound, MissingToken, Forbidden."""
    parse_user_id(user_id)

    def work(tx: Transaction) -> dict[str, Any] | None:
        _check_may_see(tx, server, caller, user_id)
        user = users.find(tx, user_id)
        return users.profile(tx, user_id) if user and not user.deactivated else None

    profile = server.store.read(work)
    if profile is None:
        raise NotFound("There is no such user")
    return profile


def get_field(server: Server, caller: Caller | None, user_id: str, field: str) -> dict[str, Any]:
    """One field as {name: value}. Raises NotFound where it is not set, and as `get`."""
    profile = get(server, caller, user_id)
    if field not in profile:
        raise NotFound("This field is not set")
    return {field: profile[field]}


def set_field(
    server: Server, caller: Caller, user_id: str, field: str, body: dict[str, Any]
) -> None:
    """Set a field of the caller's own profile, and carry it into the caller's rooms.

    Raises Forbidden, KeyTooLarge, InvalidParam, MissingParam, ProfileTooLarge.
    """
    _check_may_change(server, caller, user_id, field)
    if field not in body:
        raise MissingParam(f"{field} is missing")
    value = _checked(field, body[field])

    def work(tx: Transaction) -> bool:
        users.lock(tx, user_id)
        profile = users.profile(tx, user_id)
        if profile.get(field, ...) == value:
            return False
        if len(canonical_json.encode({**profile, field: value}, strict=False)) > MAX_PROFILE_BYTES:
            raise ProfileTooLarge(f"A profile is limited to {MAX_PROFILE_BYTES} bytes")
        users.set_profile_field(tx, user_id, field, value)
        _note_change(tx, user_id, field)
        return True

    if server.store.write(work) and field in SHOWN_IN_ROOMS:
        profile_carry.carry(server, user_id)


def delete_field(server: Server, caller: Caller, user_id: str, field: str) -> None:
    """Remove a field of the caller's own profile. Raises as `set_field`."""
    _check_may_change(server, caller, user_id, field)

    def work(tx: Transaction) -> bool:
        users.lock(tx, user_id)
        removed = users.delete_profile_field(tx, user_id, field)
        if removed:
            _note_change(tx, user_id, field)
        return removed

    if server.store.write(work) and field in SHOWN_IN_ROOMS:
        profile_carry.carry(server, user_id)


def _note_change(tx: Transaction, user_id: str, field: str) -> None:
    """Let what shows the field follow."""
    if field in SHOWN_IN_ROOMS:
        carries.note(tx, user_id)


def managed_fields(server: Server, caller: Caller) -> list[str]:
    """The fields that the server manages, so that the caller cannot change them."""
    config = server.config
    settable = {
        DISPLAYNAME: config.enable_set_displayname,
        AVATAR_URL: config.enable_set_avatar_url,
    }
    return [field for field, may_set in settable.items() if not may_set and not caller.is_admin]


def _check_may_see(tx: Transaction, server: Server, caller: Caller | None, user_id: str) -> None:
    """Raises MissingToken or Forbidden where the configuration hides profiles from the caller.

    Spec: client-server-api/#profiles (the users whose profiles must be shown)
    """
    config = server.config
    limited = config.limit_profile_requests_to_users_who_share_rooms
    if not limited and not config.require_auth_for_profile_requests:
        return
    if caller is None:
        raise MissingToken("Profiles are shown to users of this server only")
    if not limited or user_id == caller.user_id:
        return
    if not user_directory.visible(tx, caller.user_id, [user_id]):
        raise Forbidden("You share no room with this user")


def _check_may_change(server: Server, caller: Caller, user_id: str, field: str) -> None:
    if caller.user_id != user_id:
        raise Forbidden("This is another user's profile")
    if caller.is_guest and field != DISPLAYNAME:
        raise Forbidden("Guests may only change their display name")
    if field in managed_fields(server, caller):
        raise Forbidden("This field is managed by the server")
    if len(field.encode("utf-8", "surrogatepass")) > MAX_FIELD_NAME_BYTES:
        raise KeyTooLarge("The name of the field is too long")
    if not _FIELD_NAME.fullmatch(field):
        raise InvalidParam("The name of the field is not lawful")


def _checked(field: str, value: Any) -> Any:
    """The value, if it has the form that its field asks for."""
    longest = MAX_LENGTHS.get(field)
    if longest is None:
        return value
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadJson(f"{field} must be a string")
    if len(value) > longest:
        raise InvalidParam(f"{field} is limited to {longest} characters")
    return value
