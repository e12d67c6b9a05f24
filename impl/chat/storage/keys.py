"""End-to-end encryption keys of devices, and messages from device to device."""

from dataclasses import dataclass

from chat.storage import devices, streams
from chat.storage.engine import Transaction
from chat.storage.streams import Change, Kind


@dataclass(frozen=True, slots=True)
class OneTimeKey:
    """A key to be claimed once. `body` is the key object or string as JSON text."""

    algorithm: str
    key_id: str
    body: str


@dataclass(frozen=True, slots=True)
class DeviceMessage:
    """A message waiting for a device; `content` is JSON text."""

    pos: int
    sender: str
    kind: str
    content: str


def put_device_keys(tx: Transaction, user_id: str, device_id: str, body: str) -> bool:
    """Store the identity keys of a device (JSON text); False where they are unchanged."""
    known = tx.row(
        "SELECT body FROM device_keys WHERE user_id = :user_id AND device_id = :device_id",
        user_id=user_id,
        device_id=device_id,
    )
    if known is not None and known[0] == body:
        return False
    tx.run(
        "INSERT INTO device_keys (user_id, device_id, body) VALUES (:user_id, :device_id, :body)"
        " ON CONFLICT (user_id, device_id) DO UPDATE SET body = excluded.body",
        user_id=user_id,
        device_id=device_id,
        body=body,
    )
    devices.mark_list_changed(tx, user_id)
    return True


def device_keys(
    tx: Transaction, user_ids: list[str]
) -> dict[str, dict[str, tuple[str, str | None]]]:
    """user → device → (keys as JSON text, display name), of all devices that have keys."""
    found: dict[str, dict[str, tuple[str, str | None]]] = {}
    for user_id, device_id, body, name in tx.rows(
        "SELECT k.user_id, k.device_id, k.body, d.display_name FROM device_keys k"
        " JOIN devices d ON d.user_id = k.user_id AND d.device_id = k.device_id"
        " WHERE k.user_id = ANY(:users) ORDER BY k.user_id, k.device_id",
        users=user_ids,
    ):
        found.setdefault(user_id, {})[device_id] = (body, name)
    return found


def one_time_keys(
    tx: Transaction, user_id: str, device_id: str, key_ids: list[str]
) -> dict[tuple[str, str], str]:
    """(algorithm, key ID) → key as JSON text, of those IDs that wait to be claimed."""
    found = tx.rows(
        "SELECT algorithm, key_id, body FROM one_time_keys WHERE user_id = :user_id"
        " AND device_id = :device_id AND key_id = ANY(:key_ids)",
        user_id=user_id,
        device_id=device_id,
        key_ids=key_ids,
    )
    return {(algorithm, key_id): body for algorithm, key_id, body in found}


def add_one_time_keys(
    tx: Transaction, user_id: str, device_id: str, keys: list[OneTimeKey], now_ms: int
) -> None:
    """Offer keys to be claimed once each, in the order given."""
    tx.insert(
        "one_time_keys",
        ("user_id", "device_id", "algorithm", "key_id", "body", "added_ts"),
        [(user_id, device_id, key.algorithm, key.key_id, key.body, now_ms) for key in keys],
    )
    mark_key_counts(tx, user_id, device_id)


def put_fallback_keys(
    tx: Transaction, user_id: str, device_id: str, keys: list[OneTimeKey]
) -> None:
    """Replace the fallback key of each algorithm given."""
    for key in keys:
        tx.run(
            "INSERT INTO fallback_keys (user_id, device_id, algorithm, key_id, body, used)"
            " VALUES (:user_id, :device_id, :algorithm, :key_id, :body, 0)"
            " ON CONFLICT (user_id, device_id, algorithm)"
            " DO UPDATE SET key_id = excluded.key_id, body = excluded.body, used = 0",
            user_id=user_id,
            device_id=device_id,
            algorithm=key.algorithm,
            key_id=key.key_id,
            body=key.body,
        )
    mark_key_counts(tx, user_id, device_id)


