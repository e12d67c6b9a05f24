"""Accounts and profiles."""

import json
from dataclasses import dataclass
from typing import Any

from chat.protocol.errors import UserInUse
from chat.storage import user_directory
from chat.storage.engine import Transaction

DISPLAYNAME = "displayname"


@dataclass(frozen=True, slots=True)
class User:
    """One account of this server. `password_hash` is bcrypt's own form; None forbids passwords."""

    user_id: str
    password_hash: str | None = None
    is_admin: bool = False
    is_guest: bool = False
    deactivated: bool = False
    user_type: str | None = None


def find(tx: Transaction, user_id: str) -> User | None:
    """The account, or None where this server has none of that name."""
    row = tx.row(
        "SELECT name, password_hash, admin, is_guest, deactivated, user_type"
        " FROM users WHERE name = :user_id",
        user_id=user_id,
    )
    if row is None:
        return None
    name, password_hash, admin, guest, deactivated, user_type = row
    return User(name, password_hash, bool(admin), bool(guest), bool(deactivated), user_type)


def exists(tx: Transaction, user_id: str) -> bool:
    """Whether the name is taken, be it by a deactivated account."""
    return tx.row("SELECT 1 FROM users WHERE name = :user_id", user_id=user_id) is not None


def lock(tx: Transaction, user_id: str) -> None:
    """Let changes to what this user has wait for each other until the transaction ends."""
    tx.rows("SELECT name FROM users WHERE name = :name FOR NO KEY UPDATE", name=user_id)


def insert(tx: Transaction, user: User, created_ms: int) -> None:
    """Make the account. Raises UserInUse when another one has the name."""
    made = tx.run(
        "INSERT INTO users (name, password_hash, admin, is_guest, deactivated, user_type,"
        " creation_ts) VALUES (:name, :hash, :admin, :guest, 0, :type, :created)"
        " ON CONFLICT (name) DO NOTHING",
        name=user.user_id,
        hash=user.password_hash,
        admin=int(user.is_admin),
        guest=int(user.is_guest),
        type=user.user_type,
        created=created_ms,
    )
    if not made:
        raise UserInUse("This user name is taken")
    user_directory.index(tx, user.user_id, None)


def set_password_hash(tx: Transaction, user_id: str, password_hash: str | None) -> None:
    """Replace the password of an account."""
    tx.run(
        "UPDATE users SET password_hash = :hash WHERE name = :user_id",
        hash=password_hash,
        user_id=user_id,
    )


def deactivate(tx: Transaction, user_id: str) -> None:
    """Close the account for good; its name stays taken."""
    tx.run(
        "UPDATE users SET deactivated = 1, password_hash = NULL WHERE name = :user_id",
        user_id=user_id,
    )
    tx.run("DELETE FROM profile_fields WHERE user_id = :user_id", user_id=user_id)
    user_directory.remove(tx, user_id)


def count(tx: Transaction) -> int:
    """How many accounts there are."""
    row = tx.row("SELECT count(*) FROM users")
    return int(row[0]) if row else 0


def profile(tx: Transaction, user_id: str) -> dict[str, Any]:
    """The profile's fields by name; empty where none is set."""
    found = tx.rows(
        "SELECT field, value FROM profile_fields WHERE user_id = :user_id ORDER BY field",
        user_id=user_id,
    )
    return {field: json.loads(value) for field, value in found}


def profiles(tx: Transaction, user_ids: list[str]) -> dict[str, dict[str, Any]]:
    """The profiles of several users, each by field name."""
    found: dict[str, dict[str, Any]] = {user_id: {} for user_id in user_ids}
    for user_id, field, value in tx.rows(
        "SELECT user_id, field, value FROM profile_fields WHERE user_id = ANY(:users)",
        users=user_ids,
    ):
        found[user_id][field] = json.loads(value)
    return found


def set_profile_field(tx: Transaction, user_id: str, field: str, value: Any) -> None:
    """Set one field of a profile; by a display name, the user is found in the directory."""
    tx.run(
        "INSERT INTO profile_fields (user_id, field, value) VALUES (:user_id, :field, :value)"
        " ON CONFLICT (user_id, field) DO UPDATE SET value = excluded.value",
        user_id=user_id,
        field=field,
        value=json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    )
    if field == DISPLAYNAME:
        user_directory.index(tx, user_id, value if isinstance(value, str) else None)


def delete_profile_field(tx: Transaction, user_id: str, field: str) -> bool:
    """Remove one field of a profile; False where it was not set."""
    removed = tx.run(
        "DELETE FROM profile_fields WHERE user_id = :user_id AND field = :field",
        user_id=user_id,
        field=field,
    )
    if removed and field == DISPLAYNAME:
        user_directory.index(tx, user_id, None)
    return removed > 0


def add_nonce(tx: Transaction, nonce: str, now_ms: int, lifetime_ms: int) -> None:
    """Remember a nonce of shared-secret registration; expired ones go."""
    tx.run("DELETE FROM registration_nonces WHERE expires_ts < :now", now=now_ms)
    tx.run(
        "INSERT INTO registration_nonces (nonce, expires_ts) VALUES (:nonce, :expires)",
        nonce=nonce,
        expires=now_ms + lifetime_ms,
    )


def take_nonce(tx: Transaction, nonce: str, now_ms: int) -> bool:
    """Use up a nonce; False where it is unknown, used or expired."""
    taken = tx.run(
        "DELETE FROM registration_nonces WHERE nonce = :nonce AND expires_ts >= :now",
        nonce=nonce,
        now=now_ms,
    )
    return taken > 0
