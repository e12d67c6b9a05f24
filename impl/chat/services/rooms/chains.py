"""Auth chains: what states have in common there, and in what they differ.

The auth chain of one event is short; that of a state is as long as the state. So the chains of the
entries in which states differ are walked, and the large rest is counted: `Citations` knows of
every event how many events of the rest's auth chains, or of the rest itself, cite it. It begins
with the counts of the room's current state, which are stored, and moves to the state that is asked
for by the entries in which that differs: an entry that goes takes its citations with it, and what
nobody cites any more goes as well, as with objects that are counted to be freed.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from chat.storage import graph, state
from chat.storage.cooperation import in_turns
from chat.storage.engine import Transaction
from chat.storage.graph import AuthNode
from chat.storage.rooms import Room

COUNTED_AT_ONCE = 1_000  # events whose auth events are read at once


class AuthGraph:
    """State events and their auth events, read once in a transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._nodes: dict[int, AuthNode] = {}

    def learn(self, nodes: Iterable[AuthNode]) -> None:
        """Take in what was read or written elsewhere."""
        self._nodes.update((node.ev, node) for node in in_turns(nodes))

    def nodes(self, evs: Collection[int]) -> list[AuthNode]:
        """These state events."""
        missing = [ev for ev in evs if ev not in self._nodes]
        self.learn(graph.auth(self._tx, missing).values())
        return [self._nodes[ev] for ev in evs]

    def cited(self, evs: Collection[int]) -> list[int]:
        """The auth events of each of these, one after the other; some come several times."""
        return [cited for node in in_turns(self.nodes(evs)) for cited in node.auth]


class Citations:
    """How often the auth chains of a state cite which event; at first, those of the current state.

    An event counts as alive if it is an entry of the state or cited by what is alive. Once for
    each citing event that is alive, a cited event is counted.
    """

    def __init__(
        self, tx: Transaction, room: int, auth: AuthGraph, counts: Mapping[int, int] | None = None
    ) -> None:
        """`counts`: of the current state, where they are not stored."""
        self._tx = tx
        self._room = room
        self._auth = auth
        self._counts: dict[int, int] = dict(counts or {})
        self._is_entry: dict[int, bool] = {}
        self._learned: set[int] = set()

    def move(self, gone: Collection[int], come: Collection[int]) -> None:
        """Go over to a state without some entries, and with others."""
        self._is_entry |= dict.fromkeys(gone, True) | dict.fromkeys(come, False)
        self._learn([*gone, *come])
        self._revive(come)
        self._release(gone)

    def _revive(self, come: Collection[int]) -> None:
        wave = [ev for ev in come if not self._counts[ev]]
        self._is_entry |= dict.fromkeys(come, True)
        while wave:
            cited = self._auth.cited(wave)
            self._learn(cited)
            wave = []
            for ev in cited:
                if not self._is_alive(ev):
                    wave.append(ev)
                self._counts[ev] += 1

    def _release(self, gone: Collection[int]) -> None:
        self._is_entry |= dict.fromkeys(gone, False)
        wave = [ev for ev in gone if not self._counts[ev]]
        while wave:
            cited = self._auth.cited(wave)
            self._learn(cited)
            wave = []
            for ev in cited:
                self._counts[ev] -= 1
                if not self._is_alive(ev):
                    wave.append(ev)

    def uncited(self, evs: Collection[int]) -> list[int]:
        """Those of the events that are not in the state's auth chain."""
        self._learn(evs)
        return [ev for ev in evs if not self._counts[ev]]

    @property
    def counts(self) -> dict[int, int]:
        """What is known of how often events are cited; 0 for those that are not."""
        return self._counts

    def _is_alive(self, ev: int) -> bool:
        return self._is_entry[ev] or self._counts[ev] > 0

    def _learn(self, evs: Iterable[int]) -> None:
        missing = set(evs) - self._learned
        self._learned |= missing
        for ev, (n, is_current) in graph.counted(self._tx, self._room, missing).items():
            self._counts.setdefault(ev, n)
            self._is_entry.setdefault(ev, is_current)


