"""Leases: every piece of work has one owner, and a dead owner's work moves."""

import itertools
from collections.abc import Iterator
from contextlib import closing

import pytest

from chat.config.model import Database
from chat.services.leases import BEAT_S, MISSED, VALID_S, Leases
from chat.storage.engine import Store, open_store
from chat.storage.leases import Lease, LeaseLost
from chat_testing.databases import statements, upgraded

NAMES = [f"federation:{shard}" for shard in range(8)]
MOVES_WITHIN_S = 15

_numbers = itertools.count()


class Time:
    """The monotonic clock of the test's workers."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Nodes:
    """Workers of several nodes, each with a store of its own on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._opened: list[Store] = []
        self.time = Time()
        self.workers: list[Leases] = []

    def add(self, names: list[str] = NAMES) -> Leases:
        store = open_store(self._database)
        store.exclusive = False  # several on one SQLite file, which a server's lock file prevents
        self._opened.append(store)
        self.workers.append(Leases(store, names, self.time))
        return self.workers[-1]

    def beat(self, *but: Leases) -> None:
        """Let a beat's time pass and all workers renew, `but` some."""
        self.time.now_s += BEAT_S
        for worker in self.workers:
            if worker not in but:
                worker.renew()

    def beats(self, count: int, *but: Leases) -> None:
        for _ in range(count):
            self.beat(*but)

    def owned(self, worker: Leases) -> set[str]:
        return {name for name in NAMES if worker.held(name)}

    def close(self) -> None:
        for store in self._opened:
            store.close()


@pytest.fixture
def nodes(upgraded_database: Database) -> Iterator[Nodes]:
    with upgraded(upgraded_database), closing(Nodes(upgraded_database)) as made:
        yield made


def assert_one_owner_each(nodes: Nodes) -> None:
    owned = [nodes.owned(worker) for worker in nodes.workers]
    assert sorted(itertools.chain(*owned)) == sorted(NAMES)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 10])
def test_work_is_spread_evenly(nodes: Nodes, count: int) -> None:
    for _ in range(count):
        nodes.add()
    nodes.beats(6)
    assert_one_owner_each(nodes)
    sizes = [len(nodes.owned(worker)) for worker in nodes.workers]
    assert max(sizes) - min(sizes) <= 1


def test_a_new_worker_gets_its_share(nodes: Nodes) -> None:
    first = nodes.add()
    nodes.beats(2)
    assert nodes.owned(first) == set(NAMES)
    second = nodes.add()
    nodes.beats(4)
    assert len(nodes.owned(first)) == len(nodes.owned(second)) == len(NAMES) / 2
    assert_one_owner_each(nodes)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_dead_owners_work_moves_in_time(nodes: Nodes, count: int) -> None:
    dead, *living = [nodes.add() for _ in range(count)]
    nodes.beats(6)
    died_s = nodes.time.now_s
    assert nodes.owned(dead)
    while set().union(*map(nodes.owned, living)) != set(NAMES):
        nodes.beat(dead)
    assert nodes.time.now_s - died_s < MOVES_WITHIN_S - BEAT_S  # it may die right after a beat


def test_an_owner_that_hangs_stops_before_others_begin(nodes: Nodes) -> None:
    hanging, other = nodes.add(), nodes.add()
    nodes.beats(6)
    assert nodes.owned(hanging)
    stopped_s = nodes.time.now_s
    while not nodes.owned(hanging).isdisjoint(NAMES):
        nodes.time.now_s += 0.5
    assert nodes.time.now_s - stopped_s <= VALID_S < MISSED * BEAT_S
    nodes.beats(5, hanging)
    assert nodes.owned(other) == set(NAMES)


def test_a_woken_owner_writes_nothing_more(nodes: Nodes) -> None:
    sleeper, other = nodes.add(), nodes.add()
    nodes.beats(6)
    name = min(nodes.owned(sleeper))
    old = sleeper.held(name)
    assert old is not None
    write(sleeper, old)
    nodes.beats(5, sleeper)
    new = other.held(name)
    assert new is not None and new.generation > old.generation
    with pytest.raises(LeaseLost, match=name):
        write(sleeper, old)
    write(other, new)
    assert notes(nodes) == [sleeper.worker, other.worker]


