"""Logging in by password."""

from dataclasses import dataclass
from typing import Any

from chat.protocol.errors import Forbidden, InvalidIdentifier, Unknown, UserDeactivated
from chat.protocol.identifiers import localpart_of, parse_user_id, server_of
from chat.services.accounts import passwords, tokens
from chat.services.accounts.tokens import Login
from chat.services.server import Server
from chat.storage import users
from chat.storage.users import User

WRONG = "Wrong user name or password"


@dataclass(frozen=True, slots=True)
class DeviceWish:
    """Which device logs in: a known or new ID, the name of a new one, whether it can refresh."""

    device_id: str | None = None
    display_name: str | None = None
    refreshable: bool = False


def full_user_id(server: Server, user: str) -> str:
    """A user ID from a user ID or localpart of this server. Raises Forbidden for others'."""
    text = user if user.startswith("@") else f"@{user}:{server.name}"
    try:
        user_id = parse_user_id(text)
    except InvalidIdentifier as error:
        raise Forbidden(WRONG) from error
    if server_of(user_id) != server.name:
        raise Forbidden(WRONG)
    return user_id


def identified_user(server: Server, identifier: dict[str, Any]) -> str:
    """The user that a login identifier names. Raises Unknown for kinds that are not supported."""
    kind, user = identifier.get("type"), identifier.get("user")
    if kind != "m.id.user" or not isinstance(user, str):
        raise Unknown("This kind of identifier is not supported")
    return full_user_id(server, user)


def check_password(server: Server, user_id: str, password: str) -> User:
    """The account whose password this is.

    Raises Forbidden, UserDeactivated, LimitExceeded after too many wrong ones. User names are
    found whatever their case, where the exact one does not exist.
    """
    counted = user_id.lower()  # as it is found in any case
    # Taken beforehand, so that attempts at the same time do not all see the same room left.
    server.limits.check("rc_login.failed_attempts", counted)
    user = server.store.read(lambda tx: users.find(tx, user_id))
    if user is None:
        lower = f"@{localpart_of(user_id).lower()}:{server.name}"
        user = server.store.read(lambda tx: users.find(tx, lower))
    config = server.config
    stored = user.password_hash if user else None
    pepper = config.password_config.pepper
    if not passwords.matches(password, pepper, stored, config.bcrypt_rounds):
        if user is not None and user.deactivated:
            raise UserDeactivated("This account has been deactivated")
        raise Forbidden(WRONG)
    assert user is not None
    server.limits.give_back("rc_login.failed_attempts", counted)
    return user


def login_with_password(server: Server, user_id: str, password: str, wish: DeviceWish) -> Login:
    """Check a password and open a session. Raises as `check_password`, Forbidden when off."""
    if not server.config.password_config.enabled:
        raise Forbidden("Password login is switched off")
    server.limits.check("rc_login.account", user_id.lower())
    user = check_password(server, user_id, password)
    return server.store.write(
        lambda tx: tokens.open_session(
            server,
            tx,
            user.user_id,
            wish.device_id,
            wish.display_name,
            refreshable=wish.refreshable,
        )
    )