def count_all(tx: Transaction, room: int, auth: AuthGraph) -> dict[int, int]:
    """How often each event is cited by the auth chains of the current state, counted anew."""
    found = graph.auth_of_current(tx, room)
    auth.learn(found.values())
    counts: defaultdict[int, int] = defaultdict(int)
    alive, wave = set(found), list(found)
    while wave:
        part = wave[-COUNTED_AT_ONCE:]
        del wave[-COUNTED_AT_ONCE:]
        for ev in in_turns(auth.cited(part)):
            counts[ev] += 1
            if ev not in alive:
                alive.add(ev)
                wave.append(ev)
    return dict(counts)


def of_current(tx: Transaction, room: Room, auth: AuthGraph) -> Citations:
    """The citations of a room's current state.

    If none are stored that costs what the state costs, else what has changed of it since.
    """
    position = graph.auth_position(tx, room.room)
    if position == 0:
        return Citations(tx, room.room, auth, count_all(tx, room.room, auth))
    citations = Citations(tx, room.room, auth)
    changed = state.difference(tx, room.room, room.main_line, position, room.head)
    gone = [old for old, _ in changed.values() if old]
    citations.move(gone, [new for _, new in changed.values() if new])
    return citations


def catch_up(tx: Transaction, room: Room, auth: AuthGraph) -> None:
    """Store the citations of a room's current state. The caller holds the room's lock."""
    if graph.auth_position(tx, room.room) != room.head:
        counts = of_current(tx, room, auth).counts
        graph.set_counts(tx, room.room, counts, room.head)


def difference(
    auth: AuthGraph, citations: Citations, conflicted: Sequence[Collection[int]]
) -> set[int]:
    """The events that are in the auth chains of some but not all of several states.

    `citations` are those of the entries that all of the states have, `conflicted` the other
    entries of each.
    """
    chains = [_uncited_chain(auth, citations, entries) for entries in conflicted]
    return set[int]().union(*chains) - set[int](chains[0]).intersection(*chains)


def _uncited_chain(auth: AuthGraph, citations: Citations, entries: Collection[int]) -> set[int]:
    """The auth chains of entries, down to what the rest cites: from there on all have it."""
    chain: set[int] = set()
    wave = set(auth.cited(entries))
    while wave:
        wave = set(citations.uncited(wave - chain))
        chain |= wave
        wave = set(auth.cited(wave))
    return chain


def subgraph(auth: AuthGraph, conflicted: Collection[int]) -> set[int]:
    """The events on all paths along auth events from one of these events to another.

    No path leads back up to an event's own depth, so nothing below the least one is looked at.
    """
    floor = min(node.depth for node in auth.nodes(conflicted))
    reached = set(conflicted)
    cited_by: defaultdict[int, list[int]] = defaultdict(list)
    wave = list(reached)
    while wave:
        nodes = auth.nodes(wave)
        found = {ev for node in nodes if node.depth > floor for ev in node.auth}
        kept = {node.ev for node in auth.nodes(found) if node.depth >= floor}
        for node in nodes:
            for ev in kept.intersection(node.auth):
                cited_by[ev].append(node.ev)
        wave = list(kept - reached)
        reached |= kept
    return _upwards(set(conflicted), cited_by)


def _upwards(start: set[int], cited_by: defaultdict[int, list[int]]) -> set[int]:
    found, waiting = set(start), list(start)
    while waiting:
        more = set(cited_by[waiting.pop()]) - found
        found |= more
        waiting += more
    return found


def whole(auth: AuthGraph, entries: Collection[int]) -> set[int]:
    """The auth chain of a state: all events that its entries cite, at any distance."""
    chain: set[int] = set()
    wave = set(auth.cited(entries))
    while wave:
        chain |= wave
        wave = set(auth.cited(wave)) - chain
    return chain
