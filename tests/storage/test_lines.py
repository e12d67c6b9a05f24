"""States on branches against plain dictionaries: random graphs, all reads, then what is left.

A graph grows by random acts: state events that become current, others that fork off any state
known, merges of states that need not lie near each other, steps of many keys, keys that vanish,
whole states that hang nowhere. Short here; long, and with a new seed each time, with CHAT_PROVE=1.
"""

import os
import random

import pytest

from chat.storage import lines, state
from chat.storage.engine import Store, Transaction
from chat.storage.state import IMPORTED, Ref, Step

PROVE = os.environ.get("CHAT_PROVE") == "1"
GRAPHS = 60 if PROVE else 3
ACTS = 250
SAMPLES = 30
KEYS = 14
pytestmark = pytest.mark.timeout(3600 if PROVE else 300)

State = dict[int, int]


class Graph:
    """A room's states, as stored and as dictionaries."""

    def __init__(self, tx: Transaction, number: int, chance: random.Random) -> None:
        self.tx, self.room, self.chance = tx, number, chance
        (self.main,) = tx.numbers("line", 1)
        self.head = IMPORTED
        self.ev = 0
        columns = ("room", "room_id", "version", "main_line", "head", "tips")
        tx.insert("room", columns, [(number, f"!{number}:a", "12", self.main, IMPORTED, "[]")])
        imported = {k: self.new_event() for k in range(KEYS) if chance.random() < 0.5}
        state.import_state(tx, number, [(k, ev, 0) for k, ev in imported.items()])
        self.states: dict[Ref, State] = {Ref(self.main, IMPORTED): imported}

    def new_event(self) -> int:
        self.ev += 1
        return self.ev

    @property
    def head_ref(self) -> Ref:
        return Ref(self.main, self.head)

    def changes(self, of: State) -> dict[int, int]:
        """A change of one key mostly, of several, or one that takes a key away."""
        wanted = 1 if self.chance.random() < 0.8 else self.chance.randint(2, KEYS)
        keys = self.chance.sample(range(KEYS), wanted)
        return {k: 0 if k in of and self.chance.random() < 0.15 else self.new_event() for k in keys}

    def note(self, ref: Ref, base: State, changes: dict[int, int]) -> None:
        merged = {k: ev for k, ev in (base | changes).items() if ev}
        assert self.states.setdefault(ref, merged) == merged

    def step(self) -> None:
        """What becomes current."""
        base = self.states[self.head_ref]
        changes = self.changes(base)
        self.head += 1
        steps = [Step(self.room, self.main, self.head, k, ev, 0) for k, ev in changes.items()]
        state.advance(self.tx, steps, {self.room})
        self.note(self.head_ref, base, changes)

    def fork(self) -> None:
        """A state event on any state; late ones hang far back, others on the last branch."""
        refs = list(self.states)
        recent = self.chance.random() < 0.7
        ref = self.chance.choice(refs[-5:] if recent else refs)
        changes = self.changes(self.states[ref])
        made = lines.branch(self.tx, self.room, self.main, ref, changes)
        self.note(made, self.states[ref], changes)

    def merge(self) -> None:
        """States meet: a winner for every key in which they differ."""
        refs = self.chance.sample(list(self.states), min(len(self.states), 3))
        found = self.gathered(refs)
        base = refs[0]
        changes = {}
        for k, ev in found[base].items():
            winner = found[self.chance.choice(refs)][k]
            if winner != ev:
                changes[k] = winner
        made = lines.branch(self.tx, self.room, self.main, base, changes)
        self.note(made, self.states[base], changes)

    def root(self) -> None:
        entries = {k: self.new_event() for k in range(KEYS) if self.chance.random() < 0.7}
        if entries:
            self.note(lines.root(self.tx, self.room, entries), {}, entries)

    def gathered(self, refs: list[Ref]) -> dict[Ref, State]:
        found = lines.gather(self.tx, self.room, self.main, refs)
        for ref, entries in found.items():
            assert {k: ev for k, ev in entries.items() if ev} == {
                k: ev for k, ev in self.states[ref].items() if k in entries
            }
        keys = found[refs[0]].keys()
        assert all(entries.keys() == keys for entries in found.values())
        for k in range(KEYS):
            if k not in keys:
                assert len({self.states[ref].get(k) for ref in refs}) == 1
        return found

    # --- reading ---

    def read_everything(self) -> None:
        refs = list(self.states)
        for ref in self.chance.sample(refs, min(len(refs), SAMPLES)):
            assert lines.at(self.tx, self.room, self.main, ref) == self.states[ref]
            ks = self.chance.sample(range(KEYS), 3)
            found = lines.at(self.tx, self.room, self.main, ref, ks)
            assert found == {k: ev for k, ev in self.states[ref].items() if k in ks}
            other = self.chance.choice(refs)
            self.compare(ref, other)
            self.read_page(self.chance.sample(refs, min(len(refs), 12)), ks)
        assert state.current(self.tx, self.room) == self.states[self.head_ref]

    def compare(self, old: Ref, new: Ref) -> None:
        a, b = self.states[old], self.states[new]
        expected = {
            k: (a.get(k, 0), b.get(k, 0)) for k in range(KEYS) if a.get(k, 0) != b.get(k, 0)
        }
        assert lines.difference(self.tx, self.room, self.main, old, new) == expected

    def read_page(self, refs: list[Ref], ks: list[int]) -> None:
        found = lines.gather(self.tx, self.room, self.main, refs, ks)
        for ref in refs:
            assert found[ref] == {k: self.states[ref].get(k, 0) for k in ks}


