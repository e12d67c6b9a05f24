"""Whether what is derived agrees with the events: the state, lists, counts, positions, edges.

Each room is read in one snapshot, beside a running server; memory is bounded by what is open at a
time: the numbers of a room's events and the entries of its current state.

The state is checked by induction. The state after each event has to be that before it, changed by
the event alone; that before it has to be what those after its prev events resolve to; and the
current state what those of the room's ends do. So every reference is right if each of these is.
"""

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from chat.protocol import canonical_json, signatures
from chat.protocol.errors import ChatError, SignatureInvalid
from chat.protocol.event import Event
from chat.protocol.identifiers import EventId, ServerName
from chat.protocol.room_versions import rules_for
from chat.protocol.signatures import SigningKey
from chat.services.rooms import chains, derived
from chat.services.rooms.resolution import Known, Resolver
from chat.storage import checking, graph, lines, rooms, state, streams
from chat.storage.checking import StoredEvent
from chat.storage.engine import Store, Transaction
from chat.storage.rooms import SUMMARY_FIELDS, Room
from chat.storage.state import Ref


class Difference(NamedTuple):
    """Something that is not as the events say; `room_id` is None for what concerns no room."""

    room_id: str | None
    what: str


def differences(
    store: Store, name: ServerName, keys: Sequence[SigningKey], room_ids: Collection[str] = ()
) -> Iterator[Difference]:
    """All differences, of all rooms or of some. `keys`: those by which this server signs."""
    if room_ids:
        for room_id in room_ids:
            yield from store.read(partial(_of_room, name, keys, room_id))
        return
    yield from store.read(_of_positions)
    room = 0
    while found := store.read(partial(_rooms_after, room)):
        for room, room_id in found:  # noqa: B007 - the last one is where to go on
            yield from store.read(partial(_of_room, name, keys, room_id))


def _rooms_after(room: int, tx: Transaction) -> list[tuple[int, str]]:
    return checking.rooms_after(tx, room)


def _of_positions(tx: Transaction) -> list[Difference]:
    head = streams.head(tx)
    found = [
        f"table {table}: position {pos} is beyond the last one given out, {head}"
        for table, pos in checking.greatest_positions(tx).items()
        if pos > head
    ]
    found += [
        f"log position {pos}: event {ev} is not there" for pos, ev in checking.unlogged_events(tx)
    ]
    return [Difference(None, what) for what in found]


def _of_room(
    name: ServerName, keys: Sequence[SigningKey], room_id: str, tx: Transaction
) -> list[Difference]:
    room = rooms.get(tx, room_id)
    if room is None:
        return [Difference(room_id, "there is no such room")]
    checker = _RoomCheck(tx, room, name, keys)
    checker.check_events()
    checker.check_tips()
    checker.check_current_state()
    checker.check_citations()
    return [Difference(room_id, what) for what in checker.found]


