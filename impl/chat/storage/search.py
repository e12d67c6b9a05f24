"""Full-text search: which events have which words.

The index is written behind the events, by following the change log, and for events from before the
index by their numbers; `search_words_progress` says how far both are. Whoever searches first takes
in what is missing, so nothing that was acknowledged is overlooked. A redacted event leaves the
index. If the log no longer goes back to where the index stands, the index is made anew.

Both tables are derived: they are no part of `schema.metadata`, and not moved with a database.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from chat.storage import streams
from chat.storage.engine import Transaction
from chat.storage.streams import Kind
from chat.storage.words import words

MESSAGE, NAME, TOPIC = "m.room.message", "m.room.name", "m.room.topic"
REDACTION = "m.room.redaction"
KEYS = {"content.body": MESSAGE, "content.name": NAME, "content.topic": TOPIC}
_MARKS = {MESSAGE: "t0", NAME: "t1", TOPIC: "t2"}
_FIELDS = {MESSAGE: "body", NAME: "name", TOPIC: "topic"}
WORDS = 2_000  # of one text
SCOPED_ROOMS = 64  # the database looks for rooms itself; among more, the caller does


class Progress(NamedTuple):
    """The index has events up to log position `pos`, and old ones of numbers below `next_ev`.

    Old events are those up to `last_ev`: they were there when the index was begun.
    """

    pos: int
    next_ev: int
    last_ev: int


# --- writing ---


def is_behind(tx: Transaction) -> bool:
    """Whether there may be events that the index does not have."""
    row = tx.row("SELECT pos, next_ev, last_ev FROM search_words_progress WHERE id = 1")
    if row is None:
        return True
    progress = Progress(*row)
    return progress.next_ev <= progress.last_ev or progress.pos != streams.head(tx)


def take_in(tx: Transaction, limit: int) -> bool:
    """Take some more events into the index; whether there may be others."""
    progress = _progress(tx)
    head = streams.head(tx)
    if not progress.pos <= head or _log_begins(tx, head) > progress.pos + 1:
        tx.do(tx.full_text.empty)
        progress = _begin(tx)
    changed = [
        (pos, ref)
        for pos, ref in tx.rows(
            "SELECT pos, ref FROM change_log WHERE pos > :after AND pos <= :head"
            " AND kind = :kind ORDER BY pos LIMIT :limit",
            after=progress.pos,
            head=head,
            kind=int(Kind.EVENT),
            limit=limit,
        )
    ]
    _follow(tx, [ref for _, ref in changed])
    behind = len(changed) == limit
    left = 0 if behind else limit - len(changed)
    next_ev = _take_in_old(tx, progress, left)
    _note(tx, Progress(changed[-1][0] if behind else head, next_ev, progress.last_ev))
    return behind or next_ev <= progress.last_ev


def _progress(tx: Transaction) -> Progress:
    row = tx.row(
        "SELECT pos, next_ev, last_ev FROM search_words_progress WHERE id = 1 FOR NO KEY UPDATE"
    )
    return Progress(*row) if row else _begin(tx)


def _begin(tx: Transaction) -> Progress:
    """An empty index: what is there now are old events."""
    tx.run(
        "INSERT INTO search_words_progress (id, pos, next_ev, last_ev)"
        " SELECT 1, s.head, 0, (SELECT coalesce(max(ev), -1) FROM event) FROM stream s"
        " WHERE true ON CONFLICT (id) DO UPDATE SET pos = excluded.pos,"
        " next_ev = 0, last_ev = excluded.last_ev"
    )
    row = tx.row("SELECT pos, next_ev, last_ev FROM search_words_progress WHERE id = 1")
    assert row is not None
    return Progress(*row)


def _note(tx: Transaction, progress: Progress) -> None:
    tx.do(
        "UPDATE search_words_progress SET pos = :pos, next_ev = :next_ev WHERE id = 1",
        pos=progress.pos,
        next_ev=progress.next_ev,
    )


def _log_begins(tx: Transaction, head: int) -> int:
    """The first position that the log still has, or will have."""
    row = tx.row("SELECT min(pos) FROM change_log")
    return head + 1 if row is None or row[0] is None else int(row[0])


_TAKEN = "ev, room, type, json, redacted_by"
_SEARCHABLE = "rejected = 0 AND soft_failed = 0 AND outlier = 0"


def _follow(tx: Transaction, evs: Sequence[int]) -> None:
    """Take in new events, and forget what they redact."""
    rows = tx.rows(
        f"SELECT {_TAKEN} FROM event WHERE ev = ANY(:evs) AND type = ANY(:types)"  # noqa: S608 - columns
        f" AND {_SEARCHABLE}",
        evs=list(evs),
        types=[*_MARKS, REDACTION],
    )
    redactions = [body for _, _, kind, body, _ in rows if kind == REDACTION]
    _put(tx, [row for row in rows if row[2] != REDACTION])
    if redactions:
        _forget_redacted(tx, redactions)


def _take_in_old(tx: Transaction, progress: Progress, limit: int) -> int:
    """Take in the next of the old events; the number that comes after them."""
    if progress.next_ev > progress.last_ev or not limit:
        return progress.next_ev
    rows = tx.rows(
        f"SELECT {_TAKEN} FROM event WHERE ev >= :next AND ev <= :last AND {_SEARCHABLE}"  # noqa: S608 - columns
        " ORDER BY ev LIMIT :limit",
        next=progress.next_ev,
        last=progress.last_ev,
        limit=limit,
    )
    _put(tx, [row for row in rows if row[2] in _MARKS])
    return rows[-1][0] + 1 if len(rows) == limit else progress.last_ev + 1


def _put(tx: Transaction, rows: Sequence[tuple[Any, ...]]) -> None:
    for ev, room, kind, body, redacted_by in rows:
        found = [] if redacted_by else words(text_of(kind, json.loads(body)["content"]), WORDS)
        if found:
            tx.do(tx.full_text.put, **_entry(tx, ev, room, kind, found))


def _entry(tx: Transaction, ev: int, room: int, kind: str, found: list[str]) -> dict[str, Any]:
    return {
        "rowid": ev,
        "marks": tx.full_text.marks([_room_mark(room), _MARKS[kind]]),
        "words": tx.full_text.words(found),
    }


def _forget_redacted(tx: Transaction, redactions: Sequence[str]) -> None:
    targets = [_target(json.loads(body)) for body in redactions]
    rows = tx.rows(
        "SELECT e.ev, e.room, e.type, e.json FROM event e"
        " JOIN search_words w ON w.rowid = e.ev"  # SQLite must not be told to forget a stranger
        " WHERE e.event_id = ANY(:ids) AND e.redacted_by IS NOT NULL",
        ids=[target for target in targets if target],
    )
    _forget(tx, rows)


def forget(tx: Transaction, evs: Sequence[int]) -> None:
    """Take events, which are about to be deleted, out of the index."""
    rows = tx.rows(
        "SELECT e.ev, e.room, e.type, e.json FROM event e"
        " JOIN search_words w ON w.rowid = e.ev WHERE e.ev = ANY(:evs)",
        evs=list(evs),
    )
    _forget(tx, rows)


def _forget(tx: Transaction, rows: Sequence[tuple[Any, ...]]) -> None:
    for ev, room, kind, body in rows:
        found = words(text_of(kind, json.loads(body)["content"]), WORDS)
        tx.do(tx.full_text.forget, **_entry(tx, ev, room, kind, found))


def _target(redaction: dict[str, Any]) -> str:
    """The ID of the event that a redaction names, in any room version."""
    target = redaction.get("redacts") or redaction["content"].get("redacts")
    return target if isinstance(target, str) else ""


def text_of(kind: str, content: dict[str, Any]) -> str:
    """The text of an event that is searched. Spec: client-server-api/#room_events"""
    found = [content.get(_FIELDS[kind])]
    if kind == TOPIC:
        found += _plain_topics(content.get("m.topic"))
    return "\n".join(one for one in found if isinstance(one, str))


