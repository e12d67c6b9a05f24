"""Removing rooms that ended, and early history; a slice at a time, so that nobody waits for it.

How each table belongs to a room stands here: by its column `room`, which needs no word, or in one
of the lists below. A test fails for a table that is in none of them.

A purged room first loses its row, by which everybody finds it, and then, slice by slice, the rest.

Early history goes as far as room order reaches below a depth. Messages are deleted. State events
become outliers, known for themselves but at no place in history, as long as the state of what
remains, or the right of other events to be there, rests on them. Of the state's own history what
led to the first state that can still be asked for goes.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chat.storage import graph, relations, requests, rooms, search
from chat.storage.engine import Transaction
from chat.storage.graph import Missing
from chat.storage.schema import metadata
from chat.storage.streams import Kind

SLICE = 500  # rows that go at once

BY_EVENT = ("event_auth", "answered_request", "search_words")  # go with each event
BY_LINE = ("state_log",)  # belongs to the lines of the room
BY_ROOM_ID = ("delayed_event", "report")
SHARED = ("state_key",)  # names of state, the same for all rooms
PASSING = ("change_log", "event_txn")  # ends by itself, soon; is used no more
OWN = ("room", "event", "ended_room", "history_purge")  # what this module looks after by hand
AUTHORISES = (
    "m.room.create",
    "m.room.join_rules",
    "m.room.member",
    "m.room.power_levels",
    "m.room.third_party_invite",
)


def tables_by_room() -> list[str]:
    """The tables whose column `room` says what goes with a room."""
    apart = {*BY_EVENT, *PASSING, *OWN}
    return sorted(
        table.name
        for table in metadata.tables.values()
        if "room" in table.columns and table.name not in apart
    )


# --- rooms that ended ---


def note_if_ended(tx: Transaction, room: int, now_ms: int) -> None:
    """Note that a room ended, if every user of this server has left and forgotten it."""
    tx.do(
        "INSERT INTO ended_room (room, ended_ts) SELECT :room, :now WHERE NOT EXISTS"
        " (SELECT 1 FROM local_member WHERE room = :room AND forgotten = 0)"
        " ON CONFLICT (room) DO NOTHING",
        room=room,
        now=now_ms,
    )


class Ended(NamedTuple):
    """A room that ended; `main_line` is known once its row is gone."""

    room: int
    main_line: int | None


def next_ended(tx: Transaction, before_ms: int) -> Ended | None:
    """A room that is being purged, else one that ended before a time."""
    row = tx.row(
        "SELECT room, main_line FROM ended_room WHERE main_line IS NOT NULL OR ended_ts < :before"
        " ORDER BY CASE WHEN main_line IS NULL THEN 1 ELSE 0 END, ended_ts LIMIT 1",
        before=before_ms,
    )
    return None if row is None else Ended(*row)


def close_room(tx: Transaction, room: int) -> None:
    """Take a room away from everybody at once; it stays if somebody came back meanwhile."""
    locked = tx.row(
        "SELECT main_line FROM room WHERE room = :room FOR NO KEY UPDATE",
        room=room,
    )
    back = tx.row("SELECT 1 FROM local_member WHERE room = :room AND forgotten = 0", room=room)
    if locked is None or back is not None:
        tx.do("DELETE FROM ended_room WHERE room = :room", room=room)
        return
    for table in BY_ROOM_ID:
        tx.do(
            f"DELETE FROM {table} WHERE room_id IN"  # noqa: S608 - names of ours
            " (SELECT room_id FROM room WHERE room = :room)",
            room=room,
        )
    for table in ("room", "room_alias", "published_room"):
        tx.do(f"DELETE FROM {table} WHERE room = :room", room=room)  # noqa: S608 - names of ours
    tx.do("UPDATE ended_room SET main_line = :line WHERE room = :room", line=locked[0], room=room)


def purge_slice(tx: Transaction, ended: Ended) -> bool:
    """Delete some more of a closed room; whether anything may be left."""
    evs = [
        ev
        for (ev,) in tx.rows(
            "SELECT ev FROM event WHERE room = :room LIMIT :limit", room=ended.room, limit=SLICE
        )
    ]
    if evs:
        delete_events(tx, evs)
        return True
    lines = tx.rows("SELECT line FROM state_line WHERE room = :room", room=ended.room)
    logged = [ended.main_line or 0, *(line for (line,) in lines)]
    if _delete_some(tx, "state_log", "line = ANY(:lines)", lines=logged):
        return True
    for table in tables_by_room():
        if _delete_some(tx, table, "room = :room", room=ended.room):
            return True
    for table in ("history_purge", "ended_room"):
        tx.do(f"DELETE FROM {table} WHERE room = :room", room=ended.room)  # noqa: S608 - names of ours
    return False


def _delete_some(tx: Transaction, table: str, where: str, **params: int | list[int]) -> bool:
    """Delete rows, at most a slice; whether there were so many."""
    key = ", ".join(column.name for column in metadata.tables[table].primary_key)
    touched = tx.run(
        f"DELETE FROM {table} WHERE ({key}) IN"  # noqa: S608 - names of ours
        f" (SELECT {key} FROM {table} WHERE {where} LIMIT :limit)",
        limit=SLICE,
        **params,
    )
    return touched == SLICE


def delete_events(tx: Transaction, evs: Sequence[int]) -> None:
    """Delete events with what hangs on each of them."""
    search.forget(tx, evs)
    _unlog(tx, evs)
    requests.forget_answers(tx, evs)
    for table in ("event_auth", "event"):
        tx.do(f"DELETE FROM {table} WHERE ev = ANY(:evs)", evs=list(evs))  # noqa: S608 - names of ours


def _unlog(tx: Transaction, evs: Sequence[int]) -> None:
    """Take events off the change log: nobody is to hear of them any more."""
    tx.do(
        "DELETE FROM change_log WHERE kind = :kind"
        " AND pos IN (SELECT pos FROM event WHERE ev = ANY(:evs))",
        kind=int(Kind.EVENT),
        evs=list(evs),
    )


# --- early history ---


class Cut(NamedTuple):
    """Where the history of a room is to begin: at `depth`.

    Once all before is gone, what remains is looked through; up to `seen`, (depth, pos), it was.
    """

    room: int
    depth: int
    seen: tuple[int, int]


def cut(tx: Transaction, room: int, depth: int) -> None:
    """Have the history of a room below a depth removed; one that goes further stays."""
    tx.do(
        "INSERT INTO history_purge (room, depth, seen_depth, seen_pos) VALUES (:room, :depth, 0, 0)"
        " ON CONFLICT (room) DO UPDATE SET depth = excluded.depth, seen_depth = 0, seen_pos = 0"
        " WHERE history_purge.depth < excluded.depth",
        room=room,
        depth=depth,
    )


def next_cut(tx: Transaction) -> Cut | None:
    """A cut that is not done yet."""
    row = tx.row(
        "SELECT room, depth, seen_depth, seen_pos FROM history_purge ORDER BY room LIMIT 1"
    )
    return None if row is None else Cut(row[0], row[1], (row[2], row[3]))


def numbers_after(tx: Transaction, room: int, limit: int) -> list[int]:
    """The next rooms by their numbers."""
    rows = tx.rows(
        "SELECT room FROM room WHERE room > :room ORDER BY room LIMIT :limit",
        room=room,
        limit=limit,
    )
    return [number for (number,) in rows]


def depth_reached(tx: Transaction, room: int, before_ms: int, limit: int) -> int | None:
    """The depth at which the first event begins that is not older than a time.

    Looks at the first `limit` events of the room only. None when the first is not older, or there
    is none.
    """
    rows = tx.rows(
        "SELECT depth, origin_server_ts FROM event WHERE room = :room AND outlier = 0"
        " AND pos IS NOT NULL ORDER BY depth, pos LIMIT :limit",
        room=room,
        limit=limit,
    )
    old = 0
    while old < len(rows) and rows[old][1] < before_ms:
        old += 1
    if not old:
        return None
    depth: int = rows[old][0] if old < len(rows) else rows[-1][0]
    return depth


def cut_slice(tx: Transaction, found: Cut) -> bool:
    """Remove some more of the history before a cut; whether there is more to do."""
    room = _locked(tx, found.room)
    if room is None:
        tx.do("DELETE FROM history_purge WHERE room = :room", room=found.room)
        return False
    rows = tx.rows(
        "SELECT ev, state_key FROM event WHERE room = :room AND depth < :depth"
        " AND pos IS NOT NULL AND event_id <> ALL(:tips) ORDER BY depth, pos LIMIT :limit",
        room=found.room,
        depth=found.depth,
        tips=[tip.event_id for tip in room.tips],
        limit=SLICE,
    )
    if not rows:
        if relations.forget_some_before(tx, found.room, found.depth, SLICE):
            return True
        return _look_through(tx, found, room.main_line)
    tx.do("DELETE FROM event_missing WHERE ev = ANY(:evs)", evs=[ev for ev, _ in rows])
    delete_events(tx, [ev for ev, state_key in rows if state_key is None])
    _take_out_of_history(tx, [ev for ev, state_key in rows if state_key is not None])
    return True


def _locked(tx: Transaction, number: int) -> rooms.Room | None:
    row = tx.row("SELECT room_id FROM room WHERE room = :room", room=number)
    return None if row is None else rooms.lock(tx, [row[0]]).get(row[0])


def _named(body: str) -> set[str]:
    """The IDs of an event's prev events, in any room version."""
    named = json.loads(body)["prev_events"]
    return {one if isinstance(one, str) else one[0] for one in named}


