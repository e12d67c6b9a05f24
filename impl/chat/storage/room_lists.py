"""Questions about several rooms or users at once, for what lists or compares them."""

import json
from collections.abc import Collection
from typing import Any, NamedTuple

from chat.storage.engine import Transaction
from chat.storage.events import COLUMNS, EventRow
from chat.storage.rooms import Summary

_SUMMARY = "s.room, r.room_id, " + ", ".join(f"s.{field}" for field in Summary._fields[2:])
_EVENT = ", ".join(f"e.{column}" for column in COLUMNS)


def account_data_of(tx: Transaction, user_ids: Collection[str], kind: str) -> dict[str, str]:
    """The global account data of one type, as JSON text, of those users who have it."""
    if not user_ids:
        return {}
    rows = tx.rows(
        "SELECT user_id, content FROM account_data"
        " WHERE user_id = ANY(:user_ids) AND room = 0 AND type = :type",
        user_ids=list(user_ids),
        type=kind,
    )
    return dict(rows)


def global_account_data(tx: Transaction, user_id: str, kinds: Collection[str]) -> dict[str, str]:
    """Type → content as JSON text, of those types of global account data that a user has."""
    rows = tx.rows(
        "SELECT type, content FROM account_data"
        " WHERE user_id = :user_id AND room = 0 AND type = ANY(:kinds)",
        user_id=user_id,
        kinds=list(kinds),
    )
    return dict(rows)


def joined_guests(tx: Transaction, room_id: str) -> list[str]:
    """The guest accounts of this server that are joined to a room."""
    rows = tx.rows(
        "SELECT m.user_id FROM room r JOIN local_member m ON m.room = r.room"
        " JOIN users u ON u.name = m.user_id"
        " WHERE r.room_id = :room_id AND m.membership = 'join' AND u.is_guest = 1"
        " ORDER BY m.user_id",
        room_id=room_id,
    )
    return [user_id for (user_id,) in rows]


class Sight(NamedTuple):
    """A room and what a user is to it; `membership` is None where they are nothing."""

    summary: Summary
    version: str
    membership: str | None


def sights(tx: Transaction, user_id: str, room_ids: Collection[str]) -> dict[str, Sight]:
    """The known rooms among these, by ID."""
    rows = tx.rows(
        f"SELECT {_SUMMARY}, r.version, m.membership FROM room r"  # noqa: S608 - columns
        " JOIN room_summary s ON s.room = r.room"
        " LEFT JOIN local_member m ON m.room = r.room AND m.user_id = :user_id"
        " WHERE r.room_id = ANY(:room_ids)",
        user_id=user_id,
        room_ids=list(room_ids),
    )
    return {row[1]: Sight(Summary(*row[:-2]), row[-2], row[-1]) for row in rows}


def joined_among(tx: Transaction, user_id: str, room_ids: Collection[str]) -> set[str]:
    """Those of the rooms to which a user of this server is joined."""
    if not room_ids:
        return set()
    rows = tx.rows(
        "SELECT r.room_id FROM room r JOIN local_member m ON m.room = r.room"
        " WHERE r.room_id = ANY(:room_ids) AND m.user_id = :user_id AND m.membership = 'join'",
        room_ids=list(room_ids),
        user_id=user_id,
    )
    return {room_id for (room_id,) in rows}


def children(tx: Transaction, room: int, limit: int) -> list[EventRow]:
    """The first `limit` of the current `m.space.child` events of a room, oldest first."""
    rows = tx.rows(
        f"SELECT {_EVENT} FROM state_key s JOIN state_now n ON n.k = s.k"  # noqa: S608 - columns
        " JOIN event e ON e.ev = n.ev WHERE n.room = :room AND s.type = 'm.space.child'"
        " ORDER BY e.pos LIMIT :limit",
        room=room,
        limit=limit,
    )
    return [EventRow(*row) for row in rows]


_IN_COMMON = (
    "FROM state_key s JOIN state_now b ON b.k = s.k JOIN local_member a ON a.room = b.room"
    " JOIN room r ON r.room = a.room"
    " WHERE s.type = 'm.room.member' AND s.state_key = :other AND b.mem = 2"
    " AND a.user_id = :one AND a.membership = 'join'"
)


def rooms_in_common(
    tx: Transaction, one: str, other: str, after: int, limit: int
) -> list[tuple[int, str]]:
    """(number, ID) of rooms to which both users are joined, in the order of their numbers."""
    rows = tx.rows(
        f"SELECT r.room, r.room_id {_IN_COMMON} AND a.room > :after ORDER BY a.room LIMIT :limit",
        one=one,
        other=other,
        after=after,
        limit=limit,
    )
    return [(room, room_id) for room, room_id in rows]


