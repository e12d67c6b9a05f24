"""The event graph, as far as the JSON of events does not tell it.

An event's `prev_events` and `auth_events` stand in its JSON and nowhere else, with two exceptions.

`event_missing` has the backward extremities: prev events that are not part of the graph, each with
who names it. An event that arrives has followers already if and only if it is found there, so the
other direction of the edges is never needed.

`event_auth` has the auth events of each state event as numbers, since the walk along auth chains
is on the way of every resolution. `auth_live` says of the events that are cited by the auth chains
of a room's current state how often they are; it is kept up to date when states are resolved, not
before, and counts up to the position `room.auth_pos` of the main line (services/rooms/chains.py).
The first servers stored no `event_auth`: until a background update has made up for it, what is
missing is read from the JSON.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from chat.protocol.identifiers import EventId
from chat.storage.background_updates import Batch
from chat.storage.cooperation import in_turns
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
    return [_node(row) for row in in_turns(rows)]


def nodes(tx: Transaction, evs: Collection[int]) -> list[Node]:
    """The events with these numbers."""
    if not evs:
        return []
    rows = tx.rows(
        f"SELECT {_NODE} FROM event WHERE ev = ANY(:evs)",  # noqa: S608 - columns
        evs=list(evs),
    )
    return [_node(row) for row in in_turns(rows)]


# --- auth events ---


def add_auth(tx: Transaction, nodes: Sequence[AuthNode]) -> None:
    """Store the auth events of new state events."""
    rows = [(node.ev, node.k, node.depth, _packed(node.auth)) for node in nodes]
    tx.insert("event_auth", ("ev", "k", "depth", "auth"), rows)


def auth(tx: Transaction, evs: Collection[int]) -> dict[int, AuthNode]:
    """The state events with these numbers, with their auth events."""
    if not evs:
        return {}
    found = _stored_auth(tx, evs)
    missing = set(evs) - found.keys()
    return found | _auth_of_json(tx, missing) if missing else found


def _stored_auth(tx: Transaction, evs: Collection[int]) -> dict[int, AuthNode]:
    rows = tx.rows("SELECT ev, k, depth, auth FROM event_auth WHERE ev = ANY(:evs)", evs=list(evs))
    return {ev: AuthNode(ev, k, depth, _unpacked(text)) for ev, k, depth, text in in_turns(rows)}


def _auth_of_json(tx: Transaction, evs: Collection[int]) -> dict[int, AuthNode]:
    """State events that were stored before there was `event_auth`, from their JSON.

    Their auth chains are followed to where they are stored; the nodes of these are not returned.
    """
    cited: dict[int, tuple[int, tuple[int, ...]]] = {}
    depths: dict[int, int] = {}
    wave = set(evs)
    while wave:
        depths |= {ev: node.depth for ev, node in _stored_auth(tx, wave).items()}
        found = _cited_in_json(tx, wave - depths.keys())
        cited |= found
        wave = {one for _, auth in found.values() for one in auth} - cited.keys() - depths.keys()
    _add_depths(cited, depths)
    return {ev: AuthNode(ev, cited[ev][0], depths[ev], cited[ev][1]) for ev in cited if ev in evs}


def _cited_in_json(tx: Transaction, evs: Collection[int]) -> dict[int, tuple[int, tuple[int, ...]]]:
    """ev → (k, its auth events), of those that are state events."""
    if not evs:
        return {}
    rows = tx.rows(
        "SELECT e.ev, s.k, e.json FROM event e JOIN state_key s"
        " ON s.type = e.type AND s.state_key = e.state_key WHERE e.ev = ANY(:evs)",
        evs=list(evs),
    )
    named = {ev: (k, _auth_events(json)) for ev, k, json in in_turns(rows)}
    ids = {one for _, auth in named.values() for one in auth}
    numbers = tx.rows("SELECT event_id, ev FROM event WHERE event_id = ANY(:ids)", ids=list(ids))
    known: dict[str, int] = dict(numbers)
    return {
        ev: (k, tuple(known[one] for one in auth if one in known))
        for ev, (k, auth) in named.items()
    }


def _auth_events(json: str) -> list[str]:
    """The IDs; room versions 1 and 2 have pairs of ID and hashes."""
    named = msgspec.json.decode(json)["auth_events"]
    return [one if isinstance(one, str) else one[0] for one in named]


def _add_depths(cited: Mapping[int, tuple[int, tuple[int, ...]]], depths: dict[int, int]) -> None:
    """Each event's depth is known after those of its auth events."""
    for first in in_turns(cited):
        waiting = [first]
        while waiting:
            auth = cited[waiting[-1]][1]
            unknown = [one for one in auth if one in cited and one not in depths]
            if unknown:
                waiting += unknown
            else:
                ev = waiting.pop()
                depths[ev] = 1 + max((depths.get(one, 0) for one in auth), default=0)


