"""Branch lines: states beside the history of a room's current state, and what lies between states.

A branch hangs on a position of another line, its parent, and holds the few entries in which it
differs from there; an entry found nearer hides what lies below. The c-th branch on top of another
takes over the entries of the last lowbit(c) of them (as a Fenwick tree does), so that the way to
the main line stays short however deep branches nest. A *root* has no parent: it is a whole state.

All statements but the walk to the main line are as many as there are kinds of lines, not states:
what several states differ in is found from the rows of the lines between them. Writing needs the
room's lock. See state.py for the main line, and docs/adr/ for measurements.
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from chat.storage import state
from chat.storage.engine import Transaction
from chat.storage.state import Ref

COPIED_ROWS = 2_048  # of branches below, at most; with more a branch hangs on the nearest one

Entries = dict[int, int]  # k → ev; 0 where there is none


class Line(NamedTuple):
    """A branch: where it hangs, how many are below it, its last position."""

    line: int
    parent: int | None
    parent_pos: int
    depth: int
    top: int


class Path(NamedTuple):
    """The way from a state to the main line or a root: positions, nearest first."""

    stops: tuple[Ref, ...]
    lines: Mapping[int, Line]  # of the branches among them

    def reaches(self, line: int) -> bool:
        """Whether the way leads over a line."""
        return any(stop.line == line for stop in self.stops)


# --- the way down ---


def paths(tx: Transaction, refs: Collection[Ref], main_line: int) -> dict[Ref, Path]:
    """The way from each state to the main line."""
    branches = {ref.line for ref in refs} - {main_line}
    lines = _lines(tx, branches) if branches else {}
    return {ref: _path(ref, lines) for ref in refs}


def _lines(tx: Transaction, wanted: Collection[int]) -> dict[int, Line]:
    """These branches, and all that they hang on."""
    rows = tx.rows(
        "WITH RECURSIVE below (line, parent, parent_pos, depth, top) AS ("
        "SELECT line, parent, parent_pos, depth, top FROM state_line WHERE line = ANY(:lines)"
        " UNION SELECT l.line, l.parent, l.parent_pos, l.depth, l.top"
        " FROM below b JOIN state_line l ON l.line = b.parent)"
        " SELECT line, parent, parent_pos, depth, top FROM below",
        lines=list(wanted),
    )
    return {row[0]: Line(*row) for row in rows}


def _path(ref: Ref, lines: Mapping[int, Line]) -> Path:
    stops, passed = [ref], {}
    while (line := lines.get(stops[-1].line)) is not None:
        passed[line.line] = line
        if line.parent is None:
            break
        stops.append(Ref(line.parent, line.parent_pos))
    return Path(tuple(stops), passed)


# --- reading ---


def at(
    tx: Transaction, room: int, main_line: int, ref: Ref, ks: Collection[int] | None = None
) -> Entries:
    """The entries of a state on any line, of all keys or of `ks`; without keys that have none."""
    if ref.line == main_line:
        return state.at(tx, room, ref, ks)
    path = paths(tx, [ref], main_line)[ref]
    found: Entries = {}
    if path.stops[-1].line == main_line:
        found = state.at(tx, room, path.stops[-1], ks)
    seen = _rows_of_branches(tx, path.stops, main_line, ks)
    for stop in reversed(path.stops):
        found |= {
            k: evs[place]
            for (line, k), (positions, evs) in seen.items()
            if line == stop.line and (place := bisect_right(positions, stop.pos) - 1) >= 0
        }
    return {k: ev for k, ev in found.items() if ev}


def gather(
    tx: Transaction,
    room: int,
    main_line: int,
    refs: Collection[Ref],
    ks: Collection[int] | None = None,
) -> dict[Ref, Entries]:
    """The entries of several states: of `ks`, or of every key on which they may differ.

    Takes time in proportion to the changes between them. Every state has an entry for each key,
    0 where it has none.
    """
    ways = paths(tx, set(refs), main_line)
    base = _meeting(list(ways.values()))
    if base is None:
        return _unrelated(tx, room, main_line, ways, ks)
    stops = [stop for path in ways.values() for stop in path.stops]
    at_base = [stop.pos for stop in stops if stop.line == base]
    above = {stop.line for path in ways.values() for stop in _above(path, base)}
    low = Ref(base, min(at_base))
    if ks is not None and base == main_line:
        return _values(
            ways, base, set(ks), _rows_of_keys(tx, room, low, max(at_base), above, ks), {}
        )
    seen = _rows_between(tx, base, low.pos, max(at_base), above, ks)
    keys = {k for _, k in seen} if ks is None else set(ks)
    below = at(tx, room, main_line, low, keys) if keys else {}
    return _values(ways, base, keys, seen, below)


def _values(
    ways: Mapping[Ref, Path],
    base: int,
    keys: Collection[int],
    seen: "_Seen",
    below: Mapping[int, int],
) -> dict[Ref, Entries]:
    return {
        ref: {k: _value(path, base, k, seen, below) for k in keys} for ref, path in ways.items()
    }


def _meeting(ways: Sequence[Path]) -> int | None:
    """The nearest line that all ways lead over."""
    for stop in ways[0].stops:
        if all(path.reaches(stop.line) for path in ways):
            return stop.line
    return None


def _above(path: Path, base: int) -> list[Ref]:
    lines = [stop.line for stop in path.stops]
    return list(path.stops[: lines.index(base)])


_Seen = dict[tuple[int, int], tuple[list[int], list[int]]]  # (line, k) → positions, events


def _value(path: Path, base: int, k: int, seen: _Seen, below: Mapping[int, int]) -> int:
    for stop in path.stops:
        if (rows := seen.get((stop.line, k))) is not None:
            place = bisect_right(rows[0], stop.pos) - 1
            if place >= 0:
                return rows[1][place]
        if stop.line == base:
            break
    return below.get(k, 0)


def _unrelated(
    tx: Transaction,
    room: int,
    main_line: int,
    ways: Mapping[Ref, Path],
    ks: Collection[int] | None,
) -> dict[Ref, Entries]:
    """The entries of states of which some stand on roots."""
    whole = {ref: at(tx, room, main_line, ref, ks) for ref in ways}
    if ks is not None:
        return {ref: {k: entries.get(k, 0) for k in ks} for ref, entries in whole.items()}
    keys = {k for entries in whole.values() for k in entries}
    first = next(iter(whole.values()))
    differing = {
        k for k in keys if any(entries.get(k, 0) != first.get(k, 0) for entries in whole.values())
    }
    return {ref: {k: entries.get(k, 0) for k in differing} for ref, entries in whole.items()}


def _rows_between(
    tx: Transaction,
    base: int,
    low: int,
    high: int,
    above: Collection[int],
    ks: Collection[int] | None,
) -> _Seen:
    """The rows of one line at positions in (low, high], and all rows of others."""
    narrow = "" if ks is None else " AND k = ANY(:ks)"
    params: dict[str, list[int]] = {} if ks is None else {"ks": list(ks)}
    parts = []
    if low < high:
        parts.append(
            "SELECT line, k, pos, ev FROM state_log"  # noqa: S608 - one of two texts
            f" WHERE line = :base AND pos > :low AND pos <= :high{narrow}"
        )
    if above:
        parts.append(
            f"SELECT line, k, pos, ev FROM state_log WHERE line = ANY(:above){narrow}"  # noqa: S608 - likewise
        )
        params["above"] = list(above)
    if not parts:
        return {}
    between = {"base": base, "low": low, "high": high} if low < high else {}
    rows = tx.rows(" UNION ALL ".join(parts) + " ORDER BY 3", **between, **params)
    return _by_line_and_key(rows)


def _rows_of_keys(
    tx: Transaction, room: int, low: Ref, high: int, above: Collection[int], ks: Collection[int]
) -> _Seen:
    """Of keys, the entries at a position of the main line, what follows up to `high`, branches."""
    rows = tx.rows(
        f"SELECT :line, a.k, :pos, COALESCE(a.ev, 0) FROM ({state.AT} AND n.k = ANY(:ks)) a"  # noqa: S608 - constant
        " UNION ALL SELECT line, k, pos, ev FROM state_log"
        " WHERE line = :line AND k = ANY(:ks) AND pos > :pos AND pos <= :high"
        " UNION ALL SELECT line, k, pos, ev FROM state_log"
        " WHERE line = ANY(:above) AND k = ANY(:ks) ORDER BY 3",
        room=room,
        line=low.line,
        pos=low.pos,
        high=high,
        ks=list(ks),
        above=list(above),
    )
    return _by_line_and_key(rows)


def _rows_of_branches(
    tx: Transaction, stops: Sequence[Ref], main_line: int, ks: Collection[int] | None
) -> _Seen:
    lines = {stop.line for stop in stops} - {main_line}
    return _rows_between(tx, 0, 0, 0, lines, ks)


def _by_line_and_key(rows: Sequence[tuple[int, int, int, int]]) -> _Seen:
    seen: _Seen = {}
    for line, k, pos, ev in rows:
        positions, evs = seen.setdefault((line, k), ([], []))
        positions.append(pos)
        evs.append(ev)
    return seen


def difference(
    tx: Transaction, room: int, main_line: int, old: Ref, new: Ref
) -> dict[int, tuple[int, int]]:
    """k → (ev of `old`, ev of `new`) of the keys that differ; 0 where there is no entry."""
    if old == new:
        return {}
    found = gather(tx, room, main_line, [old, new])
    return {k: (ev, found[new][k]) for k, ev in found[old].items() if ev != found[new][k]}


# --- writing; the caller holds the room's lock ---


def branch(
    tx: Transaction, room: int, main_line: int, base: Ref, changes: Mapping[int, int]
) -> Ref:
    """The state that changes make of another one: one more position of its branch, or a new one.

    `changes`: k → ev, 0 for an entry that vanishes. The main line is not touched.
    """
    if not changes:
        return base
    path = paths(tx, [base], main_line)[base]
    line = path.lines.get(base.line)
    if line is not None and line.top == base.pos:
        return _grow(tx, line, changes)
    depth = 1 if line is None else line.depth + 1
    parent, copied = _overlay(tx, path, stop=depth - (depth & -depth))
    return _open(tx, room, parent, depth, copied, changes)


def root(tx: Transaction, room: int, entries: Mapping[int, int]) -> Ref:
    """A whole state that has nothing to do with those known: k → ev."""
    return _open(tx, room, None, 0, {}, entries)


def _grow(tx: Transaction, line: Line, changes: Mapping[int, int]) -> Ref:
    pos = line.top + 1
    tx.do("UPDATE state_line SET top = :top WHERE line = :line", top=pos, line=line.line)
    _log(tx, line.line, pos, changes)
    return Ref(line.line, pos)


def _open(
    tx: Transaction,
    room: int,
    parent: Ref | None,
    depth: int,
    copied: Mapping[int, int],
    changes: Mapping[int, int],
) -> Ref:
    (number,) = tx.numbers("line", 1)
    on = (None, None) if parent is None else parent
    tx.insert(
        "state_line",
        ("line", "room", "parent", "parent_pos", "depth", "top"),
        [(number, room, *on, depth, 1)],
    )
    _log(tx, number, 0, copied)
    _log(tx, number, 1, changes)
    return Ref(number, 1)


def _log(tx: Transaction, line: int, pos: int, changes: Mapping[int, int]) -> None:
    rows = [(line, k, pos, ev) for k, ev in changes.items()]
    tx.insert("state_log", ("line", "k", "pos", "ev"), rows)


def _overlay(tx: Transaction, path: Path, stop: int) -> tuple[Ref, Entries]:
    """Where a new branch hangs, and what it takes over from the branches above that.

    They are those of a depth greater than `stop`, unless they have too many rows.
    """
    copied: Entries = {}
    read = 0
    for ref in path.stops:
        line = path.lines.get(ref.line)
        if line is None or line.depth <= stop:
            return ref, copied
        rows = tx.rows(
            "SELECT k, ev FROM state_log WHERE line = :line AND pos <= :pos ORDER BY pos LIMIT :n",
            line=ref.line,
            pos=ref.pos,
            n=COPIED_ROWS + 1 - read,
        )
        read += len(rows)
        if read > COPIED_ROWS:
            break
        copied = dict(rows) | copied
    return path.stops[0], {}
