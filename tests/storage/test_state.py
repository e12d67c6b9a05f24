"""Room state against a plain dictionary per position."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.storage import state
from chat.storage.engine import Store, Transaction
from chat.storage.state import IMPORTED, Mem, Ref, Step
from chat_testing.databases import statements

ROOM, LINE = 1, 11


def make_room(tx: Transaction, room: int, line: int) -> None:
    columns = ("room", "room_id", "version", "main_line", "head", "tips")
    tx.insert("room", columns, [(room, f"!{room}:a", "12", line, IMPORTED, "[]")])


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    imported=st.dictionaries(st.integers(1, 6), st.integers(1, 99), max_size=6),
    changes=st.lists(
        st.dictionaries(st.integers(1, 8), st.integers(0, 99), min_size=1, max_size=3), max_size=25
    ),
    batches=st.randoms(use_true_random=False),
)
def test_every_state_is_that_of_the_model(
    store: Store,
    imported: dict[int, int],
    changes: list[dict[int, int]],
    batches: random.Random,
) -> None:
    """Imports, steps of several keys, vanishing keys, steps of one key in one batch."""
    seen = store.read(lambda tx: tx.row("SELECT count(*) FROM room"))
    room = seen[0] + 1
    line = room + 1_000
    states = {IMPORTED: dict(imported)}
    positions = range(IMPORTED + 1, IMPORTED + 1 + len(changes))
    for pos, change in zip(positions, changes, strict=True):
        states[pos] = {k: ev for k, ev in (states[pos - 1] | change).items() if ev}

    def build(tx: Transaction) -> None:
        make_room(tx, room, line)
        state.import_state(tx, room, [(k, ev, 0) for k, ev in imported.items()])
        batch: list[Step] = []
        for pos, change in zip(positions, changes, strict=True):
            batch += [Step(room, line, pos, k, ev, 0) for k, ev in change.items()]
            if batches.random() < 0.5:
                state.advance(tx, batch, {room})
                batch = []
        state.advance(tx, batch, {room})

    store.write(build)
    store.read(lambda tx: check_against(tx, room, line, states, batches))


def check_against(
    tx: Transaction,
    room: int,
    line: int,
    states: dict[int, dict[int, int]],
    chooser: random.Random,
) -> None:
    head = max(states)
    some = chooser.sample(range(1, 10), 4)
    assert state.current(tx, room) == states[head]
    assert state.current(tx, room, some) == {k: v for k, v in states[head].items() if k in some}
    for pos, expected in states.items():
        assert state.at(tx, room, Ref(line, pos)) == expected
        narrowed = {k: ev for k, ev in expected.items() if k in some}
        assert state.at(tx, room, Ref(line, pos), some) == narrowed
    low, high = sorted(chooser.choices(sorted(states), k=2))
    expected_difference = {
        k: (states[low].get(k, 0), states[high].get(k, 0))
        for k in states[low].keys() | states[high].keys()
        if states[low].get(k) != states[high].get(k)
    }
    assert state.difference(tx, room, line, low, high) == expected_difference
    history = state.history(tx, room, line, some, low, high)
    for pos in range(low, high + 1):
        for k in some:
            entries = [ev for since, ev in history[k] if since <= pos]
            assert entries[-1] == states[pos].get(k, 0)


def test_keys_are_interned_once(store: Store) -> None:
    keys = [("m.room.name", ""), ("m.room.member", "@a:b"), ("m.room.name", "")]
    first = store.write(lambda tx: state.intern(tx, keys))
    again = store.write(lambda tx: state.intern(tx, [*keys, ("m.room.topic", "it's")]))
    assert len(first) == 2
    assert again.items() > first.items()
    unknown = ("m.room.name", "never")
    assert store.read(lambda tx: state.find_keys(tx, [*keys, unknown])) == first


def test_keys_of_an_undone_transaction_are_not_remembered(store: Store) -> None:
    def undone(tx: Transaction) -> None:
        state.intern(tx, [("m.room.name", "")])
        raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        store.write(undone)
    assert store.read(lambda tx: state.find_keys(tx, [("m.room.name", "")])) == {}


def test_state_before_costs_one_statement_however_many_changes(store: Store) -> None:
    def build(tx: Transaction) -> None:
        make_room(tx, ROOM, LINE)
        state.advance(tx, [Step(ROOM, LINE, pos, 1, pos, Mem.NONE) for pos in range(2, 300)])

    store.write(build)
    with statements(store) as seen:
        assert store.read(lambda tx: state.at(tx, ROOM, Ref(LINE, 150))) == {1: 150}
        assert len(seen) == 1
        found = store.read(lambda tx: state.history(tx, ROOM, LINE, [1, 2], 100, 200))
        assert len(seen) == 2
    assert len(found[1]) == 101
    assert found[2] == [(100, 0)]