def mark_key_counts(tx: Transaction, user_id: str, device_id: str) -> None:
    """Note that a device's supply of one-time keys changed."""
    (pos,) = streams.append(tx, [Change(Kind.KEY_COUNTS, None, user_id, None)])
    tx.do(
        "UPDATE devices SET key_counts_pos = :pos"
        " WHERE user_id = :user_id AND device_id = :device_id",
        pos=pos,
        user_id=user_id,
        device_id=device_id,
    )


def key_counts(tx: Transaction, user_id: str, device_id: str) -> dict[str, int]:
    """Unclaimed one-time keys of a device by algorithm."""
    found = tx.rows(
        "SELECT algorithm, count(*) FROM one_time_keys"
        " WHERE user_id = :user_id AND device_id = :device_id"
        " GROUP BY algorithm ORDER BY algorithm",
        user_id=user_id,
        device_id=device_id,
    )
    return {algorithm: int(count) for algorithm, count in found}


def unused_fallback_types(tx: Transaction, user_id: str, device_id: str) -> list[str]:
    """Algorithms whose fallback key has not been handed out."""
    found = tx.rows(
        "SELECT algorithm FROM fallback_keys WHERE user_id = :user_id"
        " AND device_id = :device_id AND used = 0 ORDER BY algorithm",
        user_id=user_id,
        device_id=device_id,
    )
    return [algorithm for (algorithm,) in found]


def claim(tx: Transaction, user_id: str, device_id: str, algorithm: str) -> OneTimeKey | None:
    """Take the oldest one-time key, or hand out the fallback key; None where there is neither.

    Spec: client-server-api/#post_matrixclientv3keysclaim
    """
    # Claims of one device wait for each other, so that none misses a key that is still there.
    tx.run(
        "UPDATE devices SET key_counts_pos = key_counts_pos"
        " WHERE user_id = :user_id AND device_id = :device_id",
        user_id=user_id,
        device_id=device_id,
    )
    row = tx.row(
        "DELETE FROM one_time_keys WHERE user_id = :user_id AND device_id = :device_id"
        " AND algorithm = :algorithm AND key_id = (SELECT key_id FROM one_time_keys"
        " WHERE user_id = :user_id AND device_id = :device_id AND algorithm = :algorithm"
        " ORDER BY added_ts, key_id LIMIT 1) RETURNING key_id, body",
        user_id=user_id,
        device_id=device_id,
        algorithm=algorithm,
    )
    if row is None:
        row = tx.row(
            "UPDATE fallback_keys SET used = 1 WHERE user_id = :user_id"
            " AND device_id = :device_id AND algorithm = :algorithm RETURNING key_id, body",
            user_id=user_id,
            device_id=device_id,
            algorithm=algorithm,
        )
    if row is None:
        return None
    mark_key_counts(tx, user_id, device_id)
    return OneTimeKey(algorithm, row[0], row[1])


def send_to_devices(
    tx: Transaction, sender: str, kind: str, messages: list[tuple[str, str, str]]
) -> None:
    """Queue (user, device, content as JSON text) messages, each in a place of its own."""
    positions = streams.append(
        tx, [Change(Kind.TO_DEVICE, None, user_id, None) for user_id, _, _ in messages]
    )
    tx.insert(
        "to_device",
        ("user_id", "device_id", "pos", "sender", "type", "content"),
        [
            (user_id, device_id, pos, sender, kind, content)
            for (user_id, device_id, content), pos in zip(messages, positions, strict=True)
        ],
    )


def messages_for(
    tx: Transaction, user_id: str, device_id: str, upto: int, limit: int
) -> list[DeviceMessage]:
    """Messages waiting for a device up to a position, oldest first."""
    found = tx.rows(
        "SELECT pos, sender, type, content FROM to_device WHERE user_id = :user_id"
        " AND device_id = :device_id AND pos <= :upto ORDER BY pos LIMIT :limit",
        user_id=user_id,
        device_id=device_id,
        upto=upto,
        limit=limit,
    )
    return [DeviceMessage(*row) for row in found]


def delete_messages(tx: Transaction, user_id: str, device_id: str, upto: int) -> int:
    """Forget the messages that a device has confirmed by its token; returns how many."""
    return tx.run(
        "DELETE FROM to_device"
        " WHERE user_id = :user_id AND device_id = :device_id AND pos <= :upto",
        user_id=user_id,
        device_id=device_id,
        upto=upto,
    )
