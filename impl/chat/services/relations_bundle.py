"""Bundled aggregations: what events say in `unsigned` of the events that relate to them.

They are read for a whole page by a number of statements that does not depend on its size, and none
where it is known that nothing relates to anything. A `Bundle` is the same for all readers who
see and ignore the same, but for one word: whether they wrote in a thread.

Spec: client-server-api/#aggregations-of-child-events
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from chat.protocol.relations import REFERENCE, REPLACE, THREAD, RelatesTo, relation_of
from chat.services.rooms import client_events, preferences
from chat.services.rooms.client_events import EventCache
from chat.services.rooms.visibility import View, memberships_at
from chat.storage import events, relations
from chat.storage.engine import Transaction
from chat.storage.events import EventRow
from chat.storage.relations import Child, Parent

MAX_CHILDREN = 1_000  # of one kind that are looked at for one event
MAX_REPLIES = 20  # that are looked at for the latest that the reader may see

_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: whom they ignore, and which of some events they may see, by number.

    `sees_all`: they are joined, so that all but some early events are theirs to see.
    """

    ignored: frozenset[str]
    visible: Callable[[Sequence[EventRow]], Collection[int]]
    sees_all: bool = True


@dataclass(frozen=True, slots=True)
class Thread:
    """The aggregation of a thread; `latest` is JSON."""

    latest: bytes
    replies: int
    writers: frozenset[str]

    def shown(self, user_id: str) -> bytes:
        """The JSON for one reader."""
        wrote = b"true" if user_id in self.writers else b"false"
        return b'"m.thread":{"latest_event":%b,"count":%d,"current_user_participated":%b}' % (
            self.latest,
            self.replies,
            wrote,
        )


@dataclass(frozen=True, slots=True)
class Bundle:
    """The aggregations of one event. `fields`: JSON that is the same for everybody."""

    fields: tuple[bytes, ...]
    thread: Thread | None = None

    def shown(self, user_id: str) -> bytes:
        """The field of `unsigned` for one reader."""
        of_thread = () if self.thread is None else (self.thread.shown(user_id),)
        return b'"m.relations":{%b}' % b",".join([*self.fields, *of_thread])


def bundles(
    tx: Transaction,
    cache: EventCache,
    rows: Sequence[EventRow],
    reader: Reader,
    room_id: str | None,
) -> dict[int, Bundle]:
    """The aggregations of those of the events that have any, by number.

    `room_id` is shown in the events inside, and left out where it is None. State events have none.
    """
    parents: dict[Parent, EventRow] = {
        (row.room, row.event_id): row for row in rows if row.state_key is None
    }
    if not parents:
        return {}
    return _Bundling(tx, cache, reader, room_id).of(parents, threads=True)


def seen_by(
    tx: Transaction,
    cache: EventCache,
    view: View,
    rows: Sequence[EventRow],
    ignored: Callable[[], frozenset[str]] | None = None,
) -> dict[int, bytes]:
    """The field `m.relations` of those events of one room that have it, by number.

    `ignored` tells whom the reader ignores, where that is known already.
    """
    if not view.room.related or not rows:
        return {}
    reader = Reader(
        ignored() if ignored else preferences.ignored_users(tx, view.user_id),
        lambda found: memberships_at(tx, cache, view, found),
        sees_all=view.membership == "join",
    )
    found = bundles(tx, cache, rows, reader, view.room.room_id)
    return {ev: bundle.shown(view.user_id) for ev, bundle in found.items()}


