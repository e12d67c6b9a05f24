"""Devices and the tokens that act for them. Tokens are kept as SHA-256 digests only."""

from dataclasses import dataclass
from hashlib import sha256

from chat.storage import requests, sliding, streams
from chat.storage.engine import Transaction
from chat.storage.streams import Change, Kind


@dataclass(frozen=True, slots=True)
class Device:
    """One device of a user; `last_seen_ts` in milliseconds, None before its first request."""

    user_id: str
    device_id: str
    display_name: str | None
    last_seen_ts: int | None
    last_seen_ip: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """Whom an access token acts for. `replaced` names the refresh token that it supersedes."""

    token_hash: str
    user_id: str
    device_id: str
    expires_ms: int | None
    replaced: str | None
    is_guest: bool
    is_admin: bool
    own_limit: tuple[int, int] | None = None  # of messages: (per second, burst); 0, 0: no limit


def token_digest(token: str) -> str:
    """The form in which a token is stored: a leaked database opens no session."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def mark_list_changed(tx: Transaction, user_id: str) -> None:
    """Note that the devices of a user, or their keys, changed: all who share a room hear of it."""
    rooms = tx.rows(
        "SELECT room FROM local_member WHERE user_id = :user_id AND membership = 'join'"
        " ORDER BY room",
        user_id=user_id,
    )
    concerned = [None, *(room for (room,) in rooms)]
    positions = streams.append(
        tx, [Change(Kind.DEVICE_LIST, room, user_id, None) for room in concerned]
    )
    tx.do(
        "INSERT INTO device_lists (user_id, pos) VALUES (:user_id, :pos)"
        " ON CONFLICT (user_id) DO UPDATE SET pos = excluded.pos",
        user_id=user_id,
        pos=positions[-1],
    )


def lists_changed(tx: Transaction, after: int, upto: int) -> list[str]:
    """Users whose device list changed last at a position in (after, upto]."""
    found = tx.rows(
        "SELECT user_id FROM device_lists WHERE pos > :after AND pos <= :upto ORDER BY pos",
        after=after,
        upto=upto,
    )
    return [user_id for (user_id,) in found]


def upsert(
    tx: Transaction, user_id: str, device_id: str, display_name: str | None, now_ms: int
) -> None:
    """Make the device, or keep it with its name when the user has it already."""
    made = tx.run(
        "INSERT INTO devices (user_id, device_id, display_name, created_ts)"
        " VALUES (:user_id, :device_id, :name, :now) ON CONFLICT (user_id, device_id) DO NOTHING",
        user_id=user_id,
        device_id=device_id,
        name=display_name,
        now=now_ms,
    )
    if made:
        mark_list_changed(tx, user_id)


def of_user(tx: Transaction, user_id: str) -> list[Device]:
    """All devices of a user, by ID."""
    found = tx.rows(
        "SELECT user_id, device_id, display_name, last_seen_ts, last_seen_ip"
        " FROM devices WHERE user_id = :user_id ORDER BY device_id",
        user_id=user_id,
    )
    return [Device(*row) for row in found]


def find(tx: Transaction, user_id: str, device_id: str) -> Device | None:
    """One device, or None."""
    row = tx.row(
        "SELECT user_id, device_id, display_name, last_seen_ts, last_seen_ip"
        " FROM devices WHERE user_id = :user_id AND device_id = :device_id",
        user_id=user_id,
        device_id=device_id,
    )
    return Device(*row) if row else None


def ids_of_users(tx: Transaction, user_ids: list[str]) -> dict[str, list[str]]:
    """user → IDs of the devices of several users."""
    found: dict[str, list[str]] = {}
    for user_id, device_id in tx.rows(
        "SELECT user_id, device_id FROM devices WHERE user_id = ANY(:users)"
        " ORDER BY user_id, device_id",
        users=user_ids,
    ):
        found.setdefault(user_id, []).append(device_id)
    return found


def rename(tx: Transaction, user_id: str, device_id: str, display_name: str) -> bool:
    """Give the device another display name; False where there is no such device."""
    renamed = tx.run(
        "UPDATE devices SET display_name = :name"
        " WHERE user_id = :user_id AND device_id = :device_id",
        name=display_name,
        user_id=user_id,
        device_id=device_id,
    )
    if renamed:
        mark_list_changed(tx, user_id)
    return renamed > 0


def seen(tx: Transaction, user_id: str, device_id: str, now_ms: int, address: str) -> None:
    """Note when and from where the device was last used."""
    tx.run(
        "UPDATE devices SET last_seen_ts = :now, last_seen_ip = :address"
        " WHERE user_id = :user_id AND device_id = :device_id",
        now=now_ms,
        address=address,
        user_id=user_id,
        device_id=device_id,
    )


_OWNED_BY_DEVICE = (
    "access_tokens",
    "refresh_tokens",
    "device_keys",
    "one_time_keys",
    "fallback_keys",
    "to_device",
    "devices",
)


def delete(tx: Transaction, user_id: str, device_ids: list[str]) -> None:
    """Remove devices with their tokens, keys, waiting messages and sliding sync connections."""
    sliding.drop_devices(tx, user_id, device_ids)
    requests.forget_devices(tx, user_id, device_ids)
    for table in _OWNED_BY_DEVICE:
        tx.run(
            f"DELETE FROM {table} WHERE user_id = :user_id AND device_id = ANY(:devices)",  # noqa: S608 - names from the constant above
            user_id=user_id,
            devices=device_ids,
        )
    mark_list_changed(tx, user_id)
    _sessions_changed(tx, user_id)


def _sessions_changed(tx: Transaction, user_id: str) -> None:
    """Have all workers look the user's sessions up again."""
    streams.append(tx, [Change(Kind.SESSIONS, None, user_id, None)])


