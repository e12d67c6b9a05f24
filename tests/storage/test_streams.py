"""The change log: one order, seen without gaps."""

import threading

import pytest

from chat.storage import streams
from chat.storage.engine import Store, Transaction
from chat.storage.streams import Change, Kind


def change(n: int) -> Change:
    return Change(Kind.EVENT, n, None, n)


def logged_at(store: Store, changes: list[Change]) -> list[int]:
    return [int(pos) for pos in store.write(lambda tx: streams.append(tx, changes))]


def test_positions_ascend_and_are_read_back(store: Store) -> None:
    assert store.read(streams.head) == 0
    assert logged_at(store, [change(7), change(8)]) == [1, 2]
    personal = Change(Kind.ACCOUNT_DATA, None, "@a:b", None)
    assert logged_at(store, [personal]) == [3]
    assert logged_at(store, []) == []
    assert store.read(streams.head) == 3
    logged = store.read(lambda tx: streams.since(tx, 1, 10))
    assert [tuple(one) for one in logged] == [
        (2, Kind.EVENT, 8, None, 8),
        (3, Kind.ACCOUNT_DATA, None, "@a:b", None),
    ]
    assert len(store.read(lambda tx: streams.since(tx, 0, 2))) == 2


def test_an_undone_transaction_leaves_no_gap(store: Store) -> None:
    def undone(tx):
        streams.append(tx, [change(1)])
        raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        store.write(undone)
    assert logged_at(store, [change(2)]) == [1]


def test_subscribers_hear_after_the_commit_in_order(store: Store) -> None:
    heard: list[int] = []
    store.publish = lambda logged: heard.extend(one.pos for one in logged)
    for n in range(3):
        store.write(lambda tx, n=n: streams.append(tx, [change(n), change(n)]))
    assert heard == [1, 2, 3, 4, 5, 6]


def test_a_reader_who_follows_misses_nothing(store: Store) -> None:
    """Writers race; a follower that only asks for what comes after its position sees all."""
    writers, each = 4, 25
    seen: list[int] = []

    def write() -> None:
        for n in range(each):
            store.write(lambda tx, n=n: streams.append(tx, [change(n)]))

    def next_page(tx: Transaction) -> list[int]:
        return [one.pos for one in streams.since(tx, seen[-1] if seen else 0, 10)]

    def follow() -> None:
        while len(seen) < writers * each:
            seen.extend(store.read(next_page))

    threads = [threading.Thread(target=write) for _ in range(writers)]
    threads.append(threading.Thread(target=follow))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == list(range(1, writers * each + 1))
