"""Events that are kept back and sent later.

A row waits until `send_ts`. Whoever sends it marks it first (`claim`), so that nobody cancels or
restarts what may be on its way into the room; a marked row whose worker died is sent again, which
the event's transaction turns into the same event. Then the row is final, and kept for a while.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from chat.storage.engine import Row, Transaction


class Delayed(NamedTuple):
    """A delayed event. `content` and `error` are JSON; `send_ts` is None once it is final."""

    delay_id: str
    user_id: str
    device_id: str
    room_id: str
    type: str
    state_key: str | None
    content: str
    delay_ms: int
    since_ts: int
    send_ts: int | None
    sending: bool
    finalised_ts: int | None
    event_id: str | None
    error: str | None


_COLUMNS = ", ".join(Delayed._fields)


def _delayed(row: Row) -> Delayed:
    return Delayed(*row)._replace(sending=bool(row[10]))


# --- scheduling ---


def waiting(tx: Transaction, user_id: str) -> tuple[int, int]:
    """How many events of a user wait, and when the first of them is due (0 where none is)."""
    row = tx.row(
        "SELECT count(*), coalesce(min(send_ts), 0) FROM delayed_event"
        " WHERE user_id = :user_id AND send_ts IS NOT NULL",
        user_id=user_id,
    )
    assert row is not None
    return row[0], row[1]


def add(tx: Transaction, event: Delayed, request: str) -> str:
    """Schedule an event; its delay ID, or that of the first event of the same request."""
    added = tx.run(
        f"INSERT INTO delayed_event (request, {_COLUMNS})"  # noqa: S608 - columns
        f" VALUES (:request, {', '.join(f':{name}' for name in Delayed._fields)})"
        " ON CONFLICT (user_id, device_id, request) DO NOTHING",
        **(event._asdict() | {"request": request, "sending": 0}),
    )
    if added:
        return event.delay_id
    known = tx.row(
        "SELECT delay_id FROM delayed_event"
        " WHERE user_id = :user_id AND device_id = :device_id AND request = :request",
        user_id=event.user_id,
        device_id=event.device_id,
        request=request,
    )
    assert known is not None
    delay_id: str = known[0]
    return delay_id


# --- reading ---


def find(tx: Transaction, user_id: str, delay_id: str) -> Delayed | None:
    """A delayed event of this user."""
    row = tx.row(
        f"SELECT {_COLUMNS} FROM delayed_event WHERE delay_id = :id AND user_id = :user_id",  # noqa: S608 - columns
        id=delay_id,
        user_id=user_id,
    )
    return _delayed(row) if row else None


def listed(tx: Transaction, user_id: str) -> list[Delayed]:
    """The events of a user that wait, those due first before the others."""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM delayed_event WHERE user_id = :user_id"  # noqa: S608 - columns
        " AND send_ts IS NOT NULL ORDER BY send_ts, delay_id",
        user_id=user_id,
    )
    return [_delayed(row) for row in rows]


def due(tx: Transaction, now_ms: int, limit: int) -> list[Delayed]:
    """Events whose time has come, in the order of their times."""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM delayed_event WHERE send_ts <= :now"  # noqa: S608 - columns
        " AND send_ts IS NOT NULL ORDER BY send_ts, delay_id LIMIT :limit",
        now=now_ms,
        limit=limit,
    )
    return [_delayed(row) for row in rows]


# --- what becomes of them ---


def restart(tx: Transaction, delay_id: str, now_ms: int) -> bool:
    """Let an event wait for its whole delay again; False where it no longer waits."""
    changed = tx.run(
        "UPDATE delayed_event SET since_ts = :now, send_ts = :now + delay_ms"
        " WHERE delay_id = :id AND send_ts IS NOT NULL AND sending = 0",
        id=delay_id,
        now=now_ms,
    )
    return changed > 0


def cancel(tx: Transaction, delay_id: str, now_ms: int) -> bool:
    """Drop an event; False where it no longer waits."""
    changed = tx.run(
        "UPDATE delayed_event SET send_ts = NULL, finalised_ts = :now"
        " WHERE delay_id = :id AND send_ts IS NOT NULL AND sending = 0",
        id=delay_id,
        now=now_ms,
    )
    return changed > 0


def claim(tx: Transaction, delay_ids: Sequence[str], due_ms: int) -> set[str]:
    """Mark events as being sent; those of them that still wait and are due by `due_ms`."""
    rows = tx.rows(
        "UPDATE delayed_event SET sending = 1"
        " WHERE delay_id = ANY(:ids) AND send_ts <= :due RETURNING delay_id",
        ids=list(delay_ids),
        due=due_ms,
    )
    return {delay_id for (delay_id,) in rows}


def release(tx: Transaction, delay_id: str) -> None:
    """Let an event that could not be sent ahead of its time go on waiting."""
    tx.do("UPDATE delayed_event SET sending = 0 WHERE delay_id = :id", id=delay_id)


def finalise(
    tx: Transaction, delay_id: str, now_ms: int, event_id: str | None, error: dict[str, Any] | None
) -> None:
    """Note that an event was sent, or why not."""
    tx.do(
        "UPDATE delayed_event SET send_ts = NULL, sending = 0, finalised_ts = :now,"
        " event_id = :event_id, error = :error WHERE delay_id = :id AND send_ts IS NOT NULL",
        id=delay_id,
        now=now_ms,
        event_id=event_id,
        error=None if error is None else json.dumps(error),
    )


def forget(tx: Transaction, before_ms: int, most: int) -> None:
    """Remove what became final before a time, and all but the newest `most` of each user."""
    tx.do("DELETE FROM delayed_event WHERE finalised_ts < :before", before=before_ms)
    tx.do(
        "DELETE FROM delayed_event WHERE delay_id IN (SELECT delay_id FROM (SELECT delay_id,"
        " row_number() OVER (PARTITION BY user_id ORDER BY finalised_ts DESC) AS place"
        " FROM delayed_event WHERE finalised_ts IS NOT NULL) ranked WHERE place > :most)",
        most=most,
    )
