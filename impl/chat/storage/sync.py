"""What a sync reads, for many rooms in one statement each.

Positions named `after` and `upto` are of the change log; `low` and `high` are of the main line of a
room's state (state.py).
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from chat.storage.cooperation import in_turns
from chat.storage.engine import Transaction
from chat.storage.events import COLUMNS, EventRow
from chat.storage.streams import Kind

_OF_E = ", ".join(f"e.{column}" for column in COLUMNS)
_SHOWN = "e.rejected = 0 AND e.soft_failed = 0 AND e.outlier = 0"
_HEAD = "COALESCE(e.main_pos, e.after_pos, e.before_pos, 0)"  # as EventRow.head


class Stretch(NamedTuple):
    """The events of a room at log positions in (after, upto]."""

    room: int
    after: int
    upto: int


class StateSpan(NamedTuple):
    """Two positions on the main line of a room's state."""

    room: int
    line: int
    low: int
    high: int


class StateEntry(NamedTuple):
    """A key of a room's state, and its events at both ends of a span; 0 where it has none."""

    room: int
    k: int
    low_ev: int
    high_ev: int


# --- timelines ---


class Timeline(NamedTuple):
    """The last events of a stretch, oldest first.

    `cut`: the log position of the newest event left out, None where there is none. `start`: the
    position of the room's main line just before the first event, 0 before there was any.
    """

    rows: list[EventRow]
    cut: int | None
    start: int


def newest(tx: Transaction, stretches: Sequence[Stretch], limit: int) -> dict[int, Timeline]:
    """The last `limit` events of each stretch, by room; stretches without events are absent."""
    rows = tx.rows(
        "WITH w AS MATERIALIZED (SELECT r.room, r.upto, r.after, ("  # noqa: S608 - constants
        "SELECT e.pos FROM event e WHERE e.room = r.room AND e.pos > r.after AND e.pos <= r.upto"
        f" AND {_SHOWN} ORDER BY e.pos DESC LIMIT 1 OFFSET :limit) AS cut"
        " FROM ROWS(:stretches AS room bigint, after bigint, upto bigint) r),"
        " v AS MATERIALIZED (SELECT w.room, w.upto, w.cut, COALESCE(w.cut, w.after) AS low, ("
        f"SELECT {_HEAD} FROM event e WHERE e.room = w.room AND e.pos > 0"
        " AND e.pos <= COALESCE(w.cut, w.after) ORDER BY e.pos DESC LIMIT 1) AS start FROM w)"
        f" SELECT v.cut, v.start, {_OF_E} FROM v JOIN event e ON e.room = v.room"
        f" AND e.pos > v.low AND e.pos <= v.upto WHERE {_SHOWN} ORDER BY e.pos",
        stretches=stretches,
        limit=limit,
    )
    found: dict[int, Timeline] = {}
    for cut, start, *columns in rows:
        row = EventRow(*columns)
        if row.room not in found:
            found[row.room] = Timeline([], cut, start or 0)
        found[row.room].rows.append(row)
    return found


