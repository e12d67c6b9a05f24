"""Making accounts: by anybody, by guests, and by holders of the shared secret."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from chat.protocol.errors import (
    Forbidden,
    InvalidIdentifier,
    InvalidParam,
    InvalidUsername,
    Unknown,
    UserInUse,
    WeakPassword,
)
from chat.protocol.identifiers import parse_new_localpart, parse_user_id
from chat.services.accounts import interactive, passwords, tokens
from chat.services.accounts.interactive import Completed, Guarded
from chat.services.accounts.login import DeviceWish
from chat.services.accounts.tokens import Login
from chat.services.server import Server
from chat.storage import users
from chat.storage.engine import Transaction
from chat.storage.users import User

MAX_PASSWORD_LENGTH = 512
NONCE_LIFETIME_MS = 60_000


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A wish for an account; without `login` no session is opened."""

    username: str | None
    password: str | None
    login: DeviceWish | None
    display_name: str | None = None
    is_admin: bool = False
    user_type: str | None = None


def wanted_user_id(server: Server, username: str) -> str:
    """The user ID for a wanted name; capitals are lowered. Raises InvalidUsername."""
    try:
        return parse_user_id(f"@{parse_new_localpart(username.lower())}:{server.name}")
    except InvalidIdentifier as error:
        raise InvalidUsername(error.message) from error


def check_available(server: Server, username: str) -> None:
    """Whether a name could be registered. Raises InvalidUsername, UserInUse."""
    user_id = wanted_user_id(server, username)
    if server.config.inhibit_user_in_use_error:
        return
    if server.store.read(lambda tx: users.exists(tx, user_id)):
        raise UserInUse("This user name is taken")


def check_password_policy(server: Server, password: str) -> None:
    """Raises WeakPassword where the password does not satisfy `password_config.policy`."""
    policy = server.config.password_config.policy
    if not password:
        raise WeakPassword("The password is empty")
    if not policy.enabled:
        return
    demands = [
        (len(password) < policy.minimum_length, f"at least {policy.minimum_length} characters"),
        (policy.require_digit and not any(c.isdigit() for c in password), "a digit"),
        (policy.require_symbol and password.isalnum(), "a symbol"),
        (policy.require_lowercase and not any(c.islower() for c in password), "a small letter"),
        (policy.require_uppercase and not any(c.isupper() for c in password), "a capital letter"),
    ]
    for unmet, demand in demands:
        if unmet:
            raise WeakPassword(f"The password needs {demand}")


def register(
    server: Server, wish: NewAccount, auth: dict[str, Any] | None, body: dict[str, Any]
) -> tuple[str, Login | None]:
    """Register with user-interactive authentication; `body` is the request without `auth`.

    Returns the user ID and the session, if one was wanted. Raises InteractiveAuthRequired,
    Forbidden when registration is off, UserInUse, InvalidUsername, WeakPassword.
    Spec: client-server-api/#post_matrixclientv3register
    """
    if not server.config.enable_registration:
        raise Forbidden("Registration is switched off on this server")
    if wish.username is not None:
        check_available(server, wish.username)
    if wish.password is not None:
        check_password_policy(server, wish.password)
    guarded = Guarded("POST /register", None, _without_secret(body))
    completed = interactive.complete(
        server, guarded, auth, [[interactive.DUMMY]], {interactive.DUMMY: lambda _: True}
    )
    return create_account(server, wish, completed)


def _without_secret(body: dict[str, Any]) -> dict[str, Any]:
    """The body as a session may keep it: the password only as a digest."""
    if not isinstance(password := body.get("password"), str):
        return body
    digest = hashlib.sha256(password.encode("utf-8", "surrogatepass")).hexdigest()
    return {**body, "password": digest}


def create_account(
    server: Server, wish: NewAccount, completed: Completed | None = None
) -> tuple[str, Login | None]:
    """Make the account and, if wanted, its first session, in one transaction."""
    user_id = wanted_user_id(server, wish.username or _random_localpart())
    config = server.config
    password_hash = (
        passwords.hash_in_pool(wish.password, config.password_config.pepper, config.bcrypt_rounds)
        if wish.password is not None
        else None
    )
    user = User(user_id, password_hash, is_admin=wish.is_admin, user_type=wish.user_type)

    def work(tx: Transaction) -> Login | None:
        if completed is not None:
            interactive.finish(tx, completed)
        return insert_account(server, tx, user, wish)

    return user_id, server.store.write(work)


def insert_account(server: Server, tx: Transaction, user: User, wish: NewAccount) -> Login | None:
    """Write the account, its first profile and its first session."""
    users.insert(tx, user, server.clock.now_ms())
    if wish.display_name:
        users.set_profile_field(tx, user.user_id, "displayname", wish.display_name)
    if wish.login is None:
        return None
    return tokens.open_session(
        server,
        tx,
        user.user_id,
        wish.login.device_id,
        wish.login.display_name,
        refreshable=wish.login.refreshable,
    )


def register_guest(server: Server, display_name: str | None) -> tuple[str, Login]:
    """Make a guest account with its one device. Raises Forbidden when guests are not let in.

    Spec: client-server-api/#guest-access
    """
    if not server.config.allow_guest_access:
        raise Forbidden("Guest access is switched off on this server")
    user_id = wanted_user_id(server, f"guest-{_random_localpart()}")
    wish = NewAccount(None, None, DeviceWish(display_name=display_name))

    def work(tx: Transaction) -> Login:
        login = insert_account(server, tx, User(user_id, is_guest=True), wish)
        assert login is not None
        return login

    return user_id, server.store.write(work)


def _random_localpart() -> str:
    return "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(12))


def new_nonce(server: Server) -> str:
    """A nonce for one registration by shared secret. Raises Unknown where none is configured."""
    _shared_secret(server)
    nonce = secrets.token_hex(32)
    now_ms = server.clock.now_ms()
    server.store.write(lambda tx: users.add_nonce(tx, nonce, now_ms, NONCE_LIFETIME_MS))
    return nonce


def _shared_secret(server: Server) -> str:
    secret = server.config.registration_shared_secret
    if not secret:
        raise Unknown("Registration by shared secret is not configured")
    return secret


def registration_mac(secret: str, nonce: str, wish: NewAccount) -> str:
    """HMAC-SHA1, in hexadecimal, over nonce, name, password, role and user type, NUL between."""
    role = "admin" if wish.is_admin else "notadmin"
    parts = [nonce, wish.username or "", wish.password or "", role]
    if wish.user_type:
        parts.append(wish.user_type)
    message = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hmac.new(secret.encode(), message, hashlib.sha1).hexdigest()


def register_by_secret(
    server: Server, wish: NewAccount, nonce: str, mac: str
) -> tuple[str, Login | None]:
    """Make an account for whoever knows the shared secret.

    Raises Unknown (no secret, used nonce), InvalidParam, Forbidden for a wrong `mac`.
    """
    secret = _shared_secret(server)
    now_ms = server.clock.now_ms()
    if not server.store.write(lambda tx: users.take_nonce(tx, nonce, now_ms)):
        raise Unknown("Unknown or used nonce")
    if not wish.username or not wish.password:
        raise InvalidParam("username and password must not be empty")
    if "\0" in wish.username or "\0" in wish.password or len(wish.password) > MAX_PASSWORD_LENGTH:
        raise InvalidParam("username or password has a form that is not allowed")
    wanted = registration_mac(secret, nonce, wish)
    if not hmac.compare_digest(wanted.encode(), mac.encode("utf-8", "surrogatepass")):
        raise Forbidden("Wrong mac")
    return create_account(server, wish)
