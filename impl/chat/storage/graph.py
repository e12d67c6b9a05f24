"""The event graph, as far as the JSON of events does not tell it.

An event's `prev_events` and `auth_events` stand in its JSON and nowhere else, with two exceptions.

`event_missing` has the backward extremities: prev events that are not part of the graph, each with
who names it. An event that arrives has followers already if and only if it is found there, so the
other direction of the edges is never needed.

`event_auth` has the auth events of each state event as numbers, since the walk along auth chains
is on the way of every resolution. `auth_live` says of the events that are cited by the auth chains
of a room's current state how often they are; it is kept up to date when states are resolved, not
before, and counts up to the position `room.auth_pos` of the main line (services/rooms/chains.py).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from chat.protocol.identifiers import EventId
from chat.storage.engine import Row, Transaction
from chat.storage.state import Ref


class AuthNode(NamedTuple):
    """A state event in the graph of auth events.

    `depth` is 1 + the greatest depth among its auth events, so none of the events that it leads to
    has the same or a greater one.
    """

    ev: int
    k: int
    depth: int
    auth: tuple[int, ...]


def _packed(numbers: Iterable[int]) -> str:
    return " ".join(map(str, numbers))


def _unpacked(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


# --- events as members of the graph ---


class Node(NamedTuple):
    """An event with its place in the graph. `json` is the PDU.

    `before` and `after` are the states around it; None where they are not known (yet), as of an
    outlier, an event of which nothing is known but itself.
    """

    ev: int
    event_id: EventId
    room: int
    pos: int | None
    before: Ref | None
    after: Ref | None
    rejected: bool
    soft_failed: bool
    outlier: bool
    json: str

    @property
    def is_shown(self) -> bool:
        """Whether clients may ever see it, and others build on it."""
        return not (self.rejected or self.soft_failed or self.outlier)


_NODE = (
    "ev, event_id, room, pos, before_line, before_pos, after_line, after_pos,"
    " rejected, soft_failed, outlier, json"
)


def _node(row: Row) -> Node:
    ev, event_id, room, pos, before_line, before_pos, after_line, after_pos, *flags, json = row
    before = None if before_line is None else Ref(before_line, before_pos)
    after = before if after_line is None else Ref(after_line, after_pos)
    rejected, soft_failed, outlier = map(bool, flags)
    return Node(ev, event_id, room, pos, before, after, rejected, soft_failed, outlier, json)


def nodes_by_id(tx: Transaction, event_ids: Collection[str]) -> list[Node]:
    """The known events among these IDs."""
    if not event_ids:
        return []
    rows = tx.rows(
        f"SELECT {_NODE} FROM event WHERE event_id = ANY(:ids)",  # noqa: S608 - columns
        ids=list(event_ids),
    )
    return [_node(row) for row in rows]


def nodes(tx: Transaction, evs: Collection[int]) -> list[Node]:
    """The events with these numbers."""
    if not evs:
        return []
    rows = tx.rows(
        f"SELECT {_NODE} FROM event WHERE ev = ANY(:evs)",  # noqa: S608 - columns
        evs=list(evs),
    )
    return [_node(row) for row in rows]


# --- auth events ---


def add_auth(tx: Transaction, nodes: Sequence[AuthNode]) -> None:
    """Store the auth events of new state events."""
    rows = [(node.ev, node.k, node.depth, _packed(node.auth)) for node in nodes]
    tx.insert("event_auth", ("ev", "k", "depth", "auth"), rows)


def auth(tx: Transaction, evs: Collection[int]) -> dict[int, AuthNode]:
    """The state events with these numbers, with their auth events."""
    if not evs:
        return {}
    rows = tx.rows("SELECT ev, k, depth, auth FROM event_auth WHERE ev = ANY(:evs)", evs=list(evs))
    return {ev: AuthNode(ev, k, depth, _unpacked(text)) for ev, k, depth, text in rows}


def auth_of_current(tx: Transaction, room: int) -> dict[int, AuthNode]:
    """The events of a room's current state, with their auth events."""
    rows = tx.rows(
        "SELECT a.ev, a.k, a.depth, a.auth FROM state_now n JOIN event_auth a ON a.ev = n.ev"
        " WHERE n.room = :room",
        room=room,
    )
    return {ev: AuthNode(ev, k, depth, _unpacked(text)) for ev, k, depth, text in rows}


def depths(tx: Transaction, evs: Collection[int]) -> dict[int, int]:
    """The depths of state events in the graph of auth events."""
    if not evs:
        return {}
    return dict(tx.rows("SELECT ev, depth FROM event_auth WHERE ev = ANY(:evs)", evs=list(evs)))