def heads_at(tx: Transaction, places: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """(room, log position) → the position of the room's main line then; 0 before it began."""
    rows = tx.rows(
        f"SELECT w.room, w.pos, (SELECT {_HEAD} FROM event e WHERE e.room = w.room AND e.pos > 0"  # noqa: S608 - constants
        " AND e.pos <= w.pos ORDER BY e.pos DESC LIMIT 1)"
        " FROM ROWS(:places AS room bigint, pos bigint) w",
        places=list(places),
    )
    return {(room, pos): head or 0 for room, pos, head in rows}


# --- state ---

# The entry of a key at a position of the main line.
_AT = (
    "CASE WHEN n.since <= w.{0} THEN n.ev ELSE (SELECT o.ev FROM state_log o WHERE o.line = w.line"
    " AND o.k = n.k AND o.pos <= w.{0} ORDER BY o.pos DESC LIMIT 1) END"
)
_ENTRIES = f"SELECT w.room, n.k, {_AT.format('low')}, {_AT.format('high')}"
_SPANS = "ROWS(:spans AS room bigint, line bigint, low int, high int) w"


def _entries(rows: Iterable[tuple[int, int, int | None, int | None]]) -> list[StateEntry]:
    return [
        StateEntry(room, k, low or 0, high or 0)
        for room, k, low, high in in_turns(rows)
        if low or high
    ]


def whole_state(tx: Transaction, spans: Sequence[StateSpan]) -> list[StateEntry]:
    """Every entry of the rooms' states at both ends."""
    return _entries(
        tx.long_rows(
            f"{_ENTRIES} FROM {_SPANS} JOIN state_now n ON n.room = w.room",
            spans=spans,
        )
    )


def state_without_members(tx: Transaction, spans: Sequence[StateSpan]) -> list[StateEntry]:
    """Like `whole_state`, without membership events."""
    return _entries(
        tx.rows(
            f"{_ENTRIES} FROM {_SPANS} JOIN state_now n ON n.room = w.room AND n.mem = 0"
            " JOIN state_key s ON s.k = n.k WHERE s.type <> 'm.room.member'",
            spans=spans,
        )
    )


def current_of_type(tx: Transaction, rooms: Collection[int], kind: str) -> list[EventRow]:
    """The events of a type, other than that of members, in the current states of rooms."""
    rows = tx.rows(
        f"SELECT {_OF_E} FROM state_now n JOIN state_key s ON s.k = n.k"  # noqa: S608 - constants
        " JOIN event e ON e.ev = n.ev"
        " WHERE n.room = ANY(:rooms) AND n.mem = 0 AND s.type = :kind",
        rooms=list(rooms),
        kind=kind,
    )
    return [EventRow(*row) for row in rows]


def current_of_keys(tx: Transaction, keys: Collection[tuple[int, int]]) -> list[EventRow]:
    """The events of (room, key number) in the current states of the rooms."""
    rows = tx.rows(
        f"SELECT {_OF_E} FROM ROWS(:keys AS room bigint, k bigint) x"  # noqa: S608 - constants
        " JOIN state_now n ON n.room = x.room AND n.k = x.k JOIN event e ON e.ev = n.ev",
        keys=list(keys),
    )
    return [EventRow(*row) for row in rows]


def state_of_keys(
    tx: Transaction, spans: Sequence[StateSpan], keys: Sequence[tuple[int, int]]
) -> list[StateEntry]:
    """Like `whole_state`, of these (room, key number) only."""
    return _entries(
        tx.rows(
            f"{_ENTRIES} FROM {_SPANS}"
            " JOIN ROWS(:keys AS room bigint, k bigint) x ON x.room = w.room"
            " JOIN state_now n ON n.room = x.room AND n.k = x.k",
            spans=spans,
            keys=keys,
        )
    )


def changed_keys(tx: Transaction, spans: Sequence[StateSpan]) -> dict[tuple[int, int], int]:
    """(room, key number) → first change at a position in (low, high]."""
    rows = tx.rows(
        f"SELECT w.room, l.k, l.pos FROM {_SPANS} JOIN state_log l ON l.line = w.line"  # noqa: S608 - constants
        " AND l.pos > w.low AND l.pos <= w.high ORDER BY l.pos DESC",
        spans=spans,
    )
    return {(room, k): pos for room, k, pos in rows}


def histories(
    tx: Transaction, spans: Sequence[StateSpan], keys: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """(room, key number) → [(position, event), …]: the entry at `low`, then changes up to `high`.

    Each key asked for has at least one entry; event 0 where it had none at `low`.
    """
    lows = {span.room: span.low for span in spans}
    found = {(room, k): [(lows[room], 0)] for room, k in keys}
    for entry in state_of_keys(tx, [span._replace(high=span.low) for span in spans], keys):
        found[entry.room, entry.k] = [(lows[entry.room], entry.low_ev)]
    for room, k, pos, ev in tx.rows(
        f"SELECT w.room, l.k, l.pos, l.ev FROM {_SPANS}"  # noqa: S608 - constants
        " JOIN ROWS(:keys AS room bigint, k bigint) x ON x.room = w.room"
        " JOIN state_log l ON l.line = w.line AND l.k = x.k AND l.pos > w.low AND l.pos <= w.high"
        " ORDER BY l.pos",
        spans=spans,
        keys=keys,
    ):
        found[room, k].append((pos, ev))
    return found


def state_before(
    tx: Transaction, rows: Sequence[EventRow], wanted: Collection[tuple[int, str, str]]
) -> list[EventRow]:
    """The events of (room, type, state key) in the states before `rows`, one row for each room."""
    found = tx.rows(
        f"SELECT {_OF_E} FROM event e JOIN (SELECT {_AT.format('low')} AS ev"  # noqa: S608 - constants
        f" FROM {_SPANS} JOIN ROWS(:wanted AS room bigint, type text, state_key text) x"
        " ON x.room = w.room"
        " JOIN state_key s ON s.type = x.type AND s.state_key = x.state_key"
        " JOIN state_now n ON n.room = x.room AND n.k = s.k) f ON f.ev = e.ev",
        spans=[StateSpan(row.room, row.before_line or 0, row.before_pos or 0, 0) for row in rows],
        wanted=list(wanted),
    )
    return [EventRow(*row) for row in found]


def main_lines(tx: Transaction, rooms: Collection[int]) -> dict[int, tuple[int, int, str]]:
    """Room → (main line, its head, room version)."""
    rows = tx.rows(
        "SELECT room, main_line, head, version FROM room WHERE room = ANY(:rooms)",
        rooms=list(rooms),
    )
    return {room: (line, head, version) for room, line, head, version in rows}


# --- members ---


def first_members(tx: Transaction, rooms: Collection[int], limit: int) -> dict[int, list[str]]:
    """The first `limit` joined or invited members of each room, in the order of their events."""
    return _first_members(tx, rooms, limit, "n.mem IN (1, 2)")


def first_former_members(
    tx: Transaction, rooms: Collection[int], limit: int
) -> dict[int, list[str]]:
    """The first `limit` members of each room who are neither joined nor invited."""
    return _first_members(tx, rooms, limit, "n.mem NOT IN (1, 2)")


def _first_members(
    tx: Transaction, rooms: Collection[int], limit: int, which: str
) -> dict[int, list[str]]:
    rows = tx.rows(
        "SELECT m.room, m.state_key FROM (SELECT n.room, s.state_key, row_number() OVER"  # noqa: S608 - constants
        " (PARTITION BY n.room ORDER BY e.pos, e.ev) AS place"
        " FROM state_now n JOIN state_key s ON s.k = n.k JOIN event e ON e.ev = n.ev"
        f" WHERE n.room = ANY(:rooms) AND s.type = 'm.room.member' AND {which}) m"
        " WHERE m.place <= :limit ORDER BY m.room, m.place",
        rooms=list(rooms),
        limit=limit,
    )
    found: dict[int, list[str]] = {}
    for room, user_id in rows:
        found.setdefault(room, []).append(user_id)
    return found


def sharing(tx: Transaction, user_ids: Collection[str], rooms: Collection[int]) -> list[str]:
    """Which of these users of this server are joined to one of the rooms."""
    rows = tx.rows(
        "SELECT DISTINCT user_id FROM local_member WHERE user_id = ANY(:users)"
        " AND room = ANY(:rooms) AND membership = 'join' ORDER BY user_id",
        users=list(user_ids),
        rooms=list(rooms),
    )
    return [user_id for (user_id,) in rows]


def joined_users(tx: Transaction, rooms: Collection[int]) -> list[str]:
    """The users of this server who are joined to one of the rooms."""
    rows = tx.rows(
        "SELECT DISTINCT user_id FROM local_member WHERE room = ANY(:rooms)"
        " AND membership = 'join' ORDER BY user_id",
        rooms=list(rooms),
    )
    return [user_id for (user_id,) in rows]


def membership_changes(
    tx: Transaction, rooms: Collection[int], after: int, upto: int
) -> list[EventRow]:
    """Membership and encryption events of rooms at log positions in (after, upto], in order."""
    rows = tx.rows(
        f"SELECT {_OF_E} FROM event e WHERE e.room = ANY(:rooms) AND e.pos > :after"  # noqa: S608 - constants
        " AND e.pos <= :upto AND e.state_key IS NOT NULL"
        f" AND e.type IN ('m.room.member', 'm.room.encryption') AND {_SHOWN} ORDER BY e.pos",
        rooms=list(rooms),
        after=after,
        upto=upto,
    )
    return [EventRow(*row) for row in rows]


# --- what belongs to one user or device ---


def room_account_data(
    tx: Transaction, user_id: str, rooms: Collection[int], upto: int
) -> list[tuple[int, str, str]]:
    """(room, type, content) of the account data of rooms up to a log position."""
    rows = tx.rows(
        "SELECT room, type, content FROM account_data WHERE user_id = :user_id"
        " AND room = ANY(:rooms) AND pos <= :upto ORDER BY pos",
        user_id=user_id,
        rooms=list(rooms),
        upto=upto,
    )
    return [(room, kind, content) for room, kind, content in rows]


def key_counts_position(tx: Transaction, user_id: str, device_id: str) -> int:
    """When the one-time or fallback keys of a device last changed; 0 for never."""
    row = tx.row(
        "SELECT key_counts_pos FROM devices WHERE user_id = :user_id AND device_id = :device_id",
        user_id=user_id,
        device_id=device_id,
    )
    return (row[0] or 0) if row else 0


def typing_changed(tx: Transaction, rooms: Collection[int], after: int, upto: int) -> list[int]:
    """Rooms in which typing notices changed at log positions in (after, upto]."""
    rows = tx.rows(
        "SELECT DISTINCT room FROM change_log WHERE pos > :after AND pos <= :upto"
        " AND kind = :typing AND room = ANY(:rooms)",
        after=after,
        upto=upto,
        typing=int(Kind.TYPING),
        rooms=list(rooms),
    )
    return [room for (room,) in rows]
