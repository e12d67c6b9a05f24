"""Room state: what is current, what was current before, and what lay between.

A room's *main line* is the history of its current state. A position on it counts the steps; one
step changes one key, or several at once after a resolution. `state_now` holds the current entry of
each key and since which position it stands; `state_log` holds every entry with the position of its
step.
An event refers to the state before and after it by `Ref(line, position)`, so a message, which
changes nothing, costs nothing, and the state at any position is found without storing it.

State that came as a whole (a room joined over federation) is written to `state_now` only, as of
position IMPORTED; such an entry is copied to the log by the step that replaces it. Rows never leave
the log, so that a reader may look at `state_now` first and at the log afterwards.

Keys, (type, state_key), are interned as numbers `k`; events are given by their numbers `ev`.
"""

from collections.abc import Collection, Iterable, Sequence
from enum import IntEnum
from functools import partial
from typing import Any, NamedTuple

from chat.protocol.event import StateKey
from chat.storage.caches import Cache
from chat.storage.engine import Transaction

IMPORTED = 1  # the position of entries that were there before the first step


class Mem(IntEnum):
    """What `state_now.mem` says of a member; NONE is also who is out, and no member at all."""

    NONE = 0
    INVITE = 1
    JOIN = 2
    KNOCK = 3


class Ref(NamedTuple):
    """A state of a room: a position on a line of its history."""

    line: int
    pos: int


class Step(NamedTuple):
    """One changed key of a room's current state; `pos` is the room's new head."""

    room: int
    line: int
    pos: int
    k: int
    ev: int
    mem: int


def mem_of(event_type: str, content: dict[str, Any]) -> Mem:
    """What a state event says about membership."""
    if event_type != "m.room.member":
        return Mem.NONE
    membership = content.get("membership")
    return {"invite": Mem.INVITE, "join": Mem.JOIN, "knock": Mem.KNOCK}.get(
        membership if isinstance(membership, str) else "", Mem.NONE
    )


# --- keys ---


def find_keys(tx: Transaction, keys: Collection[StateKey]) -> dict[StateKey, int]:
    """The numbers of those keys that any room ever used."""
    found = {key: k for key in keys if (k := tx.state_keys.get(key)) is not None}
    missing = [key for key in keys if key not in found]
    if missing:
        fetched = _fetch_keys(tx, missing)
        _remember(tx.state_keys, fetched)  # what a transaction finds may be its own, undone later
        found.update(fetched)
    return found


def intern(tx: Transaction, keys: Collection[StateKey]) -> dict[StateKey, int]:
    """The numbers of keys; new keys get new ones. Only in a writing transaction."""
    found = {key: k for key in keys if (k := tx.state_keys.get(key)) is not None}
    missing = sorted(key for key in set(keys) if key not in found)
    if missing:
        fetched = _fetch_keys(tx, missing)
        new = [key for key in missing if key not in fetched]
        if new:
            fetched |= _add_keys(tx, new)
        found.update(fetched)
        tx.after_commit(partial(_remember, tx.state_keys, fetched))
    return found


def _fetch_keys(tx: Transaction, keys: Sequence[StateKey]) -> dict[StateKey, int]:
    rows = tx.rows(
        "SELECT s.type, s.state_key, s.k FROM ROWS(:keys AS type text, state_key text) w"
        " JOIN state_key s ON s.type = w.type AND s.state_key = w.state_key",
        keys=list(keys),
    )
    return {(kind, state_key): k for kind, state_key, k in rows}


def _add_keys(tx: Transaction, keys: Sequence[StateKey]) -> dict[StateKey, int]:
    numbers = tx.numbers("k", len(keys))
    rows = tx.rows(
        "INSERT INTO state_key (k, type, state_key)"
        " SELECT w.k, w.type, w.state_key FROM ROWS(:rows AS k bigint, type text, state_key text) w"
        " WHERE true ON CONFLICT (type, state_key) DO NOTHING RETURNING type, state_key, k",
        rows=[(k, *key) for k, key in zip(numbers, keys, strict=True)],
    )
    added = {(kind, state_key): k for kind, state_key, k in rows}
    others = [key for key in keys if key not in added]  # another process was faster
    return added | _fetch_keys(tx, others) if others else added


def _remember(known: Cache[StateKey, int], keys: dict[StateKey, int]) -> None:
    for key, k in keys.items():
        known.put(key, k)


# --- writing; the caller holds the lock of the rooms ---


def advance(tx: Transaction, steps: Sequence[Step], imported: Collection[int] = ()) -> None:
    """Make steps of the main lines of rooms, in order. `imported`: rooms that were imported."""
    if not steps:
        return
    if imported:
        _log_superseded_imports(tx, [step for step in steps if step.room in imported])
    tx.insert("state_log", ("line", "k", "pos", "ev"), [(s.line, s.k, s.pos, s.ev) for s in steps])
    latest = {(step.room, step.k): step for step in steps}
    tx.do(
        "INSERT INTO state_now (room, k, ev, since, mem) SELECT w.room, w.k, w.ev, w.since, w.mem"
        " FROM ROWS(:rows AS room bigint, k bigint, ev bigint, since int, mem smallint) w"
        " WHERE true ON CONFLICT (room, k)"
        " DO UPDATE SET ev = excluded.ev, since = excluded.since, mem = excluded.mem",
        rows=[(s.room, s.k, s.ev, s.pos, s.mem) for s in latest.values()],
    )


