"""What `check` reads: everything of a room, in pieces, in the order of its rows."""

from collections.abc import Collection, Iterator
from itertools import islice
from typing import NamedTuple

from chat.storage import schema
from chat.storage.engine import Transaction
from chat.storage.events import COLUMNS, EventRow, Marks
from chat.storage.state import IMPORTED

CHUNK = 500


class StoredEvent(NamedTuple):
    """An event with all that is stored of it."""

    row: EventRow
    marks: Marks
    json: str


class Entry(NamedTuple):
    """An entry of a room's current state, and what its event says; None without an event."""

    k: int
    type: str
    state_key: str
    ev: int
    since: int
    mem: int
    event_room: int | None
    event_type: str | None
    event_state_key: str | None
    json: str | None


class Member(NamedTuple):
    """The stored membership of a user of this server in a room."""

    user_id: str
    membership: str
    ev: int


def rooms_after(tx: Transaction, room: int) -> list[tuple[int, str]]:
    """(room, room ID) of the next rooms."""
    found = tx.rows(
        "SELECT room, room_id FROM room WHERE room > :room ORDER BY room LIMIT :n",
        room=room,
        n=CHUNK,
    )
    return [(number, room_id) for number, room_id in found]


def event_numbers(tx: Transaction, room: int) -> list[int]:
    """All events of a room, in room order, hidden ones first among those of equal depth."""
    rows = tx.rows(
        "SELECT ev FROM event WHERE room = :room ORDER BY depth, COALESCE(pos, 0), ev", room=room
    )
    return [ev for (ev,) in rows]


def stored_events(tx: Transaction, evs: Collection[int]) -> Iterator[list[StoredEvent]]:
    """The events with these numbers in chunks, in this order."""
    columns = ", ".join((*COLUMNS, *Marks._fields, "json"))
    numbers = iter(evs)
    while chunk := list(islice(numbers, CHUNK)):
        rows = tx.rows(f"SELECT {columns} FROM event WHERE ev = ANY(:evs)", evs=chunk)  # noqa: S608 - columns
        width = len(COLUMNS)
        found = {
            row[0]: StoredEvent(EventRow(*row[:width]), Marks(*map(bool, row[width:-1])), row[-1])
            for row in rows
        }
        yield [found[ev] for ev in chunk]


def current_entries(tx: Transaction, room: int) -> Iterator[Entry]:
    """The current state of a room, in the order of its keys."""
    after = -1
    while True:
        rows = tx.rows(
            "SELECT n.k, s.type, s.state_key, n.ev, n.since, n.mem, e.room, e.type, e.state_key,"
            " e.json FROM state_now n LEFT JOIN state_key s ON s.k = n.k"
            " LEFT JOIN event e ON e.ev = n.ev"
            " WHERE n.room = :room AND n.k > :after ORDER BY n.k LIMIT :n",
            room=room,
            after=after,
            n=CHUNK,
        )
        yield from (Entry(*row) for row in rows)
        if len(rows) < CHUNK:
            return
        after = rows[-1][0]


def log_differences(tx: Transaction, room: int, line: int, head: int) -> list[str]:
    """Where the current state is not the end of its history."""
    found = [
        f"state entry {k}: event {ev} since {since} is not in the history of the state"
        for k, ev, since in tx.rows(
            "SELECT n.k, n.ev, n.since FROM state_now n WHERE n.room = :room"
            " AND n.since > :imported AND NOT EXISTS (SELECT 1 FROM state_log l"
            " WHERE l.line = :line AND l.k = n.k AND l.pos = n.since AND l.ev = n.ev) LIMIT 20",
            room=room,
            line=line,
            imported=IMPORTED,
        )
    ]
    found += [
        f"state entry {k}: changed at {pos}, but the current one stands since {since}"
        for k, pos, since in tx.rows(
            "SELECT l.k, l.pos, n.since FROM (SELECT k, max(pos) AS pos FROM state_log"
            " WHERE line = :line GROUP BY k) l"
            " LEFT JOIN state_now n ON n.room = :room AND n.k = l.k"
            " WHERE n.since IS NULL OR n.since <> l.pos OR l.pos > :head LIMIT 20",
            room=room,
            line=line,
            head=head,
        )
    ]
    return found


def local_members(tx: Transaction, room: int) -> list[Member]:
    """The stored memberships of users of this server in a room."""
    rows = tx.rows("SELECT user_id, membership, ev FROM local_member WHERE room = :room", room=room)
    return [Member(*row) for row in rows]


def repeated_positions(tx: Transaction, room: int) -> list[int]:
    """Positions at which a room has several events."""
    rows = tx.rows(
        "SELECT pos FROM event WHERE room = :room AND pos IS NOT NULL"
        " GROUP BY pos HAVING count(*) > 1 LIMIT 20",
        room=room,
    )
    return [pos for (pos,) in rows]


def unlogged_events(tx: Transaction) -> list[tuple[int, int | None]]:
    """(log position, event) of log entries of events that are not at that position."""
    rows = tx.rows(
        "SELECT c.pos, c.ref FROM change_log c LEFT JOIN event e ON e.ev = c.ref"
        " WHERE c.kind = 1 AND (e.ev IS NULL OR e.pos IS NULL OR e.pos <> c.pos) LIMIT 20"
    )
    return [(pos, ev) for pos, ev in rows]


def greatest_positions(tx: Transaction) -> dict[str, int]:
    """The greatest position of the change log in each table whose rows have one."""
    found = {}
    for name, table in schema.metadata.tables.items():
        if "pos" in table.columns and name != "state_log":
            row = tx.row(f"SELECT max(pos) FROM {name}")  # noqa: S608 - a table of ours
            found[name] = (row[0] if row else None) or 0
    return found