def _take_out_of_history(tx: Transaction, evs: Sequence[int]) -> None:
    _unlog(tx, evs)
    tx.do(
        "UPDATE event SET outlier = 1, pos = NULL, before_line = NULL, before_pos = NULL,"
        " after_line = NULL, after_pos = NULL, main_pos = NULL, replaces = NULL"
        " WHERE ev = ANY(:evs)",
        evs=list(evs),
    )


def _look_through(tx: Transaction, found: Cut, main_line: int) -> bool:
    """Note which of the remaining events name some that are no longer part of the graph."""
    rows = tx.rows(
        "SELECT ev, depth, pos, json FROM event WHERE room = :room AND pos IS NOT NULL"
        " AND (depth, pos) > (:depth, :pos) ORDER BY depth, pos LIMIT :limit",
        room=found.room,
        depth=found.seen[0],
        pos=found.seen[1],
        limit=SLICE,
    )
    _note_missing(tx, found.room, {ev: _named(body) for ev, _, _, body in rows})
    if len(rows) < SLICE:
        _finish(tx, found, main_line)
        return False
    tx.do(
        "UPDATE history_purge SET seen_depth = :depth, seen_pos = :pos WHERE room = :room",
        room=found.room,
        depth=rows[-1][1],
        pos=rows[-1][2],
    )
    return True