def add_access_token(
    tx: Transaction,
    token: str,
    user_id: str,
    device_id: str,
    expires_ms: int | None,
    replaced: str | None = None,
) -> None:
    """Open a session. `replaced`: digest of the refresh token that it was bought with."""
    tx.run(
        "INSERT INTO access_tokens (token_hash, user_id, device_id, expires_ts, replaced)"
        " VALUES (:hash, :user_id, :device_id, :expires, :replaced)",
        hash=token_digest(token),
        user_id=user_id,
        device_id=device_id,
        expires=expires_ms,
        replaced=replaced,
    )


def add_refresh_token(
    tx: Transaction, token: str, user_id: str, device_id: str, expires_ms: int | None
) -> None:
    """Allow the device to buy one more access token."""
    tx.run(
        "INSERT INTO refresh_tokens (token_hash, user_id, device_id, expires_ts)"
        " VALUES (:hash, :user_id, :device_id, :expires)",
        hash=token_digest(token),
        user_id=user_id,
        device_id=device_id,
        expires=expires_ms,
    )


def session(tx: Transaction, digest: str) -> Session | None:
    """Whom the access token of this digest acts for; None where it is unknown."""
    row = tx.row(
        "SELECT t.token_hash, t.user_id, t.device_id, t.expires_ts, t.replaced, u.is_guest,"
        " u.admin, o.messages_per_second, o.burst_count FROM access_tokens t"
        " JOIN users u ON u.name = t.user_id"
        " LEFT JOIN ratelimit_override o ON o.user_id = t.user_id WHERE t.token_hash = :hash",
        hash=digest,
    )
    if row is None:
        return None
    token_hash, user_id, device_id, expires_ms, replaced, guest, admin, per_second, burst = row
    return Session(
        token_hash,
        user_id,
        device_id,
        expires_ms,
        replaced,
        bool(guest),
        bool(admin),
        None if burst is None else (per_second, burst),
    )


def refresh_owner(tx: Transaction, digest: str) -> tuple[str, str, int | None] | None:
    """(user, device, expiry in ms or None) of a refresh token; None where it is unknown."""
    row = tx.row(
        "SELECT user_id, device_id, expires_ts FROM refresh_tokens WHERE token_hash = :hash",
        hash=digest,
    )
    return (row[0], row[1], row[2]) if row else None


def revoke_replaced(tx: Transaction, session_hash: str, refresh_hash: str) -> None:
    """A new access token was used: the refresh token and the sessions before it end now.

    Spec: client-server-api/#refreshing-access-tokens
    """
    tx.run(
        "UPDATE access_tokens SET replaced = NULL WHERE token_hash = :hash",
        hash=session_hash,
    )
    row = tx.row(
        "DELETE FROM refresh_tokens WHERE token_hash = :hash RETURNING user_id, device_id",
        hash=refresh_hash,
    )
    if row is not None:
        tx.run(
            "DELETE FROM access_tokens WHERE user_id = :user_id AND device_id = :device_id"
            " AND token_hash <> :hash",
            user_id=row[0],
            device_id=row[1],
            hash=session_hash,
        )
        _sessions_changed(tx, row[0])


def drop_other_refresh_tokens(tx: Transaction, user_id: str, device_id: str, keep: str) -> None:
    """A refresh token was used: the others of its device end. `keep` is its digest."""
    tx.run(
        "DELETE FROM refresh_tokens WHERE user_id = :user_id AND device_id = :device_id"
        " AND token_hash <> :keep",
        user_id=user_id,
        device_id=device_id,
        keep=keep,
    )


def delete_tokens(tx: Transaction, user_id: str, device_id: str) -> None:
    """End the sessions of one device; the device stays."""
    ended = 0
    for table in ("access_tokens", "refresh_tokens"):
        ended += tx.run(
            f"DELETE FROM {table} WHERE user_id = :user_id AND device_id = :device_id",  # noqa: S608 - names from the constant above
            user_id=user_id,
            device_id=device_id,
        )
    if ended:
        _sessions_changed(tx, user_id)
