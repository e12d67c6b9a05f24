"""Drafts on their way into rooms, inside one transaction that holds the rooms' locks.

A `Batch` takes drafts one after another. Each is built on what the ones before it left, checked and
signed; a refused one leaves no trace. Nothing is written until `flush`, which writes everything by
a number of statements that does not depend on how many drafts there are.
"""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from functools import partial

from chat.protocol import auth_rules, canonical_json, event_builder, signatures
from chat.protocol.auth_rules.levels import named_level, power_level_of
from chat.protocol.errors import Forbidden
from chat.protocol.event import Event, StateKey
from chat.protocol.event_builder import Draft
from chat.protocol.identifiers import EventId, RoomId, ServerName
from chat.protocol.room_versions import RoomRules, rules_for
from chat.protocol.signatures import SigningKey
from chat.services import relations_write
from chat.services.rooms.derived import Derived
from chat.services.rooms.followers import Accepted, writes_of
from chat.services.rooms.merging import MAX_PREV_EVENTS
from chat.services.rooms.opened import Entry, OpenRoom
from chat.storage import events, graph, rooms, state, streams
from chat.storage.engine import Transaction
from chat.storage.events import EventRow, Txn
from chat.storage.graph import AuthNode
from chat.storage.rooms import Room, Tip
from chat.storage.state import Step
from chat.storage.streams import Change, Kind

Lookup = Callable[[StateKey], Event | None]
Check = Callable[[Lookup], None]

CREATE: StateKey = ("m.room.create", "")
POWER_LEVELS: StateKey = ("m.room.power_levels", "")


def keys_needed(draft: Draft, rules: RoomRules) -> list[StateKey]:
    """The entries of the room state on which the fate of a draft depends."""
    keys = auth_rules.auth_keys(draft.type, draft.sender, draft.state_key, draft.content, rules)
    if draft.state_key is not None:
        keys.append((draft.type, draft.state_key))
    return [CREATE, *keys]


class Crowded(Forbidden):
    """A room has so many ends that an event cannot follow them all; see merging.py."""