class _RoomCheck:
    """The check of one room in one snapshot; `found` are the differences."""

    def __init__(
        self, tx: Transaction, room: Room, name: ServerName, keys: Sequence[SigningKey]
    ) -> None:
        self.found: list[str] = []
        self._tx = tx
        self._room = room
        self._name = name
        self._keys = {key.key_id: key.verify_key for key in keys}
        self._rules = rules_for(room.version)
        self._known = Known(tx, self._rules)
        self._resolver = Resolver(tx, room, self._known)
        self._missing = {(one.event_id, one.ev) for one in graph.missing(tx, room.room)}
        self._ends: dict[EventId, int] = {}  # shown events that none of those seen names
        self._named_ahead: set[EventId] = set()
        self._hidden: dict[EventId, tuple[EventId, ...]] = {}  # their prev events

    def _differs(self, what: str) -> None:
        self.found.append(what)

    # --- events ---

    def check_events(self) -> None:
        """Each event by itself, its edges, and the states around it."""
        numbers = array("q", checking.event_numbers(self._tx, self._room.room))
        for chunk in checking.stored_events(self._tx, numbers):
            self._known = Known(self._tx, self._rules)
            self._resolver = Resolver(self._tx, self._room, self._known)
            pdus = {one.row.ev: canonical_json.decode(one.json) for one in chunk}
            chunk_events = {
                one.row.ev: Event.trusted(one.row.event_id, pdus[one.row.ev], self._rules)
                for one in chunk
            }
            self._known.find(
                cited
                for event in chunk_events.values()
                for cited in (*event.prev_events, *event.auth_events)
            )
            for one in chunk:
                event = chunk_events[one.row.ev]
                self._check_event(one, event)
                self._check_edges(one, event)
                if not one.marks.outlier:
                    self._check_states(one, event)
                    self._follow(one, event)
        for pos in checking.repeated_positions(self._tx, self._room.room):
            self._differs(f"several events are at position {pos}")

    def _check_event(self, one: StoredEvent, event: Event) -> None:
        row, label = one.row, one.row.event_id
        try:
            if signatures.event_id(event.pdu, self._rules) != label:
                self._differs(f"{label}: the event has another ID")
        except ChatError as error:
            self._differs(f"{label}: {error.message}")
            return
        said = (event.type, event.state_key, event.sender, event.depth, event.origin_server_ts)
        if said != (row.type, row.state_key, row.sender, row.depth, row.origin_server_ts):
            self._differs(f"{label}: the columns do not say what the event says")
        if event.room_id != self._room.room_id:
            self._differs(f"{label}: the event is of another room")
        hidden = any(one.marks)
        if hidden != (row.pos is None):
            self._differs(f"{label}: position {row.pos}, {one.marks}")
        if event.sender.partition(":")[2] == self._name:
            self._check_own(event)

    def _check_own(self, event: Event) -> None:
        if not signatures.content_hash_matches(event.pdu, self._rules):
            self._differs(f"{event.event_id}: the content hash is wrong")
        signed = signatures.signatures_by(event.pdu, self._name)
        if not signed:
            self._differs(f"{event.event_id}: this server has not signed it")
        for key_id in signed.keys() & self._keys.keys():
            try:
                signatures.verify_event_signature(
                    event.pdu, self._rules, self._name, key_id, self._keys[key_id]
                )
            except SignatureInvalid:
                self._differs(f"{event.event_id}: the signature of this server is wrong")

    def _check_edges(self, one: StoredEvent, event: Event) -> None:
        auth = self._known.find(event.auth_events)
        for cited in event.auth_events:
            if cited not in auth:
                self._differs(f"{event.event_id}: its auth event {cited} is missing")
        if not one.marks.outlier:
            prev = self._known.find(event.prev_events)
            for cited in event.prev_events:
                here = cited in prev and not prev[cited].outlier
                if here == ((cited, one.row.ev) in self._missing):
                    state_of = "is here and noted as missing" if here else "is missing"
                    self._differs(f"{event.event_id}: its prev event {cited} {state_of}")
        if event.is_state:
            node = graph.auth(self._tx, [one.row.ev]).get(one.row.ev)
            stored = set() if node is None else set(node.auth)
            if node is None or not stored <= {found.ev for found in auth.values()}:
                self._differs(f"{event.event_id}: its auth events are stored otherwise")

    # --- states ---

    def _check_states(self, one: StoredEvent, event: Event) -> None:
        row = one.row
        if row.before_line is None or row.before_pos is None:
            return  # the state before it is not known (yet)
        before = Ref(row.before_line, row.before_pos)
        after = before if row.after_line is None else Ref(row.after_line, row.after_pos or 0)
        changed = {ev for _, ev in self._between(before, after).values()}
        expected = {row.ev} if event.is_state and not one.marks.rejected else set()
        if changed != expected:
            self._differs(f"{event.event_id}: the state after it is not that before it and itself")
        prev = [node.after for node in self._known.find(event.prev_events).values()]
        afters = [ref for ref in prev if ref is not None]
        if (
            len(afters) == len(event.prev_events)
            and afters
            and self._resolves_otherwise(afters, before)
        ):
            self._differs(f"{event.event_id}: the state before it is not that of its prev events")

    def _between(self, old: Ref, new: Ref) -> dict[int, tuple[int, int]]:
        return lines.difference(self._tx, self._room.room, self._room.main_line, old, new)

    def _resolves_otherwise(self, refs: Sequence[Ref], found: Ref) -> bool:
        """Whether states resolve to another one than `found`."""
        if set(refs) == {found}:
            return False
        resolved: dict[int, int] = {}
        if len(set(refs)) > 1:
            citations = chains.of_current(self._tx, self._room, self._resolver.auth)
            resolved = self._resolver.resolve(refs, citations)
        expected = {k: new for k, (_, new) in self._between(refs[0], found).items()}
        return resolved != expected

    # --- the ends of the graph ---

    def _follow(self, one: StoredEvent, event: Event) -> None:
        event_id = event.event_id
        if any(one.marks):
            self._hidden[event_id] = event.prev_events
            return
        for cited in event.prev_events:
            if self._ends.pop(cited, None) is None:
                self._named_ahead.add(cited)
        is_live = (one.row.pos or 0) > 0
        if event_id in self._named_ahead:
            self._named_ahead.discard(event_id)
        elif is_live:
            self._ends[event_id] = one.row.depth

    def check_tips(self) -> None:
        """The room's ends are the shown events that no shown event follows, near or far."""
        waiting = [one for one in self._named_ahead if one in self._hidden]
        seen = set(waiting)
        while waiting:
            for cited in self._hidden[waiting.pop()]:
                self._ends.pop(cited, None)
                if cited in self._hidden and cited not in seen:
                    seen.add(cited)
                    waiting.append(cited)
        tips = {tip.event_id: tip.depth for tip in self._room.tips}
        if tips != self._ends:
            self._differs(f"the ends are {sorted(self._ends)}, stored are {sorted(tips)}")
        afters = [node.after for node in self._known.find(tips).values() if node.after is not None]
        head = Ref(self._room.main_line, self._room.head)
        if afters and self._resolves_otherwise(afters, head):
            self._differs("the current state is not what the ends of the room resolve to")

    # --- what follows from the current state ---

    def check_current_state(self) -> None:
        """The current state, its history, and what is derived from it."""
        room = self._room
        self.found += checking.log_differences(self._tx, room.room, room.main_line, room.head)
        joined = invited = 0
        fields: dict[str, str | None] = dict.fromkeys(SUMMARY_FIELDS)
        members: dict[str, tuple[str, int]] = {}
        for entry in checking.current_entries(self._tx, room.room):
            content = self._content(entry)
            if entry.type == "m.room.member":
                membership = derived.membership_in(content)
                joined += membership == "join"
                invited += membership == "invite"
                if entry.state_key.partition(":")[2] == self._name:
                    members[entry.state_key] = membership, entry.ev
            elif (field := derived.summary_value(entry.type, entry.state_key, content)) is not None:
                fields[field[0]] = field[1]
        summary = rooms.summaries(self._tx, [room.room]).get(room.room)
        if summary is None or (summary.joined, summary.invited) != (joined, invited):
            self._differs(f"{joined} members joined, {invited} invited; stored is {summary}")
        elif any(getattr(summary, name) != value for name, value in fields.items()):
            self._differs(f"the summary should be {fields}, stored is {summary}")
        self._check_local_members(members)

    def _content(self, entry: checking.Entry) -> dict[str, Any]:
        label = f"state entry {entry.type} {entry.state_key!r}"
        if entry.ev == 0:
            content: dict[str, Any] = {}
        elif entry.json is None:
            self._differs(f"{label}: event {entry.ev} does not exist")
            return {}
        else:
            content = canonical_json.decode(entry.json)["content"]
            if (entry.event_room, entry.event_type, entry.event_state_key) != (
                self._room.room,
                entry.type,
                entry.state_key,
            ):
                self._differs(f"{label}: event {entry.ev} is another entry's")
        if entry.mem != (state.mem_of(entry.type, content) if entry.ev else 0):
            self._differs(f"{label}: its membership is noted as {entry.mem}")
        return content

    def _check_local_members(self, members: Mapping[str, tuple[str, int]]) -> None:
        if not self._room.tips:
            return  # invited or knocking from outside: this server has no state of the room
        stored = {one.user_id: one for one in checking.local_members(self._tx, self._room.room)}
        for user_id, (membership, ev) in members.items():
            one = stored.pop(user_id, None)
            if one is None or one.membership != membership or (ev and one.ev != ev):
                self._differs(f"{user_id}: {membership} by event {ev}, stored is {one}")
        for user_id, one in stored.items():
            if one.membership != "leave":
                self._differs(f"{user_id}: has no membership, stored is {one}")

    def check_citations(self) -> None:
        """The counts by which resolutions find what auth chains have in common."""
        if graph.auth_position(self._tx, self._room.room) == 0:
            return
        auth = self._resolver.auth
        counted = chains.of_current(self._tx, self._room, auth).counts
        stored = graph.counts(self._tx, self._room.room) | counted
        expected = chains.count_all(self._tx, self._room.room, auth)
        if {ev: n for ev, n in stored.items() if n} != expected:
            self._differs("the citations of auth events are counted wrongly")