def _note_missing(tx: Transaction, room: int, named: Mapping[int, set[str]]) -> None:
    wanted: list[str] = sorted({one for ids in named.values() for one in ids})
    present = tx.rows(
        "SELECT event_id FROM event WHERE event_id = ANY(:ids) AND outlier = 0", ids=wanted
    )
    here = {event_id for (event_id,) in present}
    missing = {Missing(one, ev) for ev, ids in named.items() for one in ids - here}
    graph.add_missing(tx, room, sorted(missing - set(graph.missing(tx, room))))


def _finish(tx: Transaction, found: Cut, main_line: int) -> None:
    """Everything below the cut is gone: now what only led there."""
    _drop_relations(tx, found)
    _drop_lines(tx, found.room)
    _drop_superseded_state(tx, found.room, main_line)
    tx.do("DELETE FROM history_purge WHERE room = :room", room=found.room)


def _drop_relations(tx: Transaction, found: Cut) -> None:
    """Relations of what is gone, and of threads what they said of it."""
    params = {"room": found.room, "depth": found.depth}
    tx.do("DELETE FROM relation WHERE room = :room AND depth < :depth", **params)
    tx.do("DELETE FROM thread WHERE room = :room AND depth < :depth", **params)
    tx.do(
        "UPDATE thread SET replies = (SELECT COUNT(*) FROM relation r WHERE r.room = thread.room"
        " AND r.parent_id = thread.root_id AND r.rel_type = 'm.thread') WHERE room = :room",
        room=found.room,
    )
    tx.do(
        "UPDATE thread_member SET replies = (SELECT COUNT(*) FROM relation r"
        " WHERE r.room = thread_member.room AND r.parent_id = thread_member.root_id"
        " AND r.rel_type = 'm.thread' AND r.sender = thread_member.user_id) WHERE room = :room",
        room=found.room,
    )
    tx.do("DELETE FROM thread_member WHERE room = :room AND replies = 0", room=found.room)