ACTIONS = (Graph.step, Graph.step, Graph.fork, Graph.fork, Graph.merge)


@pytest.mark.parametrize("limit", [lines.COPIED_ROWS, 8, 1])
def test_states_of_random_graphs(store: Store, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "COPIED_ROWS", limit)
    for number in range(1, GRAPHS + 1):
        seed = random.SystemRandom().randrange(2**32) if PROVE else number * limit

        def work(tx: Transaction, number: int = number, seed: int = seed) -> None:
            chance = random.Random(seed)
            graph = Graph(tx, number, chance)
            for act in range(ACTS):
                graph.root() if act % 100 == 50 else chance.choice(ACTIONS)(graph)
            graph.read_everything()
            lines_left_by_purge(graph)

        try:
            store.write(work)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error


def lines_left_by_purge(graph: Graph) -> None:
    """Every row belongs to a line that its room names: four statements remove a room's state."""
    tx, room = graph.tx, {"room": graph.room}
    branches = "SELECT line FROM state_line WHERE room = :room"
    tx.run(f"DELETE FROM state_log WHERE line IN ({branches})", **room)
    tx.run("DELETE FROM state_log WHERE line = :line", line=graph.main)
    tx.run("DELETE FROM state_line WHERE room = :room", **room)
    tx.run("DELETE FROM state_now WHERE room = :room", **room)
    for table in ("state_log", "state_line", "state_now"):
        assert tx.row(f"SELECT count(*) FROM {table}") == (0,)


@pytest.mark.parametrize("nested", [200])
def test_deep_branches_stay_near_the_main_line(store: Store, nested: int) -> None:
    """Each branch on the last but one state of the one before, as backfilling makes them."""

    def work(tx: Transaction) -> None:
        graph = Graph(tx, 1, random.Random(1))
        ref = graph.head_ref
        for _ in range(nested):
            below = lines.branch(tx, 1, graph.main, ref, {1: graph.new_event()})
            lines.branch(tx, 1, graph.main, below, {2: graph.new_event()})
            ref = below
        path = lines.paths(tx, [ref], graph.main)[ref]
        assert len(path.stops) <= nested.bit_length() + 1
        rows = tx.row("SELECT count(*) FROM state_log")
        assert rows[0] <= nested * (nested.bit_length() + 2)

    store.write(work)
