"""The one way of events of this server into rooms.

Drafts that arrive while a commit is under way form the next batch: one transaction takes the locks
of their rooms, in one order, reads what is not known of their state by one statement, then takes
draft after draft (batch.py). Nothing seen before the locks decides. A refused draft leaves the
batch with its own error; when the batch fails as a whole, each draft is tried by itself.

Of each room, the part of the state that drafts need is remembered, together with the position of
the main line at which it was seen. The position is read again under the lock, and as long as it is
the same, so is the state.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from chat.protocol import canonical_json
from chat.protocol.errors import InvalidParam, NotFound
from chat.protocol.event import Event, StateKey
from chat.protocol.event_builder import Draft
from chat.protocol.identifiers import ServerName
from chat.protocol.room_versions import rules_for
from chat.protocol.signatures import SigningKey
from chat.services.clock import Clock
from chat.services.rooms.batch import Batch, Check, Crowded, keys_needed
from chat.services.rooms.merging import Signer, send_into_crowd
from chat.services.rooms.opened import KnownState, OpenRoom, fetch
from chat.storage import events, rooms
from chat.storage.caches import Cache, Caches
from chat.storage.engine import DatabaseConflict, Store, Transaction
from chat.storage.events import Txn
from chat.storage.gathering import Gathering
from chat.storage.rooms import Room

__all__ = ["Check", "Txn", "Writer"]

BATCH = 50  # drafts in one transaction
MAX_CLOSING = 2  # events that end a room
MAX_BYTES = 64 * 1024 * 1024  # of what is remembered of rooms
ENTRY_BYTES = 3_000  # an event as it is parsed
AUTH_DEPTHS = 200_000  # remembered
ENTRIES_REMEMBERED = 300  # of each room


class _Pending:
    """A draft that waits, then its outcome."""

    __slots__ = ("check", "draft", "outcome", "txn")

    def __init__(self, draft: Draft, txn: Txn | None, check: Check | None) -> None:
        self.draft = draft
        self.txn = txn
        self.check = check
        self.outcome: Event | Exception = DatabaseConflict("The writer was interrupted")


class Succession(Protocol):
    """How a room is replaced."""

    def drafts(self, tx: Transaction, old: OpenRoom, /) -> Sequence[Draft]:
        """What the new room begins with, its create event first; may refuse."""

    def closing(self, old: OpenRoom, new_room_id: str, /) -> Sequence[Draft]:
        """At most MAX_CLOSING events that end the old room."""

    def also(self, tx: Transaction, old: Room, new: Room, /) -> None:
        """What is written besides."""


class Writer:
    """Builds, authorises, signs and stores events of this server."""

    def __init__(
        self, store: Store, name: ServerName, key: SigningKey, clock: Clock, caches: Caches
    ) -> None:
        self._store = store
        self._name = name
        self._key = key
        self._clock = clock
        self._gathering = Gathering(self._write_pending, BATCH)
        self._auth_depths: dict[int, int] = {}
        self._known: Cache[int, KnownState] = caches.make("rooms", MAX_BYTES, _size)

    @property
    def waiting(self) -> int:
        """How many drafts wait for their batch."""
        return self._gathering.waiting

    def observe_batches(self, observe: Callable[[int], None]) -> None:
        """Call `observe` with the number of drafts of each batch."""
        self._gathering.observe = observe

    def append(self, draft: Draft, txn: Txn | None = None, check: Check | None = None) -> Event:
        """Append one event; a repeat of `txn` returns the first one.

        `check` is called under the room's lock with a look-up of the current state, and may
        refuse. Raises AuthRefused, NotFound for an unknown room, BadJson, EventTooLarge.
        """
        _check_storable(draft)
        pending = _Pending(draft, txn, check)
        self._gathering.do(pending)
        if isinstance(pending.outcome, Exception):
            raise pending.outcome
        return pending.outcome

    def append_each(self, drafts: Sequence[Draft]) -> list[Event | Exception]:
        """Append events of many rooms, each for itself; the outcome of each."""
        pending = [_Pending(draft, None, None) for draft in drafts]
        for start in range(0, len(pending), BATCH):
            self._write_pending(pending[start : start + BATCH])
        return [one.outcome for one in pending]

    def append_all(
        self,
        drafts: Sequence[Draft],
        also: Callable[[Transaction, Room], None] | None = None,
    ) -> list[Event]:
        """Append events of one room, in order, all or none.

        If the first is a create event, it makes the room; the `room_id` of the others then need
        not be given. `also` is called in the same transaction, before they are written. Raises as
        `append`.
        """
        for draft in drafts:
            _check_storable(draft)
        return self._store.write(partial(self._write_all, drafts, also))

    def replace_room(self, room_id: str, succession: Succession) -> str:
        """Make the successor of a room, all or nothing, with the old room under its lock; its ID.

        Raises NotFound for an unknown room, and as `append`.
        """

        def work(tx: Transaction) -> str:
            old = self._open(tx, [room_id]).get(room_id)
            if old is None:
                raise NotFound("This server does not know the room")
            first, *others = succession.drafts(tx, old)
            batch = self._batch(tx, 1 + len(others) + MAX_CLOSING)
            new = batch.create_room(first)
            for draft in others:
                batch.add(new, draft)
            for draft in succession.closing(old, new.room.room_id):
                batch.add(old, draft)
            succession.also(tx, old.room, new.room)
            self._finish(tx, batch)
            return new.room.room_id

        return self._store.write(work)

    # --- a batch of drafts ---

    def _write_pending(self, group: list[_Pending]) -> None:
        try:
            outcomes = self._store.write(partial(self._write_group, group))
        except Exception as error:  # of the batch; one draft alone has its own
            if len(group) == 1:
                group[0].outcome = error
                return
            for pending in group:
                self._write_pending([pending])
            return
        for pending, outcome in zip(group, outcomes, strict=True):
            pending.outcome = outcome
            if isinstance(outcome, Crowded):
                try:
                    pending.outcome = self._store.write(partial(self._send_into_crowd, pending))
                except Exception as error:  # a refusal, or a fault of this draft alone
                    pending.outcome = error

    def _write_group(self, group: list[_Pending], tx: Transaction) -> list[Event | Exception]:
        opened = self._open(tx, [pending.draft.room_id or "" for pending in group])
        batch = self._batch(tx, len(group))
        sent = _sent_before(tx, [pending.txn for pending in group if pending.txn is not None])
        _prefetch(tx, opened, group)
        outcomes: list[Event | Exception] = []
        for pending in group:
            try:
                outcomes.append(_outcome(pending, opened, batch, sent))
            except Exception as error:  # a refusal, or a fault of this draft alone
                outcomes.append(error)
        self._finish(tx, batch)
        return outcomes

    def _write_all(
        self,
        drafts: Sequence[Draft],
        also: Callable[[Transaction, Room], None] | None,
        tx: Transaction,
    ) -> list[Event]:
        batch = self._batch(tx, len(drafts))
        first, *others = drafts
        if first.type == "m.room.create":
            room = batch.create_room(first)
            created = room.event(("m.room.create", ""))
            assert created is not None
            written = [created]
        else:
            room = _required(self._open(tx, [first.room_id or ""]), first)
            written = [batch.add(room, first)]
        written += [batch.add(room, draft) for draft in others]
        if also is not None:
            also(tx, room.room)
        self._finish(tx, batch)
        return written

    def _batch(self, tx: Transaction, size: int) -> Batch:
        if len(self._auth_depths) > AUTH_DEPTHS:
            self._auth_depths.clear()
        return Batch(tx, self._name, self._key, self._clock.now_ms(), size, self._auth_depths)

    def _send_into_crowd(self, pending: _Pending, tx: Transaction) -> Event:
        draft = pending.draft
        room = rooms.lock(tx, [draft.room_id or ""])[draft.room_id or ""]
        signer = Signer(self._name, self._key)
        now_ms = self._clock.now_ms()
        return send_into_crowd(tx, room, signer, draft, now_ms, pending.txn, pending.check)[0]

    def _open(self, tx: Transaction, room_ids: Sequence[str]) -> dict[str, OpenRoom]:
        locked = rooms.lock(tx, sorted(set(room_ids)))
        return {
            room_id: OpenRoom(tx, room, self._known.get(room.room))
            for room_id, room in locked.items()
        }

    def _finish(self, tx: Transaction, batch: Batch) -> None:
        for room in batch.flush():
            known = room.known()
            if known is not None:
                tx.after_commit(partial(self._remember, room.room.room, known))

    def _remember(self, room: int, known: KnownState) -> None:
        if len(known.entries) <= ENTRIES_REMEMBERED:
            self._known.put(room, known)
        else:
            self._known.drop(room)


def _size(known: KnownState) -> int:
    return ENTRY_BYTES * len(known.entries)


def _check_storable(draft: Draft) -> None:
    """Raises InvalidParam for texts that no database column can hold."""
    for text in (draft.type, draft.state_key or ""):
        if "\0" in text:
            raise InvalidParam("NUL is not allowed in event types and state keys")


def _prefetch(tx: Transaction, opened: dict[str, OpenRoom], group: list[_Pending]) -> None:
    wanted: dict[OpenRoom, list[StateKey]] = {}
    for pending in group:
        room = opened.get(pending.draft.room_id or "")
        if room is not None:
            wanted.setdefault(room, []).extend(keys_needed(pending.draft, room.rules))
    fetch(tx, wanted)


def _outcome(
    pending: _Pending,
    opened: dict[str, OpenRoom],
    batch: Batch,
    sent: dict[tuple[str, str, str], Event],
) -> Event:
    txn = pending.txn
    if txn is not None:
        before = sent.get((txn.user_id, txn.device_id, txn.path)) or batch.sent(txn)
        if before is not None:
            return before
    return batch.add(_required(opened, pending.draft), pending.draft, txn, pending.check)


def _required(opened: dict[str, OpenRoom], draft: Draft) -> OpenRoom:
    room = opened.get(draft.room_id or "")
    if room is None:
        raise NotFound("This server does not know the room")
    return room


def _sent_before(tx: Transaction, txns: list[Txn]) -> dict[tuple[str, str, str], Event]:
    """The events that answered these requests before."""
    if not txns:
        return {}
    numbers = events.by_txns(tx, txns)
    if not numbers:
        return {}
    rows = events.by_numbers(tx, numbers.values())
    bodies = events.bodies(tx, numbers.values())
    versions = rooms.versions(tx, {row.room for row in rows.values()})
    return {
        key: Event.trusted(
            rows[ev].event_id,
            canonical_json.decode(bodies[ev]),
            rules_for(versions[rows[ev].room]),
        )
        for key, ev in numbers.items()
    }
