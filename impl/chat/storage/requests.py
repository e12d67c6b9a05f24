"""Requests of clients that must not be repeated, remembered for a time.

A path is long, and there is one for each message: what is stored are digests. That of the device
finds its requests, that of the whole request tells them apart, and is too wide for anybody to
find two requests that share one.
"""

from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import NamedTuple

from chat.storage.engine import Transaction

DEVICE_BYTES = 8
REQUEST_BYTES = 16


class Key(NamedTuple):
    """A request; keys have an order, which means nothing."""

    device: int
    request: str


FIRST = Key(1 - 2**63, "")  # before every request; the least number is none to PostgreSQL


def device_digest(user_id: str, device_id: str) -> int:
    """What stands for a device."""
    digest = blake2b(f"{user_id}\0{device_id}".encode(), digest_size=DEVICE_BYTES).digest()
    return int.from_bytes(digest, signed=True)


def key_of(user_id: str, device_id: str, path: str) -> Key:
    """What stands for a device's request at a path, which is as the client wrote it."""
    whole = f"{user_id}\0{device_id}\0{path}".encode()
    request = blake2b(whole, digest_size=REQUEST_BYTES).hexdigest()
    return Key(device_digest(user_id, device_id), request)


def remember(tx: Transaction, answers: Sequence[tuple[Key, int]], now_ms: int) -> None:
    """Note which events answered which requests."""
    rows = [(*key, ev, now_ms) for key, ev in answers]
    tx.insert("answered_request", ("device", "request", "ev", "created_ts"), rows)


def answers(tx: Transaction, keys: Collection[Key]) -> dict[Key, int]:
    """The events that answered those of these requests that are remembered."""
    rows = tx.rows(
        "SELECT t.device, t.request, t.ev FROM ROWS(:keys AS device bigint, request text) w"
        " JOIN answered_request t ON t.device = w.device AND t.request = w.request",
        keys=list(keys),
    )
    return {Key(device, request): ev for device, request, ev in rows}


def claim(tx: Transaction, key: Key, now_ms: int) -> bool:
    """Note a request that no event answers; False where it is remembered already."""
    made = tx.run(
        "INSERT INTO answered_request (device, request, ev, created_ts)"
        " VALUES (:device, :request, 0, :now) ON CONFLICT DO NOTHING",
        device=key.device,
        request=key.request,
        now=now_ms,
    )
    return made > 0


def after(tx: Transaction, key: Key, limit: int) -> list[tuple[Key, int]]:
    """The remembered requests that come next in their order, with the time of each in ms."""
    rows = tx.rows(
        "SELECT device, request, created_ts FROM answered_request"
        " WHERE (device, request) > (:device, :request) ORDER BY device, request LIMIT :limit",
        device=key.device,
        request=key.request,
        limit=limit,
    )
    return [(Key(device, request), created_ms) for device, request, created_ms in rows]


def forget(tx: Transaction, keys: Collection[Key]) -> None:
    """Remember these requests no longer: sent again, they would be new."""
    tx.do(
        "DELETE FROM answered_request WHERE (device, request) IN"
        " (SELECT w.device, w.request FROM ROWS(:keys AS device bigint, request text) w)",
        keys=list(keys),
    )


def forget_devices(tx: Transaction, user_id: str, device_ids: Collection[str]) -> None:
    """Forget the requests of devices that are gone: another of the same name begins anew."""
    digests = [device_digest(user_id, device_id) for device_id in device_ids]
    tx.do("DELETE FROM answered_request WHERE device = ANY(:devices)", devices=digests)


def forget_answers(tx: Transaction, evs: Sequence[int]) -> None:
    """Forget the requests that these events, which are still stored, answered."""
    senders = tx.rows(
        "SELECT DISTINCT sender, txn_device FROM event"
        " WHERE ev = ANY(:evs) AND txn_device IS NOT NULL",
        evs=list(evs),
    )
    tx.do(
        "DELETE FROM answered_request WHERE device = ANY(:devices) AND ev = ANY(:evs)",
        devices=[device_digest(*sender) for sender in senders],
        evs=list(evs),
    )