def fill_auth(tx: Transaction, progress: dict[str, Any], size: int) -> Batch:
    """Background update: store the auth events of state events from before `event_auth`."""
    after = progress.get("after", -1)
    rows = tx.rows(
        "SELECT ev, state_key IS NOT NULL FROM event WHERE ev > :after ORDER BY ev LIMIT :size",
        after=after,
        size=size,
    )
    states = [ev for ev, is_state in rows if is_state]
    missing = set(states) - _stored_auth(tx, states).keys()
    add_auth(tx, list(_auth_of_json(tx, missing).values()))
    return Batch(len(rows), {"after": rows[-1][0]} if len(rows) == size else None)


def auth_of_current(tx: Transaction, room: int) -> dict[int, AuthNode]:
    """The events of a room's current state, with their auth events."""
    rows = tx.long_rows(
        "SELECT n.ev, n.k, a.depth, a.auth FROM state_now n LEFT JOIN event_auth a ON a.ev = n.ev"
        " WHERE n.room = :room AND n.ev <> 0",
        room=room,
    )
    found = {
        ev: AuthNode(ev, k, depth, _unpacked(text))
        for ev, k, depth, text in in_turns(rows)
        if text is not None
    }
    missing = {row[0] for row in rows} - found.keys()
    return found | _auth_of_json(tx, missing) if missing else found


def depths(tx: Transaction, evs: Collection[int]) -> dict[int, int]:
    """The depths of state events in the graph of auth events."""
    if not evs:
        return {}
    rows = tx.rows("SELECT ev, depth FROM event_auth WHERE ev = ANY(:evs)", evs=list(evs))
    found: dict[int, int] = dict(rows)
    missing = set(evs) - found.keys()
    if missing:
        found |= {ev: node.depth for ev, node in _auth_of_json(tx, missing).items()}
    return found


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
        f"{_COUNTED} event_auth a {_COUNTS} WHERE a.ev = ANY(:evs)", room=room, evs=list(evs)
    )
    if len(rows) < len(evs):
        missing = set(evs) - {row[0] for row in rows}
        rows += tx.rows(
            f"{_COUNTED} ROWS(:keys AS ev bigint, k bigint) a {_COUNTS}",
            room=room,
            keys=[(ev, node.k) for ev, node in _auth_of_json(tx, missing).items()],
        )
    return {ev: Counted(n or 0, current is not None) for ev, n, current in in_turns(rows)}


_COUNTED = "SELECT a.ev, l.n, n.ev FROM"
_COUNTS = (
    "LEFT JOIN auth_live l ON l.room = :room AND l.ev = a.ev"
    " LEFT JOIN state_now n ON n.room = :room AND n.k = a.k AND n.ev = a.ev"
)


def set_counts(tx: Transaction, room: int, counts: Mapping[int, int], position: int) -> None:
    """Store how often events are cited as of a position of the main line; others stay."""
    tx.do(
        "INSERT INTO auth_live (room, ev, n) SELECT w.room, w.ev, w.n"
        " FROM ROWS(:rows AS room bigint, ev bigint, n int) w"
        " WHERE true ON CONFLICT (room, ev) DO UPDATE SET n = excluded.n",
        rows=[(room, ev, n) for ev, n in in_turns(counts.items()) if n],
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
