"""Which events relate to which, and the threads that this makes.

A row of `relation` is an event (`ev`, of `sender`, at its place in room order) that names another
one in `m.relates_to`. Redacted events have no row. `thread` and `thread_member` follow from it.
Spec: client-server-api/#forming-relationships-between-events
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from chat.storage.engine import Transaction
from chat.storage.events import COLUMNS, EventRow, Place
from chat.storage.positions import Position

THREAD, REPLACE, REFERENCE, ANNOTATION = "m.thread", "m.replace", "m.reference", "m.annotation"
RELATED, THREADED = 1, 2  # values of `Room.related`

_OF_E = ", ".join(f"e.{column}" for column in COLUMNS)


class Relation(NamedTuple):
    """An event that relates to another; `lawful` says that it may be aggregated."""

    room: int
    parent_id: str
    rel_type: str
    depth: int
    ev: int
    sender: str
    ts: int
    lawful: bool


class Child(NamedTuple):
    """An event that counts for the aggregation of another; of a thread the latest of `replies`."""

    room: int
    parent_id: str
    rel_type: str
    ev: int
    replies: int = 0


Parent = tuple[int, str]  # room, event ID


# --- writing ---


def add(tx: Transaction, relations: Sequence[Relation], pos_of: Mapping[int, Position]) -> None:
    """Store relations of new events."""
    tx.insert(
        "relation",
        ("room", "parent_id", "rel_type", "depth", "pos", "ev", "sender", "ts", "lawful"),
        [
            (
                r.room,
                r.parent_id,
                r.rel_type,
                r.depth,
                pos_of[r.ev],
                r.ev,
                r.sender,
                r.ts,
                +r.lawful,
            )
            for r in relations
        ],
    )
    replies = [one for one in relations if one.rel_type == THREAD]
    if replies:
        _add_replies(tx, replies, pos_of)


def _add_replies(
    tx: Transaction, replies: Sequence[Relation], pos_of: Mapping[int, Position]
) -> None:
    latest: dict[Parent, Relation] = {}
    counts: dict[tuple[int, str, str], int] = {}
    for reply in replies:
        key = reply.room, reply.parent_id
        known = latest.get(key)
        if known is None or reply.depth >= known.depth:  # they are in the order of positions
            latest[key] = reply
        counts[(*key, reply.sender)] = counts.get((*key, reply.sender), 0) + 1
    totals: dict[Parent, int] = {}
    for (room, root_id, _), count in counts.items():
        totals[room, root_id] = totals.get((room, root_id), 0) + count
    newer = "(excluded.depth, excluded.pos) > (thread.depth, thread.pos)"
    moved = ", ".join(
        f"{name} = CASE WHEN {newer} THEN excluded.{name} ELSE thread.{name} END"
        for name in ("ev", "depth", "pos")
    )
    tx.do(
        "INSERT INTO thread (room, root_id, replies, ev, depth, pos)"  # noqa: S608 - constants
        " SELECT w.room, w.root_id, w.replies, w.ev, w.depth, w.pos FROM ROWS(:rows AS room bigint,"
        " root_id text, replies int, ev bigint, depth bigint, pos bigint) w"
        " WHERE true ON CONFLICT (room, root_id) DO UPDATE SET"
        f" replies = thread.replies + excluded.replies, {moved}",
        rows=[(*key, totals[key], r.ev, r.depth, pos_of[r.ev]) for key, r in latest.items()],
    )
    tx.do(
        "INSERT INTO thread_member (room, root_id, user_id, replies)"
        " SELECT w.room, w.root_id, w.user_id, w.replies FROM ROWS(:rows AS room bigint,"
        " root_id text, user_id text, replies int) w WHERE true"
        " ON CONFLICT (room, root_id, user_id)"
        " DO UPDATE SET replies = thread_member.replies + excluded.replies",
        rows=[(*key, count) for key, count in counts.items()],
    )


def remove(tx: Transaction, relations: Sequence[Relation]) -> None:
    """Drop the relations of redacted events; those that are not there do no harm."""
    removed: set[int] = set()
    for relation in relations:
        removed |= {
            ev
            for (ev,) in tx.rows(
                "DELETE FROM relation WHERE room = :room AND parent_id = :parent"
                " AND rel_type = :rel_type AND depth = :depth AND ev = :ev RETURNING ev",
                room=relation.room,
                parent=relation.parent_id,
                rel_type=relation.rel_type,
                depth=relation.depth,
                ev=relation.ev,
            )
        }
    for reply in relations:
        if reply.rel_type == THREAD and reply.ev in removed:
            _remove_reply(tx, reply)


def _remove_reply(tx: Transaction, reply: Relation) -> None:
    key: dict[str, str | int] = {"room": reply.room, "root": reply.parent_id}
    tx.do(
        "UPDATE thread_member SET replies = replies - 1"
        " WHERE room = :room AND root_id = :root AND user_id = :user",
        user=reply.sender,
        **key,
    )
    tx.do("DELETE FROM thread_member WHERE room = :room AND root_id = :root AND replies = 0", **key)
    tx.do("UPDATE thread SET replies = replies - 1 WHERE room = :room AND root_id = :root", **key)
    tx.do("DELETE FROM thread WHERE room = :room AND root_id = :root AND replies = 0", **key)
    newest = tx.row(
        "SELECT ev, depth, pos FROM relation"  # noqa: S608 - a constant
        " WHERE room = :room AND parent_id = :root"
        f" AND rel_type = '{THREAD}' ORDER BY depth DESC, pos DESC LIMIT 1",
        **key,
    )
    if newest is not None:
        tx.do(
            "UPDATE thread SET ev = :ev, depth = :depth, pos = :pos"
            " WHERE room = :room AND root_id = :root",
            ev=newest[0],
            depth=newest[1],
            pos=newest[2],
            **key,
        )


def forget_some_before(tx: Transaction, room: int, depth: int, limit: int) -> bool:
    """Drop up to `limit` relations of events before a depth; whether there were any."""
    rows = tx.rows(
        "SELECT parent_id, rel_type, depth, pos, sender FROM relation"
        " WHERE room = :room AND depth < :depth LIMIT :limit",
        room=room,
        depth=depth,
        limit=limit,
    )
    if not rows:
        return False
    tx.do(
        "DELETE FROM relation WHERE (room, parent_id, rel_type, depth, pos) IN"
        " (SELECT w.room, w.parent_id, w.rel_type, w.depth, w.pos FROM ROWS(:rows AS room bigint,"
        " parent_id text, rel_type text, depth bigint, pos bigint) w)",
        rows=[(room, *row[:4]) for row in rows],
    )
    replies: list[tuple[str, ...]] = [(row[0], row[4]) for row in rows if row[1] == THREAD]
    _count_less(tx, room, "thread", Counter(key[:1] for key in replies))
    _count_less(tx, room, "thread_member", Counter(replies))
    return True


def _count_less(
    tx: Transaction, room: int, table: str, gone: Mapping[tuple[str, ...], int]
) -> None:
    """Take replies off a table that counts them by root, or by root and user."""
    names = ("root_id", "user_id")[: len(next(iter(gone), ()))]
    same = " AND ".join(f"{table}.{name} = w.{name}" for name in names)
    columns = ", ".join(f"{name} text" for name in names)
    rows: list[list[str | int]] = [[*key, n] for key, n in gone.items()]
    if rows:
        tx.do(
            f"UPDATE {table} SET replies = {table}.replies - w.n"  # noqa: S608 - names of ours
            f" FROM ROWS(:rows AS {columns}, n int) w WHERE {table}.room = :room AND {same}",
            room=room,
            rows=rows,
        )
        tx.do(f"DELETE FROM {table} WHERE room = :room AND replies <= 0", room=room)  # noqa: S608 - names of ours


def note_related(tx: Transaction, levels: Mapping[int, int]) -> None:
    """Raise `Room.related` of rooms."""
    tx.do(
        "UPDATE room SET related = w.level FROM ROWS(:rows AS room bigint, level int) w"
        " WHERE room.room = w.room AND room.related < w.level",
        rows=list(levels.items()),
    )


# --- aggregations ---


def children(
    tx: Transaction, parents: Collection[Parent], ignored: Collection[str], limit: int
) -> list[Child]:
    """Edits by the same sender and references, at most `limit` of a kind for each parent, and the
    latest reply of each thread.

    Those of `ignored` users are left out, but for the reply. Edits come with the newest first by
    their own time, references in room order with the newest first.
    """
    order = f"CASE r.rel_type WHEN '{REPLACE}' THEN r.ts ELSE r.depth END"
    rows = tx.rows(
        "SELECT room, parent_id, rel_type, ev, 0 AS replies, place FROM ("  # noqa: S608 - constants
        "SELECT r.room, r.parent_id, r.rel_type, r.ev, row_number() OVER (PARTITION BY r.room,"
        f" r.parent_id, r.rel_type ORDER BY {order} DESC, r.pos DESC) AS place"
        " FROM ROWS(:parents AS room bigint, event_id text) w"
        " JOIN relation r ON r.room = w.room AND r.parent_id = w.event_id"
        f" AND r.rel_type IN ('{REPLACE}', '{REFERENCE}') AND r.lawful = 1"
        " AND r.sender <> ALL(:ignored)"
        f" LEFT JOIN event p ON r.rel_type = '{REPLACE}' AND p.event_id = r.parent_id"
        f" WHERE r.rel_type <> '{REPLACE}' OR r.sender = p.sender) x WHERE place <= :limit"
        f" UNION ALL SELECT t.room, t.root_id, '{THREAD}', t.ev, t.replies, 1"
        " FROM ROWS(:parents AS room bigint, event_id text) w"
        " JOIN thread t ON t.room = w.room AND t.root_id = w.event_id ORDER BY place",
        parents=list(parents),
        ignored=list(ignored),
        limit=limit,
    )
    return [Child(*row) for *row, _ in rows]


def thread_members(tx: Transaction, roots: Collection[Parent]) -> dict[Parent, dict[str, int]]:
    """Who wrote how many replies in these threads."""
    found: dict[Parent, dict[str, int]] = {}
    for room, root_id, user_id, replies in tx.rows(
        "SELECT m.room, m.root_id, m.user_id, m.replies"
        " FROM ROWS(:roots AS room bigint, event_id text) w"
        " JOIN thread_member m ON m.room = w.room AND m.root_id = w.event_id",
        roots=list(roots),
    ):
        found.setdefault((room, root_id), {})[user_id] = replies
    return found


def newest_replies(
    tx: Transaction, roots: Collection[Parent], ignored: Collection[str], limit: int
) -> list[Child]:
    """The last `limit` replies of each thread, the newest first, without those of ignored users."""
    rows = tx.rows(
        "SELECT room, parent_id, ev FROM ("  # noqa: S608 - constants
        "SELECT r.room, r.parent_id, r.ev, row_number() OVER"
        " (PARTITION BY r.room, r.parent_id ORDER BY r.depth DESC, r.pos DESC) AS place"
        " FROM ROWS(:roots AS room bigint, event_id text) w JOIN relation r ON r.room = w.room"
        f" AND r.parent_id = w.event_id AND r.rel_type = '{THREAD}'"
        " WHERE r.sender <> ALL(:ignored)) x WHERE place <= :limit ORDER BY place",
        roots=list(roots),
        ignored=list(ignored),
        limit=limit,
    )
    return [Child(room, root_id, THREAD, ev) for room, root_id, ev in rows]


# --- lists ---


class Wanted(NamedTuple):
    """Which related events a list has; `levels` is how deep it goes."""

    room: int
    parent_id: str
    rel_type: str | None
    event_type: str | None
    levels: int = 1

    @property
    def filters(self) -> str:
        """SQL that narrows `r` and `e` to what is wanted."""
        rel_type = "" if self.rel_type is None else " AND r.rel_type = :rel_type"
        return rel_type + ("" if self.event_type is None else " AND e.type = :event_type")

    @property
    def params(self) -> dict[str, str | int]:
        """The parameters of `filters`, room and parent."""
        given = {"rel_type": self.rel_type, "event_type": self.event_type}
        return {
            "room": self.room,
            "parent": self.parent_id,
            **{name: value for name, value in given.items() if value is not None},
        }


def page(
    tx: Transaction, wanted: Wanted, start: Place, end: Place, limit: int, *, backwards: bool
) -> list[EventRow]:
    """At most `limit` related events in room order from `start` towards `end`."""
    low, high = (end, start) if backwards else (start, end)
    order = "DESC" if backwards else "ASC"
    source, where, deep = _direct(wanted) if wanted.levels == 1 else _recursive(wanted)
    rows = tx.rows(
        f"{source} WHERE {where} AND (r.depth, r.pos) > (:low_depth, :low_pos)"
        " AND (r.depth, r.pos) <= (:high_depth, :high_pos)"
        f" ORDER BY r.depth {order}, r.pos {order} LIMIT :limit",
        low_depth=low.depth,
        low_pos=low.pos,
        high_depth=high.depth,
        high_pos=high.pos,
        limit=limit,
        **deep,
        **wanted.params,
    )
    return [EventRow(*row) for row in rows]


def _direct(wanted: Wanted) -> tuple[str, str, dict[str, int]]:
    source = f"SELECT {_OF_E} FROM relation r JOIN event e ON e.ev = r.ev"  # noqa: S608 - columns
    return source, f"r.room = :room AND r.parent_id = :parent{wanted.filters}", {}


def _recursive(wanted: Wanted) -> tuple[str, str, dict[str, int]]:
    # An event names one other, so it is found once, but for the odd circle that old room versions
    # allow: that ends with the levels, and its events come once.
    source = (
        "WITH RECURSIVE found(ev, event_id, depth, pos, level) AS ("  # noqa: S608 - constants
        "SELECT r.ev, e.event_id, r.depth, r.pos, 1 FROM relation r JOIN event e ON e.ev = r.ev"
        f" WHERE r.room = :room AND r.parent_id = :parent{wanted.filters}"
        " UNION ALL SELECT r.ev, e.event_id, r.depth, r.pos, f.level + 1 FROM found f"
        " JOIN relation r ON r.room = :room AND r.parent_id = f.event_id"
        f" JOIN event e ON e.ev = r.ev WHERE f.level < :levels{wanted.filters})"
        f" SELECT {_OF_E} FROM (SELECT DISTINCT ev, depth, pos FROM found) r"
        " JOIN event e ON e.ev = r.ev"
    )
    return source, "true", {"levels": wanted.levels}


def own_annotations(tx: Transaction, parent: Parent, sender: str) -> list[tuple[str, str]]:
    """(type, JSON) of the annotations that a user gave an event."""
    rows = tx.rows(
        "SELECT e.type, e.json FROM relation r JOIN event e ON e.ev = r.ev"  # noqa: S608 - a constant
        f" WHERE r.room = :room AND r.parent_id = :parent AND r.rel_type = '{ANNOTATION}'"
        " AND r.sender = :sender",
        room=parent[0],
        parent=parent[1],
        sender=sender,
    )
    return [(kind, body) for kind, body in rows]


def thread_roots(
    tx: Transaction, room: int, before: Place, limit: int, participant: str | None
) -> list[tuple[Place, EventRow]]:
    """Threads whose latest reply stands before a place, the latest first: that reply's place and
    the root. Threads whose root is not known are left out.

    `participant`: a user who wrote in each of them, or its root; None for all threads.
    """
    narrow = (
        " AND (e.sender = :participant OR EXISTS (SELECT 1 FROM thread_member m WHERE"
        " m.room = t.room AND m.root_id = t.root_id AND m.user_id = :participant))"
    )
    rows = tx.rows(
        f"SELECT t.depth, t.pos, {_OF_E} FROM thread t JOIN event e"  # noqa: S608 - columns, constants
        " ON e.event_id = t.root_id AND e.room = t.room WHERE t.room = :room"
        " AND (t.depth, t.pos) < (:depth, :pos)"
        f"{'' if participant is None else narrow} ORDER BY t.depth DESC, t.pos DESC LIMIT :limit",
        room=room,
        depth=before.depth,
        pos=before.pos,
        limit=limit,
        **({} if participant is None else {"participant": participant}),
    )
    return [(Place(depth, pos), EventRow(*row)) for depth, pos, *row in rows]


def known_parents(tx: Transaction, room_of: Iterable[Parent]) -> dict[Parent, tuple[EventRow, str]]:
    """The events of (room, event ID), with their JSON; what is not in the room is left out."""
    rows = tx.rows(
        f"SELECT {_OF_E}, e.json FROM ROWS(:parents AS room bigint, event_id text) w"  # noqa: S608 - columns
        " JOIN event e ON e.event_id = w.event_id AND e.room = w.room",
        parents=list(room_of),
    )
    return {(row[2], row[1]): (EventRow(*row[:-1]), row[-1]) for row in rows}
