"""Events: immutable rows, in two orders.

Sync order is the position in the change log (`pos`). Room order is the depth, then the position:
the order of the conversation, also for events that arrive late or were fetched from before (those
have negative positions). A `Place` is a point of room order, just after the event of its values.

`json` is the event as it travels between servers, in canonical form. A redacted event keeps it, and
names its redaction in `redacted_by`: what is shown is decided when it is shown.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from chat.protocol.identifiers import EventId
from chat.storage import requests
from chat.storage.cooperation import in_turns
from chat.storage.engine import Transaction
from chat.storage.positions import Position
from chat.storage.state import Ref


class Place(NamedTuple):
    """A point of room order: after all events whose (depth, pos) is not greater."""

    depth: int
    pos: int


SENT_LATER = ""  # as `txn_device`: nobody's device, but a timer; `txn_id` is the delay ID

START = Place(-1, 0)  # before the first event
END = Place(2**63 - 1, 2**63 - 1)  # after the last


class EventRow(NamedTuple):
    """What is stored beside an event's JSON."""

    ev: int
    event_id: EventId
    room: int
    pos: int | None
    depth: int
    type: str
    state_key: str | None
    sender: str
    origin_server_ts: int
    before_line: int | None
    before_pos: int | None
    after_line: int | None
    after_pos: int | None
    main_pos: int | None
    replaces: int | None
    redacted_by: str | None
    txn_device: str | None
    txn_id: str | None

    @property
    def place(self) -> Place:
        """Its place in room order."""
        return Place(self.depth, self.pos or 0)

    @property
    def before(self) -> Ref | None:
        """The state before it; None where that is not known (yet)."""
        if self.before_line is None or self.before_pos is None:
            return None
        return Ref(self.before_line, self.before_pos)

    @property
    def after(self) -> Ref | None:
        """The state after it, where the state before it is known."""
        if self.after_line is None or self.after_pos is None:
            return self.before
        return Ref(self.after_line, self.after_pos)

    @property
    def head(self) -> int:
        """The position of the room's main line once this event was in."""
        pos = self.main_pos or self.after_pos or self.before_pos
        return pos or 0


STATE_PAGE = 1_000  # events of a state that are read at once
COLUMNS = EventRow._fields
_POS = COLUMNS.index("pos")
_OWN = ", ".join(COLUMNS)
_OF_E = ", ".join(f"e.{column}" for column in COLUMNS)
_SHOWN = "rejected = 0 AND soft_failed = 0 AND outlier = 0"


@dataclass(frozen=True)
class Txn:
    """A client's request that may be repeated: the same `path` of the same device is the same.

    Spec: client-server-api/#transaction-identifiers
    """

    user_id: str
    device_id: str
    path: str
    txn_id: str

    @cached_property
    def key(self) -> requests.Key:
        """What stands for it where it is remembered."""
        return requests.key_of(self.user_id, self.device_id, self.path)


# --- writing ---


def append(
    tx: Transaction,
    rows: Sequence[EventRow],
    bodies: Sequence[str],
    positions: Sequence[Position],
) -> None:
    """Store accepted events with their JSON, at these positions."""
    full = [
        (*row[:_POS], pos, *row[_POS + 1 :], body)
        for row, body, pos in zip(rows, bodies, positions, strict=True)
    ]
    tx.insert("event", (*COLUMNS, "json"), full)


class Marks(NamedTuple):
    """Why an event is not shown."""

    rejected: bool = False
    soft_failed: bool = False
    outlier: bool = False


def store(
    tx: Transaction,
    rows: Sequence[EventRow],
    bodies: Sequence[str],
    positions: Sequence[Position | None],
    marks: Sequence[Marks],
) -> None:
    """Store events that came from elsewhere, with their JSON and marks, at these positions.

    Those that were outliers until now take the place of what was known of them.
    """
    tx.do("DELETE FROM event WHERE ev = ANY(:evs) AND outlier = 1", evs=[row.ev for row in rows])
    full = [
        (*row[:_POS], pos, *row[_POS + 1 :], body, *map(int, marked))
        for row, body, pos, marked in in_turns(zip(rows, bodies, positions, marks, strict=True))
    ]
    tx.insert("event", (*COLUMNS, "json", *Marks._fields), full)


def remember_txns(tx: Transaction, sent: Sequence[tuple[Txn, int]], now_ms: int) -> None:
    """Note which events answered which requests."""
    requests.remember(tx, [(txn.key, ev) for txn, ev in sent], now_ms)


def redact(tx: Transaction, event_id: str, redaction_id: str) -> None:
    """Mark an event as redacted; the first redaction stays."""
    tx.do(
        "UPDATE event SET redacted_by = :by WHERE event_id = :id AND redacted_by IS NULL",
        by=redaction_id,
        id=event_id,
    )


# --- reading ---


