"""Access and refresh tokens: opening, recognising, renewing and ending sessions."""

import secrets
from dataclasses import dataclass

from chat.config.model import RateLimit
from chat.protocol.errors import UnknownToken
from chat.services.caller import Caller
from chat.services.server import Server
from chat.storage import devices
from chat.storage.devices import Session
from chat.storage.engine import Transaction

TOKEN_BYTES = 24
DEVICE_ID_LENGTH = 10
DEVICE_ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Login:
    """An opened session. `expires_in_ms` is None for a token that does not expire."""

    user_id: str
    device_id: str
    access_token: str
    refresh_token: str | None
    expires_in_ms: int | None


def new_device_id() -> str:
    """A device ID that no other device of the user has, but for bad luck of 1 in 26^10."""
    return "".join(secrets.choice(DEVICE_ID_ALPHABET) for _ in range(DEVICE_ID_LENGTH))


def new_token(kind: str) -> str:
    """An unguessable token; `kind` tells access (`cta`) from refresh (`ctr`) at sight."""
    return f"{kind}_{secrets.token_urlsafe(TOKEN_BYTES)}"


def open_session(
    server: Server,
    tx: Transaction,
    user_id: str,
    device_id: str | None,
    display_name: str | None,
    *,
    refreshable: bool,
) -> Login:
    """Log a device in, a new one or one that the user has; its earlier sessions end.

    Spec: client-server-api/#relationship-between-access-tokens-and-devices
    """
    now_ms = server.clock.now_ms()
    device = device_id or new_device_id()
    devices.delete_tokens(tx, user_id, device)
    login = _issue(server, tx, user_id, device, refreshable=refreshable, replaced=None)
    devices.upsert(tx, user_id, device, display_name, now_ms)
    return login


def _issue(
    server: Server,
    tx: Transaction,
    user_id: str,
    device_id: str,
    *,
    refreshable: bool,
    replaced: str | None,
) -> Login:
    now_ms = server.clock.now_ms()
    config = server.config
    lifetime_ms = (
        config.refreshable_access_token_lifetime_ms
        if refreshable
        else config.nonrefreshable_access_token_lifetime_ms or config.session_lifetime_ms
    )
    expires_ms = now_ms + lifetime_ms if lifetime_ms is not None else None
    access = new_token("cta")
    refresh = new_token("ctr") if refreshable else None
    devices.add_access_token(tx, access, user_id, device_id, expires_ms, replaced)
    if refresh is not None:
        refresh_ms = config.refresh_token_lifetime_ms
        refresh_expires = now_ms + refresh_ms if refresh_ms is not None else None
        devices.add_refresh_token(tx, refresh, user_id, device_id, refresh_expires)
    return Login(user_id, device_id, access, refresh, lifetime_ms)


def authenticate(server: Server, token: str) -> Caller:
    """Whom an access token acts for.

    Sessions are remembered, and what the log says of their ends is looked up before: none is good
    for a request that came after its end was acknowledged, by whichever worker.
    Raises UnknownToken, after expiry as a soft logout. Spec: client-server-api/#soft-logout
    """
    cache, digest = server.sessions, devices.token_digest(token)
    server.notifier.refresh()
    if (known := cache.get(digest)) is not None:
        return known
    generation = cache.generation
    session = server.store.read(lambda tx: devices.session(tx, digest), snapshot=False)
    if session is None:
        raise UnknownToken
    if session.expires_ms is not None and session.expires_ms <= server.clock.now_ms():
        raise UnknownToken("The access token has expired", soft_logout=True)
    if (replaced := session.replaced) is not None:
        server.store.write(lambda tx: devices.revoke_replaced(tx, digest, replaced))
    caller = Caller(
        session.user_id,
        session.device_id,
        session.is_guest,
        session.is_admin,
        exempt=session.own_limit == (0, 0),
        message_limit=_own_limit(session),
    )
    if session.expires_ms is None and session.replaced is None:
        cache.put(digest, caller, generation)
    return caller


def _own_limit(session: Session) -> RateLimit | None:
    if session.own_limit is None:
        return None
    per_second, burst_count = session.own_limit
    return RateLimit(per_second=per_second, burst_count=burst_count)


def refresh(server: Server, token: str) -> Login:
    """Buy a new pair of tokens. The old refresh token works until the new pair is used.

    Raises UnknownToken. Spec: client-server-api/#post_matrixclientv3refresh
    """
    digest = devices.token_digest(token)

    def work(tx: Transaction) -> Login:
        owner = devices.refresh_owner(tx, digest)
        if owner is None:
            raise UnknownToken("Unknown refresh token")
        user_id, device_id, expires_ms = owner
        if expires_ms is not None and expires_ms <= server.clock.now_ms():
            raise UnknownToken("The refresh token has expired", soft_logout=True)
        devices.drop_other_refresh_tokens(tx, user_id, device_id, digest)
        return _issue(server, tx, user_id, device_id, refreshable=True, replaced=digest)

    return server.store.write(work)


def logout(server: Server, caller: Caller) -> None:
    """End this session and remove its device. Spec: client-server-api/#post_matrixclientv3logout"""

    def work(tx: Transaction) -> None:
        devices.delete(tx, caller.user_id, [caller.device_id])

    server.store.write(work)


def logout_all(server: Server, user_id: str, keep: str | None = None) -> None:
    """End all sessions of a user and remove their devices, but for the device `keep`."""
    server.store.write(lambda tx: end_sessions(server, tx, user_id, keep))


def end_sessions(server: Server, tx: Transaction, user_id: str, keep: str | None = None) -> None:
    """`logout_all` inside a transaction."""
    gone = [d.device_id for d in devices.of_user(tx, user_id) if d.device_id != keep]
    if gone:
        devices.delete(tx, user_id, gone)
