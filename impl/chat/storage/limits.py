"""Rate limits of all workers together, and users' own limits.

A bucket's content follows from one number: when it will be full again, `full_at_us`, in
microseconds since the epoch. A request moves that on by the time in which the bucket refills by
one. The times are the workers': one whose clock is s seconds ahead lets what refills in s pass
once, and no more.
"""

from collections.abc import Sequence

from chat.storage import streams
from chat.storage.engine import Transaction
from chat.storage.streams import Change, Kind

Name = tuple[str, str]  # of a bucket: the limit, and whom it counts


def count(tx: Transaction, costs: Sequence[tuple[Name, int]], since_us: int) -> dict[Name, int]:
    """Add to their buckets what requests since a time cost, in µs of refilling.

    The answer says when each bucket is full now.
    """
    rows = tx.rows(
        "INSERT INTO rate_limit (bucket, key, full_at_us)"
        " SELECT w.bucket, w.key, :since + w.cost"
        " FROM ROWS(:costs AS bucket text, key text, cost bigint) w"
        " WHERE true ON CONFLICT (bucket, key) DO UPDATE SET full_at_us = CASE"
        " WHEN rate_limit.full_at_us > :since"
        " THEN rate_limit.full_at_us + excluded.full_at_us - :since"
        " ELSE excluded.full_at_us END RETURNING bucket, key, full_at_us",
        costs=[(*name, cost) for name, cost in sorted(costs)],  # in one order: no deadlock
        since=since_us,
    )
    return {(bucket, key): full_at_us for bucket, key, full_at_us in rows}


def override_of(tx: Transaction, user_id: str) -> tuple[int, int] | None:
    """A user's own limit of messages, (per second, burst); None without one. 0, 0: no limit."""
    row = tx.row(
        "SELECT messages_per_second, burst_count FROM ratelimit_override WHERE user_id = :user_id",
        user_id=user_id,
    )
    return None if row is None else (row[0], row[1])


def set_override(tx: Transaction, user_id: str, per_second: int, burst_count: int) -> None:
    """Give a user a limit of their own."""
    tx.run(
        "INSERT INTO ratelimit_override (user_id, messages_per_second, burst_count)"
        " VALUES (:user_id, :per_second, :burst) ON CONFLICT (user_id) DO UPDATE SET"
        " messages_per_second = excluded.messages_per_second, burst_count = excluded.burst_count",
        user_id=user_id,
        per_second=per_second,
        burst=burst_count,
    )
    _sessions_changed(tx, user_id)


def remove_override(tx: Transaction, user_id: str) -> None:
    """Have the common limits hold for a user again."""
    tx.run("DELETE FROM ratelimit_override WHERE user_id = :user_id", user_id=user_id)
    _sessions_changed(tx, user_id)


def _sessions_changed(tx: Transaction, user_id: str) -> None:
    """What workers remember of the user's sessions names their limit."""
    streams.append(tx, [Change(Kind.SESSIONS, None, user_id, None)])