def by_txns(tx: Transaction, txns: Collection[Txn]) -> dict[tuple[str, str, str], int]:
    """(user, device, path) → event, of requests that were answered before."""
    answers = requests.answers(tx, [txn.key for txn in txns])
    return {
        (txn.user_id, txn.device_id, txn.path): answers[txn.key]
        for txn in txns
        if txn.key in answers
    }


def by_id(tx: Transaction, event_id: str) -> EventRow | None:
    """The event with this ID, or None; also one that was rejected or never seen in sync."""
    row = tx.row(f"SELECT {_OWN} FROM event WHERE event_id = :id", id=event_id)  # noqa: S608 - columns
    return EventRow(*row) if row else None


def by_ids(tx: Transaction, event_ids: Collection[str]) -> dict[str, EventRow]:
    """The known events among these IDs."""
    if not event_ids:
        return {}
    rows = tx.rows(
        f"SELECT {_OWN} FROM event WHERE event_id = ANY(:ids)",  # noqa: S608 - columns
        ids=list(event_ids),
    )
    return {row[1]: EventRow(*row) for row in rows}


def by_numbers(tx: Transaction, evs: Collection[int]) -> dict[int, EventRow]:
    """The events with these numbers."""
    if not evs:
        return {}
    rows = tx.rows(
        f"SELECT {_OWN} FROM event WHERE ev = ANY(:evs)",  # noqa: S608 - columns
        evs=list(evs),
    )
    return {row[0]: EventRow(*row) for row in in_turns(rows)}


def bodies(tx: Transaction, evs: Collection[int]) -> dict[int, str]:
    """The JSON of events, by number."""
    return dict(tx.rows("SELECT ev, json FROM event WHERE ev = ANY(:evs)", evs=list(evs)))


def page(
    tx: Transaction, room: int, start: Place, end: Place, limit: int, *, backwards: bool
) -> list[EventRow]:
    """At most `limit` events in room order from `start` towards `end`, newest first if backwards.

    Rejected and soft-failed events are left out.
    """
    low, high = (end, start) if backwards else (start, end)
    order = "DESC" if backwards else "ASC"
    rows = tx.rows(
        f"SELECT {_OWN} FROM event WHERE room = :room"  # noqa: S608 - columns and a word
        " AND (depth, pos) > (:low_depth, :low_pos) AND (depth, pos) <= (:high_depth, :high_pos)"
        f" AND {_SHOWN} ORDER BY depth {order}, pos {order} LIMIT :limit",
        room=room,
        low_depth=low.depth,
        low_pos=low.pos,
        high_depth=high.depth,
        high_pos=high.pos,
        limit=limit,
    )
    return [EventRow(*row) for row in rows]


def recent(tx: Transaction, room: int, after: int, upto: int, limit: int) -> list[EventRow]:
    """The last `limit` events of a room at log positions in (after, upto], oldest first."""
    rows = tx.rows(
        f"SELECT {_OWN} FROM event WHERE room = :room AND pos > :after AND pos <= :upto"  # noqa: S608 - columns
        f" AND {_SHOWN} ORDER BY pos DESC LIMIT :limit",
        room=room,
        after=max(0, after),  # what was fetched from before has negative positions
        upto=upto,
        limit=limit,
    )
    return [EventRow(*row) for row in reversed(rows)]


def last_at(tx: Transaction, room: int, upto: int) -> EventRow | None:
    """The last event of a room at a log position of at most `upto`, or None."""
    found = recent(tx, room, 0, upto, 1)
    return found[0] if found else None


def in_state(
    tx: Transaction, wanted: Collection[tuple[int, str, str]]
) -> list[tuple[EventRow, str]]:
    """Events, with their JSON, of the current entries (room, type, state_key)."""
    rows = tx.rows(
        f"SELECT {_OF_E}, e.json FROM ROWS(:wanted AS room bigint, type text, state_key text) w"  # noqa: S608 - columns
        " JOIN state_key s ON s.type = w.type AND s.state_key = w.state_key"
        " JOIN state_now n ON n.room = w.room AND n.k = s.k JOIN event e ON e.ev = n.ev",
        wanted=list(wanted),
    )
    return [(EventRow(*row[:-1]), row[-1]) for row in rows]


def of_current_state(tx: Transaction, room: int, event_type: str | None = None) -> list[EventRow]:
    """Events of a room's whole current state, or of the entries of one type, in sync order."""
    narrow = "" if event_type is None else " AND e.type = :type"
    params = {} if event_type is None else {"type": event_type}
    found: list[EventRow] = []
    after = 0
    while True:
        page = tx.long_rows(
            f"SELECT n.k, {_OF_E} FROM state_now n JOIN event e ON e.ev = n.ev"  # noqa: S608 - columns
            f" WHERE n.room = :room AND n.k > :after{narrow} ORDER BY n.k LIMIT :limit",
            room=room,
            after=after,
            limit=STATE_PAGE,
            **params,
        )
        found += [EventRow(*row[1:]) for row in in_turns(page)]
        if len(page) < STATE_PAGE:
            return sorted(found, key=lambda row: row.pos or 0)
        after = page[-1][0]
