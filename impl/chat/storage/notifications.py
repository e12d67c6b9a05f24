"""The events that a user was notified of, the latest first.

They come from what unread counts are made of (unread.py): notices of the rooms that the user is in,
since they came, but for their own events, and what is stored of events for them alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

from chat.storage.engine import Transaction
from chat.storage.events import COLUMNS, EventRow
from chat.storage.unread import EVERYBODY, FOREVER

_OF_E = ", ".join(f"e.{column}" for column in COLUMNS)


class Notified(NamedTuple):
    """An event of which a user was notified; `h`: it was highlighted."""

    row: EventRow
    room_id: str
    thread: str
    h: int
    is_read: bool


def between(
    tx: Transaction, user_id: str, low: int, high: int, limit: int, *, only_highlights: bool
) -> list[Notified]:
    """At most `limit` events at log positions in (low, high), the latest first."""
    narrow = " AND f.h = 1" if only_highlights else ""
    rows = tx.rows(
        "WITH m AS MATERIALIZED (SELECT l.room, l.membership, COALESCE(c.after, 0) AS after,"  # noqa: S608 - constants
        " COALESCE(c.upto, :forever) AS upto FROM local_member l"
        " LEFT JOIN push_member c ON c.room = l.room AND c.user_id = l.user_id"
        " WHERE l.user_id = :user_id AND l.membership IN ('join', 'invite')),"
        " f AS MATERIALIZED ("
        # what notifies everybody, where nothing else is said for the user
        "SELECT n.room, n.thread, n.pos, n.h - COALESCE((SELECT y.h FROM notice y"
        " WHERE y.room = n.room AND y.thread = n.thread AND y.pos < n.pos"
        " ORDER BY y.pos DESC LIMIT 1), 0) AS h"
        " FROM (SELECT m.room, 'main' AS thread, m.after, m.upto FROM m WHERE m.membership = 'join'"
        " UNION ALL SELECT m.room, t.thread, m.after, m.upto FROM m JOIN notice_thread t"
        " ON t.room = m.room AND t.pos > :low WHERE m.membership = 'join') v"
        " JOIN notice n ON n.room = v.room AND n.thread = v.thread AND n.pos > :low"
        " AND n.pos < :high AND n.pos > v.after AND n.pos <= v.upto"
        " WHERE NOT EXISTS (SELECT 1 FROM notice_personal p WHERE p.room = n.room"
        " AND p.user_id = ANY(:users) AND p.pos = n.pos)"
        " UNION ALL SELECT p.room, p.thread, p.pos, p.h FROM m JOIN notice_personal p"
        " ON p.room = m.room AND p.user_id = :user_id AND p.pos > :low AND p.pos < :high"
        " WHERE p.n = 1)"
        f" SELECT {_OF_E}, r.room_id, f.thread, f.h,"
        " CASE WHEN f.pos <= COALESCE(a.pos, 0) OR f.pos <= COALESCE(b.pos, 0) THEN 1 ELSE 0 END"
        " FROM f JOIN event e ON e.room = f.room AND e.pos = f.pos JOIN room r ON r.room = f.room"
        " LEFT JOIN read_mark a ON a.room = f.room AND a.user_id = :user_id AND a.thread = ''"
        " LEFT JOIN read_mark b ON b.room = f.room AND b.user_id = :user_id"
        f" AND b.thread = f.thread WHERE e.sender <> :user_id{narrow}"
        " ORDER BY f.pos DESC LIMIT :limit",
        user_id=user_id,
        users=[EVERYBODY, user_id],
        low=low,
        high=high,
        limit=limit,
        forever=FOREVER,
    )
    return [_notified(row) for row in rows]


def _notified(row: Sequence[object]) -> Notified:
    *columns, room_id, thread, h, is_read = row
    return Notified(EventRow(*columns), str(room_id), str(thread), int(bool(h)), bool(is_read))  # type: ignore[arg-type]