# --- which events the current state's auth chains cite, and how often ---


class Counted(NamedTuple):
    """A state event: how often auth chains of the current state cite it, and whether it is in it.

    The count is that at `room.auth_pos`; whether it is current is read from `state_now`.
    """

    n: int
    is_current: bool


def auth_position(tx: Transaction, room: int) -> int:
    """The position of the main line as of which the citations of a room are counted; 0: never."""
    row = tx.row("SELECT auth_pos FROM room WHERE room = :room", room=room)
    assert row is not None
    position: int = row[0]
    return position


def counted(tx: Transaction, room: int, evs: Collection[int]) -> dict[int, Counted]:
    """How state events of a room are counted."""
    if not evs:
        return {}
    rows = tx.rows(
        "SELECT a.ev, l.n, n.ev FROM event_auth a"
        " LEFT JOIN auth_live l ON l.room = :room AND l.ev = a.ev"
        " LEFT JOIN state_now n ON n.room = :room AND n.k = a.k AND n.ev = a.ev"
        " WHERE a.ev = ANY(:evs)",
        room=room,
        evs=list(evs),
    )
    return {ev: Counted(n or 0, current is not None) for ev, n, current in rows}


def set_counts(tx: Transaction, room: int, counts: Mapping[int, int], position: int) -> None:
    """Store how often events are cited as of a position of the main line; others stay."""
    tx.do(
        "INSERT INTO auth_live (room, ev, n) SELECT w.room, w.ev, w.n"
        " FROM ROWS(:rows AS room bigint, ev bigint, n int) w"
        " WHERE true ON CONFLICT (room, ev) DO UPDATE SET n = excluded.n",
        rows=[(room, ev, n) for ev, n in counts.items() if n],
    )
    gone = [ev for ev, n in counts.items() if not n]
    if gone:
        tx.do("DELETE FROM auth_live WHERE room = :room AND ev = ANY(:gone)", room=room, gone=gone)
    tx.do("UPDATE room SET auth_pos = :pos WHERE room = :room", pos=position, room=room)


def counts(tx: Transaction, room: int) -> dict[int, int]:
    """How often each event of a room is cited, as of `auth_position`."""
    return dict(tx.rows("SELECT ev, n FROM auth_live WHERE room = :room", room=room))


# --- backward extremities ---


class Missing(NamedTuple):
    """A prev event that is not part of the graph, and an event that names it."""

    event_id: str
    ev: int


def add_missing(tx: Transaction, room: int, missing: Collection[Missing]) -> None:
    """Note prev events that are not part of the graph."""
    tx.insert("event_missing", ("event_id", "ev", "room"), [(*one, room) for one in missing])


def missing(tx: Transaction, room: int) -> list[Missing]:
    """The backward extremities of a room."""
    rows = tx.rows(
        "SELECT event_id, ev FROM event_missing WHERE room = :room ORDER BY ev, event_id", room=room
    )
    return [Missing(*row) for row in rows]


def followers(tx: Transaction, event_ids: Collection[str]) -> dict[str, list[int]]:
    """Which events name these prev events, of those that were not part of the graph."""
    found: dict[str, list[int]] = {}
    if event_ids:
        rows = tx.rows(
            "SELECT event_id, ev FROM event_missing WHERE event_id = ANY(:ids) ORDER BY ev",
            ids=list(event_ids),
        )
        for event_id, ev in rows:
            found.setdefault(event_id, []).append(ev)
    return found


def found(tx: Transaction, event_ids: Collection[str]) -> None:
    """These events have become part of the graph."""
    tx.do("DELETE FROM event_missing WHERE event_id = ANY(:ids)", ids=list(event_ids))


# --- redactions that came before what they redact ---


def await_redacted(tx: Transaction, room: int, waiting: Collection[tuple[str, int]]) -> None:
    """Note redactions (redacted event's ID, redaction) whose target is not here yet."""
    tx.insert("redaction_waiting", ("event_id", "ev", "room"), [(*one, room) for one in waiting])


def redactions_of(tx: Transaction, event_ids: Collection[str]) -> dict[str, list[int]]:
    """Redactions that wait for these events; they wait no longer."""
    found: dict[str, list[int]] = {}
    rows = tx.rows(
        "SELECT event_id, ev FROM redaction_waiting WHERE event_id = ANY(:ids) ORDER BY ev",
        ids=list(event_ids),
    )
    for event_id, ev in rows:
        found.setdefault(event_id, []).append(ev)
    if found:
        tx.do("DELETE FROM redaction_waiting WHERE event_id = ANY(:ids)", ids=list(found))
    return found
