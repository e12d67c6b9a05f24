"""Read receipts and typing notices, by interned room."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chat.storage import streams
from chat.storage.engine import Transaction
from chat.storage.streams import Change, Kind

UNTHREADED = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far a user has read. `thread_id`: "" where unthreaded; `ts` in milliseconds."""

    room: int
    user_id: str
    kind: str
    thread_id: str
    event_id: str
    ts: int


_COLUMNS = "room, user_id, type, thread_id, event_id, ts"
_COLUMNS_OF_R = ", ".join(f"r.{column}" for column in _COLUMNS.split(", "))


def put(tx: Transaction, receipt: Receipt) -> None:
    """Replace the receipt of this user, kind and thread; the superseded one leaves no row."""
    (pos,) = streams.append(tx, [Change(Kind.RECEIPT, receipt.room, receipt.user_id, None)])
    tx.do(
        "INSERT INTO receipts (room, user_id, type, thread_id, event_id, ts, pos)"
        " VALUES (:room, :user_id, :type, :thread, :event_id, :ts, :pos)"
        " ON CONFLICT (room, user_id, type, thread_id)"
        " DO UPDATE SET event_id = excluded.event_id, ts = excluded.ts, pos = excluded.pos",
        room=receipt.room,
        user_id=receipt.user_id,
        type=receipt.kind,
        thread=receipt.thread_id,
        event_id=receipt.event_id,
        ts=receipt.ts,
        pos=pos,
    )


def find(tx: Transaction, room: int, user_id: str, kind: str, thread_id: str) -> Receipt | None:
    """The receipt of this user, kind and thread, or None."""
    row = tx.row(
        f"SELECT {_COLUMNS} FROM receipts WHERE room = :room AND user_id = :user_id"  # noqa: S608 - constant columns
        " AND type = :type AND thread_id = :thread",
        room=room,
        user_id=user_id,
        type=kind,
        thread=thread_id,
    )
    return Receipt(*row) if row else None


def changed(tx: Transaction, rooms: list[tuple[int, int]], upto: int) -> list[Receipt]:
    """Receipts of (room, after) at positions in (after, upto], in their order."""
    found = tx.rows(
        f"SELECT {_COLUMNS_OF_R} FROM ROWS(:rooms AS room bigint, after bigint) w"  # noqa: S608 - constant columns
        " JOIN receipts r ON r.room = w.room AND r.pos > w.after"
        " WHERE r.pos <= :upto ORDER BY r.pos",
        rooms=rooms,
        upto=upto,
    )
    return [Receipt(*row) for row in found]


class TypingNotice(NamedTuple):
    """At `at_ms` a user says that they type in a room until `until_ms`, or, by 0, no longer."""

    room: int
    user_id: str
    at_ms: int
    until_ms: int


def put_typing(tx: Transaction, notices: Sequence[TypingNotice]) -> None:
    """Store notices, of several for one user and room the last.

    News are only that one begins who did not type, and that one ends who did.
    """
    latest = {(notice.room, notice.user_id): notice for notice in notices}
    known = _typing_until(tx, list(latest))
    types = {key: notice for key, notice in latest.items() if notice.until_ms}
    ends = [key for key in latest if key not in types and key in known]
    tx.do(
        "INSERT INTO typing (room, user_id, expires_ts)"
        " SELECT w.room, w.user_id, w.expires_ts"
        " FROM ROWS(:rows AS room bigint, user_id text, expires_ts bigint) w WHERE true"
        " ON CONFLICT (room, user_id) DO UPDATE SET expires_ts = excluded.expires_ts",
        rows=[(*key, notice.until_ms) for key, notice in sorted(types.items())],
    )
    tx.do(
        "DELETE FROM typing WHERE (room, user_id) IN"
        " (SELECT w.room, w.user_id FROM ROWS(:rows AS room bigint, user_id text) w)",
        rows=ends,
    )
    begins = [key for key, notice in types.items() if known.get(key, 0) <= notice.at_ms]
    streams.append(
        tx,
        [_typing(*key, streams.STARTED) for key in begins]
        + [_typing(*key, streams.STOPPED) for key in ends],
    )


def _typing_until(tx: Transaction, keys: list[tuple[int, str]]) -> dict[tuple[int, str], int]:
    found = tx.rows(
        "SELECT t.room, t.user_id, t.expires_ts FROM ROWS(:keys AS room bigint, user_id text) w"
        " JOIN typing t ON t.room = w.room AND t.user_id = w.user_id",
        keys=keys,
    )
    return {(room, user_id): expires_ms for room, user_id, expires_ms in found}


def _typing(room: int, user_id: str, what: int) -> Change:
    return Change(Kind.TYPING, room, user_id, what)


def end_expired_typing(tx: Transaction, now_ms: int) -> None:
    """Whoever has not renewed the notice types no longer."""
    ended = tx.rows(
        "DELETE FROM typing WHERE expires_ts <= :now RETURNING room, user_id", now=now_ms
    )
    streams.append(tx, [_typing(room, user_id, streams.STOPPED) for room, user_id in sorted(ended)])


def typing_in(tx: Transaction, rooms: list[int], now_ms: int) -> dict[int, list[str]]:
    """Who types in each of these rooms; rooms where nobody does are absent."""
    found: dict[int, list[str]] = {}
    for room, user_id in tx.rows(
        "SELECT room, user_id FROM typing WHERE room = ANY(:rooms) AND expires_ts > :now"
        " ORDER BY room, user_id",
        rooms=rooms,
        now=now_ms,
    ):
        found.setdefault(room, []).append(user_id)
    return found