def test_a_woken_owner_learns_that_it_lost(nodes: Nodes) -> None:
    sleeper, other = nodes.add(), nodes.add()
    nodes.beats(6)
    nodes.beats(5, sleeper)
    assert nodes.owned(other) == set(NAMES)
    nodes.beats(4)
    assert_one_owner_each(nodes)
    assert nodes.owned(sleeper)


def test_a_database_that_hangs_kills_nobody(nodes: Nodes) -> None:
    first, second = nodes.add(), nodes.add()
    nodes.beats(6)
    before = nodes.owned(first), nodes.owned(second)
    nodes.time.now_s += 600
    assert not nodes.owned(first) and not nodes.owned(second)
    nodes.beat()
    assert (nodes.owned(first), nodes.owned(second)) == before


def test_who_leaves_in_order_frees_its_work_at_once(nodes: Nodes) -> None:
    leaving, staying = nodes.add(), nodes.add()
    nodes.beats(6)
    leaving.resign()
    nodes.beats(1, leaving)
    assert nodes.owned(staying) == set(NAMES)


def test_work_that_only_a_new_version_knows_finds_an_owner(nodes: Nodes) -> None:
    for _ in range(3):
        nodes.add()
    nodes.beats(6)
    newer = nodes.add([*NAMES, "purge"])
    nodes.beats(6)
    assert newer.held("purge")


def test_a_beat_is_one_statement_each_way(nodes: Nodes) -> None:
    first, _ = nodes.add(), nodes.add()
    nodes.beats(6)
    with statements(first._store) as seen:
        first.renew()
    assert [text.split()[0] for text in seen] == ["INSERT", "SELECT"]  # in one message


def test_a_database_of_our_own_needs_no_beats(sqlite_store: Store) -> None:
    crashed = Leases(sqlite_store, NAMES)
    crashed.renew()
    restarted = Leases(sqlite_store, NAMES)
    restarted.renew()
    assert restarted.settled
    assert all(restarted.held(name) for name in NAMES)
    lost = crashed._held[NAMES[0]]
    with pytest.raises(LeaseLost):
        sqlite_store.write(lost.guard)


def test_a_lease_moves_past_a_guard_that_stands(postgres_database: Database) -> None:
    """Others do not wait for an owner that hangs inside a transaction; they take the rest."""
    with upgraded(postgres_database), closing(Nodes(postgres_database)) as nodes:
        hanging, other = nodes.add(), nodes.add()
        nodes.beats(6)
        lease = hanging.held(min(nodes.owned(hanging)))
        assert lease is not None

        def hang(tx) -> None:
            lease.guard(tx)
            nodes.beats(6, hanging)
            assert nodes.owned(other) == set(NAMES) - {lease.name}

        hanging._store.write(hang)
        nodes.beats(1, hanging)
        assert nodes.owned(other) == set(NAMES)


def write(worker: Leases, lease: Lease) -> None:
    """What an owner does: guarded by its lease it notes its name."""

    def work(tx) -> None:
        columns = ("user_id", "filter_id", "definition")
        tx.insert("filters", columns, [("", str(next(_numbers)), worker.worker)])
        lease.guard(tx)

    worker._store.write(work)


def notes(nodes: Nodes) -> list[str]:
    """Who wrote, in order."""
    found = nodes.workers[0]._store.read(
        lambda tx: tx.rows("SELECT filter_id, definition FROM filters")
    )
    return [worker for _, worker in sorted(found, key=lambda note: int(note[0]))]


def test_a_worker_knows_its_place_when_the_others_know_it(nodes: Nodes) -> None:
    first = nodes.add()
    nodes.beats(3)
    assert first.place == (0, 1)
    second = nodes.add()
    nodes.beat()
    assert second.place is None
    nodes.beats(2)
    assert {first.place, second.place} == {(0, 2), (1, 2)}
