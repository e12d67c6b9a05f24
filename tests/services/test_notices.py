"""Notices: many share a transaction and a step of the log's counter."""

import threading
import time
from collections.abc import Sequence

import pytest

from chat.services.notices import INTERVAL_S, Notices
from chat.storage import receipts, streams
from chat.storage.engine import Store, Transaction
from chat.storage.receipts import TypingNotice
from chat.storage.streams import STARTED, STOPPED
from chat_testing.databases import statements

ALICE = "@alice:a.example"


def typed(store: Store, *notices: TypingNotice) -> list[tuple[int | None, int | None]]:
    """(room, began or ended) of the news that these notices were."""
    before = store.read(streams.head)
    store.write(lambda tx: receipts.put_typing(tx, notices))
    logged = store.read(lambda tx: streams.since(tx, before, 100))
    return [(one.room, one.ref) for one in logged]


def test_many_notices_are_one_transaction(store: Store) -> None:
    notices: Notices[TypingNotice] = Notices(receipts.put_typing)
    notices.put(store, TypingNotice(1, ALICE, 0, 1000))  # the first goes at once

    def put(room: int) -> None:
        notices.put(store, TypingNotice(room, ALICE, 0, 1000))

    threads = [threading.Thread(target=put, args=(room,)) for room in range(2, 22)]
    with statements(store) as seen:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert len([sql for sql in seen if sql.startswith("UPDATE stream")]) == 1
    assert len(store.read(lambda tx: receipts.typing_in(tx, list(range(1, 22)), 500))) == 21


def test_batches_keep_their_distance(store: Store) -> None:
    written: list[int] = []
    notices: Notices[int] = Notices(lambda _tx, batch: written.extend(batch))
    started = time.monotonic()
    for n in range(4):
        notices.put(store, n)
    assert time.monotonic() - started >= 3 * INTERVAL_S
    assert written == [0, 1, 2, 3]


def test_who_waits_hears_why_a_batch_failed(store: Store) -> None:
    def refuse(_tx: Transaction, _notices: Sequence[int]) -> None:
        raise ValueError("refused")

    notices = Notices(refuse)
    with pytest.raises(ValueError, match="refused"):
        notices.put(store, 1)
    notices.note(store, 2).done.wait(5)


def test_only_a_beginning_and_an_end_are_news(store: Store) -> None:
    begin, end = TypingNotice(1, ALICE, 0, 100), TypingNotice(1, ALICE, 10, 0)
    assert typed(store, end) == []
    assert typed(store, begin) == [(1, STARTED)]
    assert typed(store, TypingNotice(1, ALICE, 50, 150)) == []  # renewed
    assert typed(store, TypingNotice(1, ALICE, 200, 300)) == [(1, STARTED)]  # was over
    assert typed(store, end, begin) == []  # the last counts
    assert typed(store, begin, end) == [(1, STOPPED)]
