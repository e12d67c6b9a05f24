"""What lasts for a time only: rows that nobody may use any more."""

from chat.storage.engine import Transaction


def end(tx: Transaction, now_ms: int, tokens_before_ms: int) -> None:
    """Remove what expired: authentication sessions and nonces by now, tokens before a time."""
    tx.do("DELETE FROM uia_sessions WHERE expires_ts < :now", now=now_ms)
    tx.do("DELETE FROM registration_nonces WHERE expires_ts < :now", now=now_ms)
    tx.do("DELETE FROM access_tokens WHERE expires_ts < :before", before=tokens_before_ms)
    tx.do("DELETE FROM refresh_tokens WHERE expires_ts < :before", before=tokens_before_ms)


def forget_full_buckets(tx: Transaction, now_us: int) -> None:
    """Remove the counts of rate limits that say nothing any more."""
    tx.do("DELETE FROM rate_limit WHERE full_at_us < :now", now=now_us)
