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
    NotFound,
    ProfileTooLarge,
)
from chat.protocol.identifiers import parse_user_id
from chat.services.caller import Caller
from chat.services.rooms import membership
from chat.services.server import Server
from chat.storage import users
from chat.storage.engine import Transaction

DISPLAYNAME = "displayname"
AVATAR_URL = "avatar_url"
SHOWN_IN_ROOMS = (DISPLAYNAME, AVATAR_URL)
MAX_FIELD_NAME_BYTES = 255
MAX_LENGTHS = {DISPLAYNAME: 256, AVATAR_URL: 1000}
MAX_PROFILE_BYTES = 65_536

_FIELD_NAME = re.compile(r"[a-z][a-z0-9_.-]*")


def get(server: Server, user_id: str) -> dict[str, Any]:
    """The whole profile. Raises InvalidIdentifier, NotFound."""
    parse_user_id(user_id)

    def work(tx: Transaction) -> dict[str, Any] | None:
        user = users.find(tx, user_id)
        return users.profile(tx, user_id) if user and not user.deactivated else None

    profile = server.store.read(work)
    if profile is None:
        raise NotFound("There is no such user")
    return profile


def get_field(server: Server, user_id: str, field: str) -> dict[str, Any]:
    """One field as {name: value}. Raises NotFound where it is not set."""
    profile = get(server, user_id)
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
        return True

    if server.store.write(work) and field in SHOWN_IN_ROOMS:
        membership.carry_profile(server, user_id)


def delete_field(server: Server, caller: Caller, user_id: str, field: str) -> None:
    """Remove a field of the caller's own profile. Raises as `set_field`."""
    _check_may_change(server, caller, user_id, field)
    server.store.write(lambda tx: users.delete_profile_field(tx, user_id, field))
    if field in SHOWN_IN_ROOMS:
        membership.carry_profile(server, user_id)


def _check_may_change(server: Server, caller: Caller, user_id: str, field: str) -> None:
    if caller.user_id != user_id:
        raise Forbidden("This is another user's profile")
    if caller.is_guest and field != DISPLAYNAME:
        raise Forbidden("Guests may only change their display name")
    config = server.config
    if field == DISPLAYNAME and not config.enable_set_displayname and not caller.is_admin:
        raise Forbidden("Display names are managed by the server")
    if field == AVATAR_URL and not config.enable_set_avatar_url and not caller.is_admin:
        raise Forbidden("Avatars are managed by the server")
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