class _Bundling:
    """The aggregations for one reader on their way."""

    def __init__(
        self, tx: Transaction, cache: EventCache, reader: Reader, room_id: str | None
    ) -> None:
        self._tx = tx
        self._cache = cache
        self._reader = reader
        self._room_id = room_id
        self._rows: dict[int, EventRow] = {}  # of visible related events

    def of(self, parents: Mapping[Parent, EventRow], *, threads: bool) -> dict[int, Bundle]:
        """The aggregations by number; threads are left out of the last event of a thread."""
        found = relations.children(self._tx, parents.keys(), self._reader.ignored, MAX_CHILDREN)
        roots = _by_parent(found, THREAD) if threads else {}
        if not found:
            return {}
        self._see([child.ev for child in found])
        own = self._relations_of({parents[child[:2]] for child in found})
        fields: dict[int, list[bytes]] = {}
        for key, edits in _by_parent(found, REPLACE).items():
            if (edit := self._edit(parents[key], own, edits)) is not None:
                fields.setdefault(parents[key].ev, []).append(edit)
        for key, children in _by_parent(found, REFERENCE).items():
            if (chunk := self._references(children)) is not None:
                fields.setdefault(parents[key].ev, []).append(chunk)
        lawful = {key: one for key, (one,) in roots.items() if own[parents[key].ev] is None}
        shown = {parents[key].ev: one for key, one in self._threads(parents, lawful).items()}
        return {
            ev: Bundle(tuple(fields.get(ev, ())), shown.get(ev))
            for ev in fields.keys() | shown.keys()
        }

    def _see(self, numbers: Collection[int]) -> None:
        """Learn which of these events the reader may see."""
        missing = [ev for ev in numbers if ev not in self._rows]
        rows = events.by_numbers(self._tx, missing)
        if rows:
            visible = self._reader.visible(list(rows.values()))
            self._rows |= {ev: rows[ev] for ev in visible}

    def _relations_of(self, rows: Collection[EventRow]) -> dict[int, RelatesTo | None]:
        loaded = client_events.load(self._tx, self._cache, rows)
        return {ev: relation_of(msgspec.json.decode(event.content)) for ev, event in loaded.items()}

    def _edit(
        self, parent: EventRow, own: Mapping[int, RelatesTo | None], edits: Sequence[Child]
    ) -> bytes | None:
        """The latest valid edit. Spec: client-server-api/#validity-of-replacement-events"""
        relation = own[parent.ev]
        if parent.redacted_by is not None or (relation and relation.rel_type == REPLACE):
            return None
        rows = [self._rows[edit.ev] for edit in edits if edit.ev in self._rows]
        rows = [row for row in rows if (row.type, row.state_key) == (parent.type, None)]
        if not rows:
            return None
        latest = max(rows, key=lambda row: (row.origin_server_ts, row.event_id))
        return b'"m.replace":' + self._shown([latest], {})[latest.ev]

    def _references(self, children: Sequence[Child]) -> bytes | None:
        seen = [self._rows[child.ev] for child in reversed(children) if child.ev in self._rows]
        if not seen:
            return None
        chunk = [{"event_id": row.event_id} for row in seen]
        return b'"m.reference":' + _encode({"chunk": chunk})

    def _threads(
        self, parents: Mapping[Parent, EventRow], roots: Mapping[Parent, Child]
    ) -> dict[Parent, Thread]:
        if not roots:
            return {}
        members = relations.thread_members(self._tx, roots.keys())
        latest, counts = self._latest(roots, members)
        shown = self._shown_with_children([self._rows[ev] for ev in latest.values()])
        return {
            key: Thread(shown[ev], counts[key], self._writers(parents[key], members.get(key, {})))
            for key, ev in latest.items()
        }

    def _writers(self, root: EventRow, members: Mapping[str, int]) -> frozenset[str]:
        return frozenset({root.sender, *members})

    def _latest(
        self, roots: Mapping[Parent, Child], members: Mapping[Parent, Mapping[str, int]]
    ) -> tuple[dict[Parent, int], dict[Parent, int]]:
        """The latest reply of each thread that the reader may see, and how many there are."""
        ignored = self._reader.ignored
        latest, counts, doubtful = {}, {}, []
        for key, last in roots.items():
            row = self._rows.get(last.ev)
            unheard = sum(members.get(key, {}).get(user_id, 0) for user_id in ignored)
            counts[key] = last.replies - unheard
            if row is not None and row.sender not in ignored and self._reader.sees_all:
                latest[key] = last.ev
            elif counts[key]:
                doubtful.append(key)
        if doubtful:
            limit = MAX_REPLIES if self._reader.sees_all else MAX_CHILDREN
            replies = relations.newest_replies(self._tx, doubtful, ignored, limit)
            self._see([reply.ev for reply in replies])
            for key, of_thread in _by_parent(replies, THREAD).items():
                seen = [reply.ev for reply in of_thread if reply.ev in self._rows]
                if seen:
                    latest[key] = seen[0]
                    counts[key] = counts[key] if self._reader.sees_all else len(seen)
        return latest, counts

    def _shown_with_children(self, rows: Sequence[EventRow]) -> dict[int, bytes]:
        """Events as JSON, with their own aggregations."""
        parents: dict[Parent, EventRow] = {(row.room, row.event_id): row for row in rows}
        inner = self.of(parents, threads=False)
        return self._shown(rows, {ev: bundle.shown("") for ev, bundle in inner.items()})

    def _shown(self, rows: Sequence[EventRow], unsigned: Mapping[int, bytes]) -> dict[int, bytes]:
        loaded = client_events.load(self._tx, self._cache, rows)
        return {
            ev: event.shown(unsigned.get(ev, b""), self._room_id) for ev, event in loaded.items()
        }


def _by_parent(children: Sequence[Child], rel_type: str) -> dict[Parent, list[Child]]:
    found: dict[Parent, list[Child]] = {}
    for child in children:
        if child.rel_type == rel_type:
            found.setdefault((child.room, child.parent_id), []).append(child)
    return found