class Batch:
    """Accepted events that wait for `flush`."""

    def __init__(
        self,
        tx: Transaction,
        name: ServerName,
        key: SigningKey,
        now_ms: int,
        size: int,
        auth_depths: MutableMapping[int, int],
    ) -> None:
        """`auth_depths`: what is remembered of graph.depths, and will be."""
        self._tx = tx
        self._name = name
        self._key = key
        self._now_ms = now_ms
        self._numbers: Iterator[int] = iter(tx.numbers("ev", size))
        self._rows: list[EventRow] = []
        self._events: dict[str, Event] = {}
        self._steps: list[tuple[Step, StateKey]] = []
        self._derived = Derived(name)
        self._cited: dict[int, tuple[int, ...]] = {}  # state event → its auth events
        self._auth_depths = auth_depths
        self._redactions: list[tuple[str, str]] = []
        self._txns: list[tuple[Txn, int]] = []
        self._rooms: dict[int, OpenRoom] = {}

    def create_room(self, draft: Draft) -> OpenRoom:
        """Take a create event, and with it make its room. Raises as `add`."""
        rules = rules_for(draft.content.get("room_version", "1"))
        room = None
        while room is None:
            event = self._build(draft, rules, (), [], 1, {})
            auth_rules.check(event, {}, rules)
            room = rooms.create(self._tx, event.room_id, rules.version)
            self._now_ms += room is None  # v12: the same event in the same ms is the same room
        opened = OpenRoom(self._tx, room, None, new=True)
        self._take(opened, event, None)
        return opened

    def add(
        self, room: OpenRoom, draft: Draft, txn: Txn | None = None, check: Check | None = None
    ) -> Event:
        """Take a draft into its room; the event that is there now.

        Setting state to what the same sender set it to before changes nothing: the event that
        stands is the answer. Raises AuthRefused, Crowded, or what `check`, given the current state,
        raises.
        """
        if len(room.room.tips) > MAX_PREV_EVENTS:
            raise Crowded("The room has more ends than an event can follow")
        if check is not None:
            check(room.event)
        standing = _standing(room, draft)
        if standing is not None:
            return standing
        keys = auth_rules.auth_keys(
            draft.type, draft.sender, draft.state_key, draft.content, room.rules
        )
        cited = [event for key in keys if (event := room.event(key)) is not None]
        auth = [event.event_id for event in cited]
        draft = replace(draft, room_id=RoomId(room.room.room_id))
        depth = max((tip.depth for tip in room.room.tips), default=0) + 1
        hashes = self._reference_hashes(room, cited) if room.rules.hashed_references else {}
        event = self._build(draft, room.rules, room.room.tips, auth, depth, hashes)
        auth_rules.check(event, room.event, room.rules)
        relations_write.check(self._tx, room.room.room, draft, self._events)
        redacted = self._redacted(room, event)
        self._take(room, event, txn)
        if redacted is not None:
            self._redactions.append((redacted.event_id, event.event_id))
            room.room = room.room._replace(redactions=room.room.redactions + 1)
            if redacted.is_state and room.event(redacted.key) == redacted:
                self._derived.redact(room.room, redacted)
        return event

    def sent(self, txn: Txn) -> Event | None:
        """What was taken for a request of the same batch before."""
        for earlier, ev in self._txns:
            if earlier == txn:
                return next(self._events[row.event_id] for row in self._rows if row.ev == ev)
        return None

    def _reference_hashes(self, room: OpenRoom, cited: list[Event]) -> dict[EventId, str]:
        """What room versions 1 and 2 cite of an event beside its ID."""
        known = {event.event_id: event for event in cited}
        for tip in room.room.tips[-MAX_PREV_EVENTS:]:
            found = self._events.get(tip.event_id) or _stored(self._tx, room, tip.event_id)
            assert found is not None
            known[tip.event_id] = found
        return {
            event_id: signatures.encode_base64(signatures.reference_hash(event.pdu, room.rules))
            for event_id, event in known.items()
        }

    def _build(
        self,
        draft: Draft,
        rules: RoomRules,
        tips: tuple[Tip, ...],
        auth: list[EventId],
        depth: int,
        hashes: dict[EventId, str],
    ) -> Event:
        return event_builder.build(
            draft,
            rules,
            prev_events=[tip.event_id for tip in tips[-MAX_PREV_EVENTS:]],
            auth_events=auth,
            depth=depth,
            origin_server_ts=self._now_ms,
            server=self._name,
            key=self._key,
            reference_hashes=hashes,
        )

    def _redacted(self, room: OpenRoom, redaction: Event) -> Event | None:
        """The event that a redaction of ours takes effect on."""
        if redaction.type != "m.room.redaction" or redaction.redacts is None:
            return None
        target = self._events.get(redaction.redacts) or _stored(self._tx, room, redaction.redacts)
        if target is None or target.room_id != redaction.room_id:
            return None
        if target.sender != redaction.sender:
            _check_may_redact(room, redaction.sender)
        return target

    def _take(self, room: OpenRoom, event: Event, txn: Txn | None) -> None:
        before = room.room
        ev = next(self._numbers)
        self._rooms[before.room] = room
        self._events[event.event_id] = event
        tip = Tip(event.event_id, event.depth)
        head = before.head + 1 if event.is_state else before.head
        room.room = before._replace(head=head, tips=(tip,))
        replaced = room.entry(event.key) if event.is_state else None
        self._rows.append(_row(ev, event, before, room.room, replaced, txn))
        if txn is not None:
            self._txns.append((txn, ev))
        if event.is_state:
            self._take_state(room, event, ev, replaced)

    def _take_state(self, room: OpenRoom, event: Event, ev: int, replaced: Entry | None) -> None:
        number, line, head = room.room.room, room.room.main_line, room.room.head
        mem = state.mem_of(event.type, event.content)
        self._steps.append((Step(number, line, head, 0, ev, mem), event.key))
        keys = auth_rules.auth_keys(
            event.type, event.sender, event.state_key, event.content, room.rules
        )
        cited = (room.entry(key) for key in keys)
        self._cited[ev] = tuple(entry.ev for entry in cited if entry is not None)
        previous = None if replaced is None else replaced.event
        self._derived.take(room.room, event.key, previous, event, ev)
        room.changed[event.key] = Entry(event, ev)

    # --- writing ---

    def flush(self) -> list[OpenRoom]:
        """Write everything; the rooms that changed. What takes a log position comes last."""
        if not self._rows:
            return []
        self._flush_state()
        self._derived.flush(self._tx)
        writes = writes_of(self._tx, [self._accepted(row) for row in self._rows])
        opened = list(self._rooms.values())
        rooms.move(self._tx, [room.room for room in opened])
        events.remember_txns(self._tx, self._txns, self._now_ms)
        bodies = [_body(self._events[row.event_id]) for row in self._rows]
        positions = streams.append(self._tx, self._changes())[: len(self._rows)]
        events.append(self._tx, self._rows, bodies, positions)
        for target, redaction in self._redactions:
            events.redact(self._tx, target, redaction)
        pos_of = {row.ev: pos for row, pos in zip(self._rows, positions, strict=True)}
        for write in writes:
            write(self._tx, pos_of)
        if self._derived.members:
            rooms.set_local_members(self._tx, self._derived.members, pos_of)
        return opened

    def _accepted(self, row: EventRow) -> Accepted:
        return Accepted(row, self._events[row.event_id], self._rooms[row.room], self._name)

    def _flush_state(self) -> None:
        if not self._steps:
            return
        ks = state.intern(self._tx, [key for _, key in self._steps])
        imported = {room.room.room for room in self._rooms.values() if room.room.imported}
        steps = [step._replace(k=ks[key]) for step, key in self._steps]
        state.advance(self._tx, steps, imported)
        self._flush_auth({step.ev: step.k for step in steps})

    def _flush_auth(self, k_of: Mapping[int, int]) -> None:
        cited = {one for of_event in self._cited.values() for one in of_event}
        missing = cited - self._cited.keys() - self._auth_depths.keys()
        depths = graph.depths(self._tx, missing)
        nodes = []
        for ev, auth in self._cited.items():
            of_auth = (depths.get(one) or self._auth_depths.get(one, 0) for one in auth)
            depths[ev] = 1 + max(of_auth, default=0)
            nodes.append(AuthNode(ev, k_of[ev], depths[ev], auth))
        graph.add_auth(self._tx, nodes)
        self._tx.after_commit(partial(self._auth_depths.update, depths))

    def _changes(self) -> list[Change]:
        """The events first, in their order; then whose list of rooms changed."""
        changes = [Change(Kind.EVENT, row.room, None, row.ev) for row in self._rows]
        for member in self._derived.members:
            changes.append(Change(Kind.MEMBERSHIP, member.room, member.user_id, member.ev))
        return changes


