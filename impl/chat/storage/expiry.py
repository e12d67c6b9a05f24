"""What lasts for a time only: rows that nobody may use any more."""

from chat.storage.engine import Transaction

Key = tuple[str, str, str]  # of a remembered request: user, device, path
FIRST: Key = ("", "", "")


def requests_after(tx: Transaction, after: Key, limit: int) -> list[tuple[Key, int]]:
    """Remembered requests of clients in the order of their keys, with the time of each in ms."""
    rows = tx.rows(
        "SELECT user_id, device_id, path, created_ts FROM event_txn"
        " WHERE (user_id, device_id, path) > (:user, :device, :path)"
        " ORDER BY user_id, device_id, path LIMIT :limit",
        user=after[0],
        device=after[1],
        path=after[2],
        limit=limit,
    )
    return [((user, device, path), created) for user, device, path, created in rows]


def forget_requests(tx: Transaction, keys: list[Key]) -> None:
    """Remember these requests no longer: sent again, they would be new."""
    tx.do(
        "DELETE FROM event_txn WHERE (user_id, device_id, path) IN (SELECT w.u, w.d, w.p"
        " FROM ROWS(:keys AS u text, d text, p text) w)",
        keys=keys,
    )


def end(tx: Transaction, now_ms: int, tokens_before_ms: int) -> None:
    """Remove what expired: authentication sessions and nonces by now, tokens before a time."""
    tx.do("DELETE FROM uia_sessions WHERE expires_ts < :now", now=now_ms)
    tx.do("DELETE FROM registration_nonces WHERE expires_ts < :now", now=now_ms)
    tx.do("DELETE FROM access_tokens WHERE expires_ts < :before", before=tokens_before_ms)
    tx.do("DELETE FROM refresh_tokens WHERE expires_ts < :before", before=tokens_before_ms)


def forget_full_buckets(tx: Transaction, now_us: int) -> None:
    """Remove the counts of rate limits that say nothing any more."""
    tx.do("DELETE FROM rate_limit WHERE full_at_us < :now", now=now_us)