def _log_superseded_imports(tx: Transaction, steps: Sequence[Step]) -> None:
    tx.do(
        "INSERT INTO state_log (line, k, pos, ev) SELECT w.line, n.k, n.since, n.ev"
        " FROM ROWS(:rows AS room bigint, line bigint, k bigint) w"
        " JOIN state_now n ON n.room = w.room AND n.k = w.k WHERE n.since = :imported"
        " ON CONFLICT (line, k, pos) DO NOTHING",
        rows=list({(step.room, step.line, step.k) for step in steps}),
        imported=IMPORTED,
    )


def import_state(tx: Transaction, room: int, entries: Iterable[tuple[int, int, int]]) -> None:
    """Give a room without state its state: (k, ev, mem) per key."""
    rows = [(room, k, ev, IMPORTED, mem) for k, ev, mem in entries]
    tx.insert("state_now", ("room", "k", "ev", "since", "mem"), rows)
    tx.do("UPDATE room SET imported = 1 WHERE room = :room", room=room)


# --- reading ---


def current(tx: Transaction, room: int, ks: Collection[int] | None = None) -> dict[int, int]:
    """k → ev of the current state, of all keys or of `ks`."""
    narrow = "" if ks is None else " AND k = ANY(:ks)"
    params: dict[str, list[int]] = {} if ks is None else {"ks": list(ks)}
    rows = tx.rows(
        f"SELECT k, ev FROM state_now WHERE room = :room{narrow}",  # noqa: S608 - one of two texts
        room=room,
        **params,
    )
    return {k: ev for k, ev in rows if ev}


# The entry of each key at a position of the main line; the text ends inside the WHERE clause.
AT = (
    "SELECT n.k AS k, CASE WHEN n.since <= :pos THEN n.ev ELSE ("
    "SELECT o.ev FROM state_log o WHERE o.line = :line AND o.k = n.k AND o.pos <= :pos"
    " ORDER BY o.pos DESC LIMIT 1) END AS ev FROM state_now n WHERE n.room = :room"
)


def at(tx: Transaction, room: int, ref: Ref, ks: Collection[int] | None = None) -> dict[int, int]:
    """k → ev of the state at a position of the main line, of all keys or of `ks`."""
    narrow = "" if ks is None else " AND n.k = ANY(:ks)"
    params: dict[str, list[int]] = {} if ks is None else {"ks": list(ks)}
    rows = tx.rows(AT + narrow, room=room, line=ref.line, pos=ref.pos, **params)
    return {k: ev for k, ev in rows if ev}


def changed(tx: Transaction, line: int, after: int, upto: int) -> dict[int, int]:
    """k → ev at `upto`, of the keys changed at positions in (after, upto]; ev 0: it vanished."""
    rows = tx.rows(
        "SELECT k, ev FROM state_log WHERE line = :line AND pos > :after AND pos <= :upto"
        " ORDER BY pos",
        line=line,
        after=after,
        upto=upto,
    )
    return dict(rows)


def difference(
    tx: Transaction, room: int, line: int, low: int, high: int
) -> dict[int, tuple[int, int]]:
    """k → (ev at `low`, ev at `high`) of the keys that differ; 0 where there is no entry."""
    above = changed(tx, line, low, high)
    below = at(tx, room, Ref(line, low), above) if above else {}
    return {k: (below.get(k, 0), ev) for k, ev in above.items() if below.get(k, 0) != ev}


def history(
    tx: Transaction, room: int, line: int, ks: Collection[int], low: int, high: int
) -> dict[int, list[tuple[int, int]]]:
    """k → [(position, ev), …], ascending: the entry at `low`, then each change up to `high`.

    Every key has at least one entry; ev 0 where it had none at `low`. One statement, whatever the
    number of positions, so the state before each event of a page costs no more than one state.
    """
    found = {k: [(low, 0)] for k in ks}
    rows = tx.rows(
        f"SELECT a.k, :pos, a.ev FROM ({AT} AND n.k = ANY(:ks)) a"  # noqa: S608 - constant
        " UNION ALL SELECT o.k, o.pos, o.ev FROM state_log o WHERE o.line = :line"
        " AND o.k = ANY(:ks) AND o.pos > :pos AND o.pos <= :high ORDER BY 2",
        room=room,
        line=line,
        ks=list(ks),
        pos=low,
        high=high,
    )
    for k, pos, ev in rows:
        if pos == low:
            found[k] = [(low, ev or 0)]
        else:
            found[k].append((pos, ev))
    return found
