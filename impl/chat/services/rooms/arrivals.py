"""Events made elsewhere, on their way into one room, inside a transaction that holds its lock.

The checks are those of server-server-api/#checks-performed-on-receipt-of-a-pdu from the fourth on:
by its auth events, by the state before it, by the current state. An event that fails one of the
first two is rejected, one that fails the third is soft-failed; both are kept, are built on where
others do, and are never shown.

The state before an event is that of its prev events, resolved where there are several. Where the
event continues the room's only end, its change becomes the next step of the main line; otherwise
it is put on a branch, and the current state moves to what all ends together resolve to.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from chat.protocol import auth_rules, canonical_json
from chat.protocol.errors import AuthRefused
from chat.protocol.event import Event, StateKey
from chat.protocol.identifiers import EventId, ServerName
from chat.protocol.room_versions import rules_for
from chat.services.rooms.derived import Derived
from chat.services.rooms.followers import Accepted, writes_of
from chat.services.rooms.opened import Entry, OpenRoom
from chat.services.rooms.resolution import Known, Resolver
from chat.storage import events, graph, lines, rooms, state, streams
from chat.storage.cooperation import in_turns
from chat.storage.engine import Transaction
from chat.storage.events import EventRow, Marks, Txn
from chat.storage.graph import AuthNode, Missing, Node
from chat.storage.lines import Entries
from chat.storage.positions import Position
from chat.storage.rooms import Room, Tip
from chat.storage.state import Ref, Step
from chat.storage.streams import Change, Kind

CREATE: StateKey = ("m.room.create", "")
Lookup = Callable[[StateKey], Event | None]


class Fate(Enum):
    """What becomes of an event that arrives."""

    ACCEPTED = "accepted"
    SOFT_FAILED = "allowed where it was sent, not by the current state: kept, not shown"
    REJECTED = "not allowed: kept, not shown"
    KNOWN = "it was here before"
    PREV_EVENTS_MISSING = "the state before it is not known: not kept"
    AUTH_EVENTS_MISSING = "its auth events are not known: not kept"


class Outcome(NamedTuple):
    """The fate of an event, why, and which events would have to be known first."""

    event_id: EventId
    fate: Fate
    reason: str = ""
    missing: tuple[EventId, ...] = ()


class _Refused(Exception):
    """The rules do not allow an event."""


class Arrival:
    """Events that arrive in one room; nothing has a position before `flush`."""

    def __init__(self, tx: Transaction, room: Room, name: ServerName) -> None:
        self._tx = tx
        self._opened = OpenRoom(tx, room, None)
        self._rules = rules_for(room.version)
        self._known = Known(tx, self._rules)
        self._resolver = Resolver(tx, room, self._known)
        self._name = name
        self._derived = Derived(name)
        self._rows: dict[int, tuple[EventRow, Event, Marks]] = {}
        self._backfilled: set[int] = set()
        self._redactions: list[tuple[EventId, EventId]] = []

    @property
    def room(self) -> Room:
        """The room as the events so far leave it."""
        return self._opened.room

    def event(self, event_id: EventId) -> Event:
        """An event of the room that is known."""
        return self._known.event(event_id)

    def state_after(
        self, event_ids: Sequence[EventId], keys: Collection[StateKey]
    ) -> dict[StateKey, Event]:
        """Entries of the state before an event that would follow these."""
        nodes = [self._known.node(event_id) for event_id in event_ids]
        return self._events_at(self._resolved(nodes), keys)

    # --- what arrives ---

    def keep(self, event: Event) -> Outcome:
        """Take in an event of which nothing is known but its auth events: an outlier."""
        if self._known.find([event.event_id]):
            return Outcome(event.event_id, Fate.KNOWN)
        if missing := self._missing(event.auth_events):
            return Outcome(event.event_id, Fate.AUTH_EVENTS_MISSING, "", missing)
        fate, reason = Fate.ACCEPTED, ""
        try:
            self._check_by_auth_events(event)
        except _Refused as refusal:
            fate, reason = Fate.REJECTED, str(refusal)
        marks = Marks(rejected=fate is Fate.REJECTED, outlier=True)
        row = self._store(event, self._number(event), None, None, marks)
        self._add(row, event, marks)
        return Outcome(event.event_id, fate, reason)

    def import_state(self, entries: Sequence[EventId]) -> None:
        """Give a new room the state that it has elsewhere; its events have been kept."""
        room = self.room
        nodes = [node for node in self._known.find(entries).values() if not node.rejected]
        events_by_ev = {node.ev: self._known.event(node.event_id) for node in in_turns(nodes)}
        found = graph.auth(self._tx, list(events_by_ev)).values()
        rows = []
        for k, ev in in_turns({node.k: node.ev for node in found}.items()):
            event = events_by_ev[ev]
            rows.append((k, ev, state.mem_of(event.type, event.content)))
            self._derived.take(room, event.key, None, event, ev)
            self._opened.changed[event.key] = Entry(event, ev)
        state.import_state(self._tx, room.room, rows)
        self._set_room(room._replace(imported=True))

    def take(
        self, event: Event, *, backfill: bool = False, entries: Sequence[EventId] | None = None
    ) -> Outcome:
        """Take in an event with the state before it.

        That state is made of `entries`, which have to be known, where they are given, else it
        follows from the event's prev events. `backfill`: the event lies before what is known of
        the room, and never comes in a sync.
        """
        event_id = event.event_id
        present = self._known.find([event_id, *event.prev_events])
        if (node := present.pop(event_id, None)) is not None and not node.outlier:
            return Outcome(event_id, Fate.KNOWN)
        if missing := self._missing([*event.auth_events, *(entries or ())]):
            return Outcome(event_id, Fate.AUTH_EVENTS_MISSING, "", missing)
        prev = [one for one in present.values() if self._is_here(one)]
        here = {node.event_id for node in prev}
        absent = [one for one in event.prev_events if one not in here]
        if entries is None and (absent or (not prev and event.type != CREATE[0])):
            return Outcome(event_id, Fate.PREV_EVENTS_MISSING, "", tuple(absent))
        before = self._state_before(event, prev, entries)
        fate, reason = self._judge(event, before, current=not backfill)
        marks = Marks(fate is Fate.REJECTED, fate is Fate.SOFT_FAILED)
        self._place(event, before, prev, marks, backfill=backfill)
        return Outcome(event_id, fate, reason)

    def _missing(self, event_ids: Sequence[EventId]) -> tuple[EventId, ...]:
        found = self._known.find(event_ids)
        return tuple(one for one in event_ids if one not in found)

    def _is_here(self, node: Node) -> bool:
        return node.after is not None and node.room == self.room.room

    # --- the state before ---

    def _state_before(
        self, event: Event, prev: Sequence[Node], entries: Sequence[EventId] | None
    ) -> Ref:
        room = self.room
        if entries is not None:
            return self._given_state(event, entries)
        if {tip.event_id for tip in room.tips} == {node.event_id for node in prev}:
            return Ref(room.main_line, room.head)
        return self._resolved(prev)

    def _resolved(self, nodes: Sequence[Node]) -> Ref:
        """The state that those after some events resolve to."""
        room = self.room
        afters = [node.after for node in nodes if node.after is not None]
        base = max(afters, key=lambda ref: (ref.line == room.main_line, ref.pos))
        changes = self._resolver.resolve([base, *afters])
        return lines.branch(self._tx, room.room, room.main_line, base, changes)

    def _given_state(self, event: Event, entries: Sequence[EventId]) -> Ref:
        """The state that others say was before an event; on a branch of what is near it."""
        room = self.room
        found = self._known.find(entries)
        numbers = [node.ev for node in found.values() if not node.rejected]
        given = {node.k: node.ev for node in graph.auth(self._tx, numbers).values()}
        near = self._near(event)
        standing = lines.at(self._tx, room.room, room.main_line, near)
        changes = {k: ev for k, ev in given.items() if standing.get(k, 0) != ev}
        changes |= dict.fromkeys((k for k in standing if k not in given), 0)
        if 2 * len(changes) > len(given) and len(given) > 1:
            return lines.root(self._tx, room.room, given)
        return lines.branch(self._tx, room.room, room.main_line, near, changes)

    def _near(self, event: Event) -> Ref:
        """A known state that is likely to be similar to that at an event."""
        followers = graph.followers(self._tx, [event.event_id]).get(event.event_id, [])
        for node in graph.nodes(self._tx, followers[:1]):
            if node.before is not None:
                return node.before
        return Ref(self.room.main_line, self.room.head)

    # --- the checks ---

    def _judge(self, event: Event, before: Ref, *, current: bool) -> tuple[Fate, str]:
        head = Ref(self.room.main_line, self.room.head)
        try:
            self._check_by_auth_events(event)
            self._check_by_state(event, before)
        except _Refused as refusal:
            return Fate.REJECTED, str(refusal)
        try:
            if current and before != head:
                self._check_by_state(event, head)
        except _Refused as refusal:
            return Fate.SOFT_FAILED, str(refusal)
        return Fate.ACCEPTED, ""

    def _check_by_auth_events(self, event: Event) -> None:
        cited = {one: self._known.event(one) for one in event.auth_events}
        rejected = {one for one in cited if self._known.is_rejected(one)}
        by_key = {one.key: one for one in cited.values() if one.is_state}
        if self._rules.hashed_room_id and event.type != CREATE[0]:
            for create in self._known.find([EventId(f"${event.room_id[1:]}")]):
                by_key[CREATE] = self._known.event(create)
        try:
            auth_rules.check_auth_events(event, cited, self._rules, rejected=rejected)
        except AuthRefused as refusal:
            raise _Refused(refusal.message) from refusal
        self._check(event, by_key.get)

    def _check_by_state(self, event: Event, ref: Ref) -> None:
        keys = auth_rules.auth_keys(
            event.type, event.sender, event.state_key, event.content, self._rules
        )
        found = self._events_at(ref, {CREATE, *keys})
        self._check(event, found.get)

    def _check(self, event: Event, lookup: Lookup) -> None:
        try:
            auth_rules.check(event, lookup, self._rules)
        except AuthRefused as refusal:
            raise _Refused(refusal.message) from refusal

    def _events_at(self, ref: Ref, keys: Collection[StateKey]) -> dict[StateKey, Event]:
        ks = state.find_keys(self._tx, keys)
        room = self.room
        evs = lines.at(self._tx, room.room, room.main_line, ref, list(ks.values()))
        return {event.key: event for event in self._known.load(evs.values())}

    # --- its place ---

    def _place(
        self, event: Event, before: Ref, prev: Sequence[Node], marks: Marks, *, backfill: bool
    ) -> None:
        room, shown = self.room, not (marks.rejected or marks.soft_failed)
        covered = self._covered(event)
        tips = tuple(tip for tip in room.tips if tip.event_id not in covered)
        if not self._is_followed(event):
            tips = (*tips, Tip(event.event_id, event.depth))
        is_step = shown and not backfill and before == Ref(room.main_line, room.head)
        is_step = is_step and [tip.event_id for tip in tips] == [event.event_id]
        ev = self._number(event)
        after = self._state_after(event, ev, before, marks, is_step=is_step)
        row = self._store(event, ev, before, after, marks)
        self._note_edges(event, ev, covered)
        if backfill:
            self._backfilled.add(ev)
        elif is_step:
            self._set_room(room._replace(tips=tips))
            if event.is_state:
                self._step({state.find_keys(self._tx, [event.key])[event.key]: ev})
            row = row._replace(main_pos=None)
        elif shown:
            self._set_tips(tips)
            row = row._replace(main_pos=self.room.head)
        self._add(row, event, marks)
        if shown:
            self._redact(event, before)

    def _add(self, row: EventRow, event: Event, marks: Marks) -> None:
        self._rows.pop(row.ev, None)  # what was an outlier of the same arrival
        self._rows[row.ev] = row, event, marks

    def _covered(self, event: Event) -> set[EventId]:
        """The prev events, and those of the prev events that are not shown, and so on."""
        covered = set(event.prev_events)
        waiting = list(covered)
        while waiting:
            hidden = [
                node
                for node in self._known.find(waiting).values()
                if self._is_here(node) and not node.is_shown
            ]
            more = {one for node in hidden for one in self._known.event(node.event_id).prev_events}
            waiting = list(more - covered)
            covered |= more
        return covered

    def _is_followed(self, event: Event) -> bool:
        """Whether an event that is shown names this one, or leads to it."""
        followers = graph.followers(self._tx, [event.event_id]).get(event.event_id, [])
        return any(self._known.node(one).is_shown for one in self._known.ids(followers))

    def _note_edges(self, event: Event, ev: int, covered: Collection[EventId]) -> None:
        found = self._known.find(covered)
        absent = {one for one in covered if one not in found or not self._is_here(found[one])}
        graph.add_missing(self._tx, self.room.room, [Missing(one, ev) for one in sorted(absent)])
        graph.found(self._tx, [event.event_id])

    def _number(self, event: Event) -> int:
        known = self._known.find([event.event_id])
        if known:
            return known[event.event_id].ev  # an outlier until now
        return self._tx.numbers("ev", 1)[0]

    def _state_after(
        self, event: Event, ev: int, before: Ref, marks: Marks, *, is_step: bool
    ) -> Ref:
        room = self.room
        if not event.is_state or marks.rejected:
            return before
        if is_step:
            return Ref(room.main_line, room.head + 1)
        k = state.intern(self._tx, [event.key])[event.key]
        return lines.branch(self._tx, room.room, room.main_line, before, {k: ev})

    def _store(
        self, event: Event, ev: int, before: Ref | None, after: Ref | None, marks: Marks
    ) -> EventRow:
        """Make the event known; its row waits for its position."""
        replaces = None
        is_new = not self._known.find([event.event_id])
        if event.is_state:
            k = state.intern(self._tx, [event.key])[event.key]
            if is_new:
                self._add_auth(event, ev, k)
            if before is not None:
                room = self.room
                replaces = lines.at(self._tx, room.room, room.main_line, before, [k]).get(k)
        node = Node(ev, event.event_id, self.room.room, None, before, after, *marks, json="")
        self._known.add(node, event)
        return _row(event, node, replaces, after if after != before else None, self.room)

    def _add_auth(self, event: Event, ev: int, k: int) -> None:
        cited = self._known.find(event.auth_events).values()
        nodes = graph.auth(self._tx, [node.ev for node in cited])
        depth = 1 + max((node.depth for node in nodes.values()), default=0)
        node = AuthNode(ev, k, depth, tuple(nodes))
        graph.add_auth(self._tx, [node])
        self._resolver.auth.learn([node])

    # --- the current state ---

    def _set_room(self, room: Room) -> None:
        self._opened.room = self._resolver.room = room

    def _set_tips(self, tips: tuple[Tip, ...]) -> None:
        if tips != self.room.tips:
            self._set_room(self.room._replace(tips=tips))
            self._move_to_tips()

    def _move_to_tips(self) -> None:
        """Go over to the state that the ends together resolve to."""
        room = self.room
        nodes = self._known.find(tip.event_id for tip in room.tips).values()
        afters = [node.after for node in nodes if node.after is not None]
        resolved = self._resolver.resolve(afters)
        head = Ref(room.main_line, room.head)
        moved = lines.difference(self._tx, room.room, room.main_line, head, afters[0])
        target = {k: new for k, (_, new) in moved.items()} | resolved
        self._step({k: ev for k, ev in target.items() if k not in moved or moved[k][0] != ev})

    def _step(self, changes: Entries) -> None:
        """Change the current state: k → ev, 0 for an entry that vanishes."""
        if not changes:
            return
        room = self.room._replace(head=self.room.head + 1)
        self._set_room(room)
        old = state.current(self._tx, room.room, changes)
        loaded = self._known.load({*filter(None, changes.values()), *old.values()})
        by_ev = {self._known.node(event.event_id).ev: event for event in loaded}
        steps = []
        for k, ev in changes.items():
            event, previous = by_ev.get(ev), by_ev.get(old.get(k, 0))
            key = (event or previous).key  # type: ignore[union-attr]  # one of them is there
            mem = state.Mem.NONE if event is None else state.mem_of(event.type, event.content)
            steps.append(Step(room.room, room.main_line, room.head, k, ev, mem))
            self._derived.take(room, key, previous, event, ev or old[k])
            self._opened.changed[key] = None if event is None else Entry(event, ev)
        state.advance(self._tx, steps, {room.room} if room.imported else ())

    def answers(self, event: Event, txn: Txn, now_ms: int) -> None:
        """An event that has arrived is the answer to a client's request."""
        ev = self._known.node(event.event_id).ev
        row, _, marks = self._rows[ev]
        row = row._replace(txn_device=txn.device_id, txn_id=txn.txn_id)
        self._rows[ev] = row, event, marks
        events.remember_txns(self._tx, [(txn, ev)], now_ms)

    # --- redactions ---

    def _redact(self, event: Event, before: Ref) -> None:
        """Apply redactions: of others by this event, and of this event by earlier arrivals."""
        if event.type == "m.room.redaction" and event.redacts is not None:
            target = self._known.find([event.redacts]).get(event.redacts)
            if target is None or target.outlier:
                ev = self._known.node(event.event_id).ev
                graph.await_redacted(self._tx, self.room.room, [(event.redacts, ev)])
            elif target.room == self.room.room:
                self._redact_one(event, before, target.event_id)
        for waiting in graph.redactions_of(self._tx, [event.event_id]).values():
            for redaction in self._known.load(waiting):
                ref = self._known.node(redaction.event_id).before
                if ref is not None:
                    self._redact_one(redaction, ref, event.event_id)

    def _redact_one(self, redaction: Event, before: Ref, target_id: EventId) -> None:
        keys = {CREATE, ("m.room.power_levels", ""), ("m.room.member", redaction.sender)}
        found = self._events_at(before, keys)
        target = self._known.event(target_id)
        if auth_rules.redaction_applies(redaction, target, found.get, self._rules):
            self._redactions.append((target_id, redaction.event_id))
            self._set_room(self.room._replace(redactions=self.room.redactions + 1))
            if target.is_state and self._opened.event(target.key) == target:
                self._derived.redact(self.room, target)

    # --- writing ---

    def flush(self) -> None:
        """Write what arrived. What takes a log position comes last."""
        if not self._rows:
            return
        self._derived.flush(self._tx)
        shown = [(row, event) for row, event, marks in self._rows.values() if not any(marks)]
        accepted = [
            Accepted(row, event, self._opened, self._name, live=row.ev not in self._backfilled)
            for row, event in shown
        ]
        writes = writes_of(self._tx, accepted)
        rooms.move(self._tx, [self.room])
        live = [row for row, _ in shown if row.ev not in self._backfilled]
        bodies = [_body(event) for _, event, _ in in_turns(self._rows.values())]
        pos_of: dict[int, Position] = {ev: -ev for ev in self._backfilled}
        members = self._derived.members
        changes = [Change(Kind.EVENT, row.room, None, row.ev) for row in live]
        changes += [Change(Kind.MEMBERSHIP, one.room, one.user_id, one.ev) for one in members]
        positions = streams.append(self._tx, changes)
        pos_of |= {row.ev: pos for row, pos in zip(live, positions, strict=False)}
        self._write_rows(bodies, pos_of)
        for write in writes:
            write(self._tx, pos_of)
        of_members = dict(zip((one.ev for one in members), positions[len(live) :], strict=True))
        if members:
            rooms.set_local_members(self._tx, members, of_members | pos_of)

    def _write_rows(self, bodies: Sequence[str], pos_of: Mapping[int, Position]) -> None:
        rows = [row for row, _, _ in self._rows.values()]
        hidden = {row.ev for row, _, marks in self._rows.values() if any(marks)}
        positions = [None if row.ev in hidden else pos_of[row.ev] for row in rows]
        events.store(
            self._tx, rows, bodies, positions, [marks for _, _, marks in self._rows.values()]
        )
        for target, redaction in self._redactions:
            events.redact(self._tx, target, redaction)


def _row(event: Event, node: Node, replaces: int | None, after: Ref | None, room: Room) -> EventRow:
    before_line, before_pos = (None, None) if node.before is None else node.before
    after_line, after_pos = (None, None) if after is None else after
    return EventRow(
        ev=node.ev,
        event_id=event.event_id,
        room=room.room,
        pos=None,
        depth=event.depth,
        type=event.type,
        state_key=event.state_key,
        sender=event.sender,
        origin_server_ts=event.origin_server_ts,
        before_line=before_line,
        before_pos=before_pos,
        after_line=after_line,
        after_pos=after_pos,
        main_pos=state.IMPORTED,
        replaces=replaces,
        redacted_by=None,
        txn_device=None,
        txn_id=None,
    )


def _body(event: Event) -> str:
    return canonical_json.encode(event.pdu, strict=event.rules.strict_canonical_json).decode()