def _plain_topics(block: object) -> list[object]:
    forms = block.get("m.text") if isinstance(block, dict) else None
    return [
        form.get("body")
        for form in (forms if isinstance(forms, list) else [])
        if isinstance(form, dict) and form.get("mimetype", "text/plain") == "text/plain"
    ]


def _room_mark(room: int) -> str:
    return f"r{room}"


# --- reading ---


def newest(
    tx: Transaction,
    terms: Sequence[str],
    rooms: Collection[int],
    kinds: Collection[str],
    below_ev: int,
    limit: int,
) -> list[tuple[int, float]]:
    """(ev, rank) of the newest events below a number that have all words; at most `limit`.

    Events of other rooms are left out if there are at most SCOPED_ROOMS of `rooms`.
    """
    groups = [[_MARKS[kind] for kind in sorted(kinds)]] if len(kinds) < len(_MARKS) else []
    if len(rooms) <= SCOPED_ROOMS:
        groups.append([_room_mark(room) for room in sorted(rooms)])
    text = tx.full_text
    rows = tx.rows(
        f"SELECT w.rowid, {text.rank} FROM search_words w WHERE {text.matches}"  # noqa: S608 - constants
        " AND w.rowid < :below ORDER BY w.rowid DESC LIMIT :limit",
        query=text.query(terms, groups),
        below=below_ev,
        limit=limit,
    )
    return [(ev, float(rank)) for ev, rank in rows]