def _standing(room: OpenRoom, draft: Draft) -> Event | None:
    if draft.state_key is None:
        return None
    current = room.event((draft.type, draft.state_key))
    if current is None or current.sender != draft.sender or current.content != draft.content:
        return None
    return current


def _stored(tx: Transaction, room: OpenRoom, event_id: str) -> Event | None:
    row = events.by_id(tx, event_id)
    if row is None or row.room != room.room.room:
        return None
    body = events.bodies(tx, [row.ev])[row.ev]
    return Event.trusted(row.event_id, canonical_json.decode(body), room.rules)


def _check_may_redact(room: OpenRoom, sender: str) -> None:
    """Other servers accept a redaction by anybody of the same server; we are stricter.

    Spec: client-server-api/#redactions
    """
    create = room.event(CREATE)
    assert create is not None
    power_levels = room.event(POWER_LEVELS)
    level = power_level_of(sender, power_levels, create, room.rules)
    if level < named_level("redact", power_levels, room.rules):
        raise Forbidden("You may not redact events of others in this room")


def _row(
    ev: int, event: Event, before: Room, after: Room, replaced: Entry | None, txn: Txn | None
) -> EventRow:
    return EventRow(
        ev=ev,
        event_id=event.event_id,
        room=before.room,
        pos=None,
        depth=event.depth,
        type=event.type,
        state_key=event.state_key,
        sender=event.sender,
        origin_server_ts=event.origin_server_ts,
        before_line=before.main_line,
        before_pos=before.head,
        after_line=after.main_line if event.is_state else None,
        after_pos=after.head if event.is_state else None,
        main_pos=None,
        replaces=None if replaced is None else replaced.ev,
        redacted_by=None,
        txn_device=None if txn is None else txn.device_id,
        txn_id=None if txn is None else txn.txn_id,
    )


def _body(event: Event) -> str:
    return canonical_json.encode(event.pdu, strict=event.rules.strict_canonical_json).decode()