def _drop_lines(tx: Transaction, room: int) -> None:
    """Branches on which no event and no other branch stands."""
    while gone := tx.rows(
        "DELETE FROM state_line WHERE room = :room AND NOT EXISTS (SELECT 1 FROM event e"
        " WHERE e.room = :room AND (e.before_line = state_line.line"
        " OR e.after_line = state_line.line))"
        " AND NOT EXISTS (SELECT 1 FROM state_line c WHERE c.parent = state_line.line)"
        " RETURNING line",
        room=room,
    ):
        lines = [line for (line,) in gone]
        tx.do("DELETE FROM state_log WHERE line = ANY(:lines)", lines=lines)


def _drop_superseded_state(tx: Transaction, room: int, line: int) -> None:
    """Steps of the main line before the first state that can be asked for, where others follow."""
    first = tx.row(
        "SELECT MIN(pos) FROM (SELECT before_pos AS pos FROM event WHERE room = :room"
        " AND before_line = :line UNION ALL SELECT parent_pos FROM state_line WHERE room = :room"
        " AND parent = :line UNION ALL SELECT auth_pos FROM room WHERE room = :room"
        " AND auth_pos > 0) p",  # from where citations are counted on (graph.py)
        room=room,
        line=line,
    )
    if first is None or first[0] is None:
        return
    rows = tx.rows(
        "DELETE FROM state_log WHERE line = :line AND pos < :first AND EXISTS (SELECT 1 FROM"
        " state_log n WHERE n.line = :line AND n.k = state_log.k AND n.pos > state_log.pos"
        " AND n.pos <= :first) RETURNING ev",
        line=line,
        first=first[0],
    )
    _delete_unused(tx, room, sorted({ev for (ev,) in rows}))


def _delete_unused(tx: Transaction, room: int, evs: Sequence[int]) -> None:
    """Delete outliers on which nothing rests any more, of those that were taken off the log."""
    for start in range(0, len(evs), SLICE):
        unused = tx.rows(
            "SELECT ev FROM event WHERE ev = ANY(:evs) AND room = :room AND outlier = 1"
            " AND type <> ALL(:authorises)"
            " AND NOT EXISTS (SELECT 1 FROM state_now n WHERE n.room = :room AND n.ev = event.ev)"
            " AND NOT EXISTS (SELECT 1 FROM state_log o JOIN state_line l ON l.line = o.line"
            " WHERE l.room = :room AND o.ev = event.ev)",
            evs=list(evs[start : start + SLICE]),
            room=room,
            authorises=list(AUTHORISES),
        )
        delete_events(tx, [ev for (ev,) in unused])
