"""The change log: everything that a client can sync takes a place in one order.

A position is a number; a sync token is `s` and a position. Positions are given out under the lock
of one counter row that is held until the commit, so they become visible in their order: a reader
who has seen position n will never find a smaller one later. Rows that clients sync carry their
position in `pos` and so answer any old token; the log itself is the recent part, from which each
worker learns what changed (services/notifier.py).
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import partial
from typing import NamedTuple

from chat.storage.engine import Transaction
from chat.storage.positions import Position


class Kind(IntEnum):
    """What changed. The numbers are stored."""

    EVENT = 1
    MEMBERSHIP = 2
    RECEIPT = 3
    ACCOUNT_DATA = 4
    TYPING = 5
    TO_DEVICE = 6
    DEVICE_LIST = 7
    KEY_COUNTS = 8
    PRESENCE = 9
    PUSH_COUNTS = 10
    SESSIONS = 11  # of whom access tokens ended, or what they allow changed; no sync hears of it


# Changes that concern nobody but `user_id`, even where they name a room.
PERSONAL = frozenset(
    {Kind.MEMBERSHIP, Kind.ACCOUNT_DATA, Kind.TO_DEVICE, Kind.KEY_COUNTS, Kind.PUSH_COUNTS}
)

STOPPED, STARTED = 0, 1  # what `ref` says of a typing notice


class Change(NamedTuple):
    """What is about to take its place. `ref` is a number whose meaning depends on the kind."""

    kind: Kind
    room: int | None
    user_id: str | None
    ref: int | None


class LoggedChange(NamedTuple):
    """A change and its position."""

    pos: int
    kind: Kind
    room: int | None
    user_id: str | None
    ref: int | None


def append(tx: Transaction, changes: Sequence[Change]) -> Sequence[Position]:
    """Log changes; their positions, ascending, to be written where clients look for them.

    Every other appender waits from here to the commit, so call it late, and afterwards only `do`
    and `insert`: on PostgreSQL they travel with the commit, as one message, and the positions are
    not known before it. Who follows the log in this process hears of the changes after the commit.
    """
    if not changes:
        return []
    positions = tx.positions(len(changes))
    tx.insert(
        "change_log",
        LoggedChange._fields,
        [(pos, *change) for pos, change in zip(positions, changes, strict=True)],
    )
    if tx.publish is not None:
        tx.after_commit(partial(_publish, tx.publish, positions, changes))
    return positions


def _publish(
    publish: Callable[[Sequence[LoggedChange]], None],
    positions: Sequence[Position],
    changes: Sequence[Change],
) -> None:
    logged = zip(positions, changes, strict=True)
    publish([LoggedChange(int(pos), *change) for pos, change in logged])


def since(tx: Transaction, position: int, limit: int) -> list[LoggedChange]:
    """The changes after a position, in order, at most `limit` of them."""
    found = tx.rows(
        "SELECT pos, kind, room, user_id, ref FROM change_log WHERE pos > :position"
        " ORDER BY pos LIMIT :limit",
        position=position,
        limit=limit,
    )
    return [LoggedChange(pos, Kind(kind), *rest) for pos, kind, *rest in found]


def gaps(tx: Transaction) -> list[tuple[int, int]]:
    """Positions, after the first up to the second, of which nothing is known: what was given out
    between a backup and its restore.
    """
    return [(after, upto) for after, upto in tx.rows("SELECT after, upto FROM log_gap")]


def head(tx: Transaction) -> int:
    """The last position given out; 0 before the first."""
    row = tx.row("SELECT head FROM stream")
    assert row is not None
    position: int = row[0]
    return position


# --- keeping it short ---


def note_time(tx: Transaction, now_ms: int) -> None:
    """Note that everything in the log was there at this time."""
    tx.do(
        "INSERT INTO log_time (pos, ts) SELECT head, :now FROM stream WHERE true"
        " ON CONFLICT (pos) DO NOTHING",
        now=now_ms,
    )


def outdated(tx: Transaction, before_ms: int, rows: int) -> int:
    """Up to which position changes are older than a time or too many for `rows`; 0 for none.

    A change is as old as the first time that was noted after it. The last one stays, so that who
    follows the log sees that others are gone.
    """
    noted = tx.row("SELECT max(pos) FROM log_time WHERE ts < :before", before=before_ms)
    assert noted is not None
    last = head(tx)
    return max(0, min(last - 1, max(noted[0] or 0, last - rows)))


def trim(tx: Transaction, upto: int, rows: int) -> int:
    """Remove at most `rows` of the oldest changes up to a position; how many went."""
    tx.do("DELETE FROM log_time WHERE pos < :upto", upto=upto)
    return tx.run(
        "DELETE FROM change_log WHERE pos <= :upto AND pos IN"
        " (SELECT pos FROM change_log ORDER BY pos LIMIT :rows)",
        upto=upto,
        rows=rows,
    )
