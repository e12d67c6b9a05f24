"""The state where branches of a room meet, by what the branches' states differ in.

Only the entries in which states differ, the auth events that come with them and what authorises
them are read. The algorithms are in chat.protocol.state_resolution.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from chat.protocol import canonical_json
from chat.protocol.auth_rules import auth_keys
from chat.protocol.event import Event, StateKey
from chat.protocol.identifiers import EventId
from chat.protocol.room_versions import RoomRules, StateResolution
from chat.protocol.state_resolution import resolve
from chat.services.rooms import chains
from chat.services.rooms.chains import AuthGraph, Citations
from chat.storage import graph, lines, state
from chat.storage.cooperation import in_turns
from chat.storage.engine import Transaction
from chat.storage.graph import Node
from chat.storage.lines import Entries
from chat.storage.rooms import Room
from chat.storage.state import Ref

CREATE: StateKey = ("m.room.create", "")


class Known:
    """Events of one room, read once in a transaction; new ones may be added before that."""

    def __init__(self, tx: Transaction, rules: RoomRules) -> None:
        self._tx = tx
        self.rules = rules
        self._nodes: dict[EventId, Node] = {}
        self._ids: dict[int, EventId] = {}
        self._events: dict[EventId, Event] = {}

    def add(self, node: Node, event: Event | None = None) -> None:
        """Take in an event that was read or made elsewhere."""
        self._nodes[node.event_id] = node
        self._ids[node.ev] = node.event_id
        if event is not None:
            self._events[node.event_id] = event

    def find(self, event_ids: Iterable[EventId]) -> dict[EventId, Node]:
        """The known events among these IDs."""
        wanted = set(event_ids)
        for node in graph.nodes_by_id(self._tx, wanted - self._nodes.keys()):
            self.add(node)
        return {event_id: self._nodes[event_id] for event_id in wanted if event_id in self._nodes}

    def ids(self, evs: Iterable[int]) -> list[EventId]:
        """The IDs of the events with these numbers."""
        wanted = list(evs)
        for node in graph.nodes(self._tx, [ev for ev in wanted if ev not in self._ids]):
            self.add(node)
        return [self._ids[ev] for ev in wanted]

    def load(self, evs: Iterable[int]) -> list[Event]:
        """The events with these numbers."""
        return [self.event(event_id) for event_id in in_turns(self.ids(evs))]

    def node(self, event_id: EventId) -> Node:
        """An event that is known, as a member of the graph."""
        return self.find([event_id])[event_id]

    def event(self, event_id: EventId) -> Event:
        """An event that is known."""
        event = self._events.get(event_id)
        if event is None:
            pdu = canonical_json.decode(self.node(event_id).json)
            event = self._events[event_id] = Event.trusted(event_id, pdu, self.rules)
        return event

    def is_rejected(self, event_id: EventId) -> bool:
        """Whether an event was rejected on receipt."""
        return self.node(event_id).rejected


class Resolver:
    """Resolves states of one room. `room` is the room as it is now: the caller moves it on."""

    def __init__(self, tx: Transaction, room: Room, known: Known) -> None:
        self._tx = tx
        self._known = known
        self.room = room
        self.auth = AuthGraph(tx)

    def gather(
        self, refs: Collection[Ref], ks: Collection[int] | None = None
    ) -> dict[Ref, Entries]:
        """The entries in which states may differ, or those of `ks`; see lines.gather."""
        return lines.gather(self._tx, self.room.room, self.room.main_line, refs, ks)

    def resolve(self, refs: Collection[Ref], citations: Citations | None = None) -> Entries:
        """What resolving these states changes of the first: k → ev, 0 where there is none.

        Without `citations` of the current state the stored ones are used and kept up to date,
        which takes the room's lock.
        """
        states = list(dict.fromkeys(refs))
        if len(states) == 1:
            return {}
        head = Ref(self.room.main_line, self.room.head)
        found = self.gather([*states, head])
        conflict = _Conflict([found[ref] for ref in states], found[head])
        if not conflict.keys:
            return {}
        if citations is None:
            chains.catch_up(self._tx, self.room, self.auth)
            citations = Citations(self._tx, self.room.room, self.auth)
        citations.move(conflict.gone, conflict.come)
        resolved = self._resolve(conflict, citations)
        return {k: ev for k, ev in resolved.items() if ev != conflict.states[0].get(k, 0)}

    def _resolve(self, conflict: "_Conflict", citations: Citations) -> Entries:
        difference: set[int] = set()
        subgraph: set[int] = set()
        if self._known.rules.state_resolution is not StateResolution.V1:
            difference = chains.difference(self.auth, citations, conflict.entries)
            subgraph = chains.subgraph(self.auth, conflict.all_entries)
        names = self._names(conflict)
        resolved = resolve(
            {names[k]: self._ids_or_none(conflict.values(k)) for k in conflict.keys},
            rules=self._known.rules,
            event=self._known.event,
            unconflicted=self._unconflicted(conflict, difference | subgraph),
            auth_difference=lambda: self._known.ids(difference),
            conflicted_subgraph=lambda: self._known.ids(subgraph),
            is_rejected=self._known.is_rejected,
        )
        ks = {name: k for k, name in names.items()}
        outcome: Entries = {}
        for name, event_id in resolved.items():
            ev = 0 if event_id is None else self._known.node(event_id).ev
            outcome[ks[name] if name in ks else self.auth.nodes([ev])[0].k] = ev
        return outcome

    def _names(self, conflict: "_Conflict") -> dict[int, StateKey]:
        one_of_each = {k: max(conflict.values(k)) for k in conflict.keys}
        events = self._known.load(one_of_each.values())
        return {k: event.key for k, event in zip(one_of_each, events, strict=True)}

    def _ids_or_none(self, evs: Collection[int]) -> list[EventId | None]:
        ids: list[EventId | None] = [*self._known.ids(ev for ev in evs if ev)]
        return [*ids, None] if 0 in evs else ids

    def _unconflicted(
        self, conflict: "_Conflict", more: Collection[int]
    ) -> Callable[[StateKey], EventId | None]:
        """A look-up of entries that the states share; those that are surely needed are there."""
        wanted = {CREATE}
        for event in self._known.load(conflict.all_entries | set(more)):
            wanted.update(
                auth_keys(event.type, event.sender, event.state_key, event.content, event.rules)
            )
            wanted.add(event.key)
        entries = self._shared(conflict, wanted)

        def look_up(key: StateKey) -> EventId | None:
            if key not in entries:
                entries.update(self._shared(conflict, [key]))
            return entries[key]

        return look_up

    def _shared(
        self, conflict: "_Conflict", keys: Collection[StateKey]
    ) -> dict[StateKey, EventId | None]:
        ks = state.find_keys(self._tx, keys)
        current = state.current(self._tx, self.room.room, ks.values())
        evs = {
            key: conflict.shared[k] if k in conflict.shared else current.get(k, 0)
            for key, k in ks.items()
        }
        present = [ev for ev in evs.values() if ev]
        ids = dict(zip(present, self._known.ids(present), strict=True))
        return {key: ids.get(evs.get(key, 0)) for key in keys}


class _Conflict:
    """How states differ: `states` by what may differ, `head` likewise, of the current state."""

    def __init__(self, states: Sequence[Entries], head: Entries) -> None:
        self.states = states
        self.keys = [k for k in head if len({entries[k] for entries in states}) > 1]
        differing = set(self.keys)
        # What all states have of the keys that were looked at; the rest is as it is currently.
        self.shared = {k: 0 if k in differing else states[0][k] for k in head}
        changed = [(head[k], ev) for k, ev in self.shared.items() if head[k] != ev]
        self.gone = [old for old, _ in changed if old]
        self.come = [new for _, new in changed if new]
        self.entries = [{entries[k] for k in self.keys if entries[k]} for entries in states]
        self.all_entries = set[int]().union(*self.entries)

    def values(self, k: int) -> set[int]:
        """What the states have at a key; 0 where one has nothing."""
        return {entries[k] for entries in self.states}