def count_in_common(tx: Transaction, one: str, other: str) -> int:
    """To how many rooms both users are joined."""
    row = tx.row(f"SELECT count(*) {_IN_COMMON}", one=one, other=other)
    return int(row[0]) if row else 0


def by_time(
    tx: Transaction, room: int, start: tuple[int, int], limit: int, *, backwards: bool
) -> list[EventRow]:
    """Events of a room beyond `start`, a pair of (time in ms, event number), nearest first."""
    sign, order = ("<", "DESC") if backwards else (">", "ASC")
    rows = tx.rows(
        f"SELECT {_EVENT} FROM event e WHERE e.room = :room"  # noqa: S608 - columns and words
        f" AND (e.origin_server_ts, e.ev) {sign} (:ts, :ev)"
        " AND e.rejected = 0 AND e.soft_failed = 0 AND e.outlier = 0"
        f" ORDER BY e.origin_server_ts {order}, e.ev {order} LIMIT :limit",
        room=room,
        ts=start[0],
        ev=start[1],
        limit=limit,
    )
    return [EventRow(*row) for row in rows]


def arrivals(
    tx: Transaction, rooms: Collection[int], after: int, upto: int, limit: int
) -> list[EventRow]:
    """Events of rooms at log positions in (after, upto], the first `limit` of them in order."""
    rows = tx.rows(
        f"SELECT {_EVENT} FROM event e WHERE e.room = ANY(:rooms)"  # noqa: S608 - columns
        " AND e.pos > :after AND e.pos <= :upto"
        " AND e.rejected = 0 AND e.soft_failed = 0 AND e.outlier = 0 ORDER BY e.pos LIMIT :limit",
        rooms=list(rooms),
        after=after,
        upto=upto,
        limit=limit,
    )
    return [EventRow(*row) for row in rows]


def contents_of_type(
    tx: Transaction, room: int, event_type: str, limit: int
) -> list[tuple[str, dict[str, Any]]]:
    """(state key, content) of the first `limit` entries of one type of a room's current state.

    Entries that were redacted are left out.
    """
    rows = tx.rows(
        "SELECT s.state_key, e.json FROM state_key s JOIN state_now n ON n.k = s.k"
        " JOIN event e ON e.ev = n.ev WHERE n.room = :room AND s.type = :type"
        " AND e.redacted_by IS NULL ORDER BY e.pos LIMIT :limit",
        room=room,
        type=event_type,
        limit=limit,
    )
    return [(state_key, json.loads(text)["content"]) for state_key, text in rows]


def bans(tx: Transaction, room: int, limit: int) -> list[tuple[str, dict[str, Any]]]:
    """(user, content with the reason) of the newest bans of a room, the oldest of them first."""
    rows = tx.rows(
        "SELECT s.state_key, e.json, e.redacted_by FROM state_now n"
        " JOIN state_key s ON s.k = n.k JOIN event e ON e.ev = n.ev"
        " WHERE n.room = :room AND n.mem = 0 AND s.type = 'm.room.member'"
        " AND e.json LIKE :pattern ORDER BY e.pos DESC",
        room=room,
        pattern='%"membership":"ban"%',
    )
    found = [
        (user_id, _ban(content, is_redacted=redacted_by is not None))
        for user_id, text, redacted_by in rows
        if (content := json.loads(text)["content"]).get("membership") == "ban"
    ]
    return list(reversed(found[:limit]))


def _ban(content: dict[str, Any], *, is_redacted: bool) -> dict[str, Any]:
    kept = ("membership",) if is_redacted else ("membership", "reason")
    return {name: content[name] for name in kept if name in content}


def move_aliases(tx: Transaction, old: int, new: int) -> None:
    """Have the local aliases of a room lead to another one."""
    tx.do("UPDATE room_alias SET room = :new WHERE room = :old", new=new, old=old)


def account_data_in(tx: Transaction, user_id: str, room: int) -> list[tuple[str, str]]:
    """(type, content as JSON text) of a user's account data for a room, 0 for the global one."""
    rows = tx.rows(
        "SELECT type, content FROM account_data WHERE user_id = :user_id AND room = :room"
        " ORDER BY type",
        user_id=user_id,
        room=room,
    )
    return [(kind, content) for kind, content in rows]
