"""The notifier: exact wake-ups, none lost, none in vain."""

import threading
import time
from collections.abc import Iterator

import pytest

from chat.config.model import Database
from chat.services.notifier import Notifier
from chat.storage import streams
from chat.storage.engine import Store, open_store
from chat.storage.streams import Change, Kind

ALICE, BOB = "@alice:a", "@bob:b"


@pytest.fixture
def notifier(store: Store) -> Iterator[Notifier]:
    started = Notifier(store)
    started.start()
    yield started
    started.close()


def log(store: Store, kind: Kind, room: int | None, user_id: str | None) -> int:
    (pos,) = store.write(lambda tx: streams.append(tx, [Change(kind, room, user_id, None)]))
    return int(pos)


def waiting(notifier: Notifier, user_id: str, rooms: list[int]) -> tuple[threading.Thread, list]:
    """A thread that waits from now on, and its outcome when it has one."""
    outcome: list[bool] = []
    before = len(notifier._waiting)
    thread = threading.Thread(
        target=lambda: outcome.append(notifier.wait(user_id, rooms, notifier.position, 5))
    )
    thread.start()
    while len(notifier._waiting) == before:
        time.sleep(0.001)
    return thread, outcome


def test_a_change_in_a_room_wakes_those_in_it_only(store: Store, notifier: Notifier) -> None:
    there, woken = waiting(notifier, ALICE, [1, 2])
    elsewhere, not_woken = waiting(notifier, BOB, [3])
    log(store, Kind.EVENT, 2, None)
    there.join(2)
    assert woken == [True]
    assert elsewhere.is_alive()
    assert not_woken == []
    notifier.close()
    elsewhere.join(2)
    assert not_woken == [False]
    assert not notifier._waiters


def test_personal_changes_concern_their_user_only(store: Store, notifier: Notifier) -> None:
    start = notifier.position
    log(store, Kind.ACCOUNT_DATA, 1, ALICE)
    assert notifier.changed_since(ALICE, [], start)
    assert not notifier.changed_since(BOB, [1], start)


def test_nothing_new_is_answered_without_a_statement(store: Store, notifier: Notifier) -> None:
    position = log(store, Kind.EVENT, 1, None)
    store.observer = lambda sql: pytest.fail(sql) if "change_log" not in sql else None
    assert not notifier.changed_since(ALICE, [1, 2], position)
    assert notifier.changed_since(ALICE, [1, 2], position - 1)
    store.observer = None


def test_a_change_before_waiting_is_not_missed(store: Store, notifier: Notifier) -> None:
    start = notifier.position
    log(store, Kind.EVENT, 1, None)
    assert notifier.wait(ALICE, [1], start, 5) is True


def test_time_runs_out(notifier: Notifier) -> None:
    assert notifier.wait(ALICE, [1], notifier.position, 0.01) is False
    assert not notifier._waiting


def test_positions_from_before_the_start_may_have_changes(store: Store) -> None:
    log(store, Kind.EVENT, 1, None)
    late = Notifier(store)
    late.start()
    assert late.changed_since(ALICE, [], 0)
    assert not late.changed_since(ALICE, [], late.position)
    late.close()


def test_memory_is_bounded_and_forgetting_never_hides(
    store: Store, notifier: Notifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.services.notifier.REMEMBERED", 8)
    first = log(store, Kind.EVENT, 1, None)
    for room in range(2, 30):
        log(store, Kind.EVENT, room, None)
    assert len(notifier._last) <= 8
    assert notifier.changed_since(ALICE, [1], first - 1)
    assert not notifier.changed_since(ALICE, [1], notifier.position)


def test_another_process_wakes_us(postgres_database: Database, postgres_store: Store) -> None:
    """Two stores on one database stand for two processes."""
    here, there = Notifier(postgres_store), open_store(postgres_database)
    sender = Notifier(there)
    here.start()
    sender.start()
    thread, outcome = waiting(here, ALICE, [5])
    began = time.monotonic()
    log(there, Kind.EVENT, 5, None)
    thread.join(5)
    assert outcome == [True]
    assert time.monotonic() - began < 0.9  # by the announcement, not by the poll
    assert here.position == sender.position == 1
    here.close()
    sender.close()
    there.close()


def test_without_announcements_the_poll_finds_it(
    postgres_database: Database, postgres_store: Store
) -> None:
    here, there = Notifier(postgres_store), open_store(postgres_database)
    here.start()
    thread, outcome = waiting(here, ALICE, [5])
    log(there, Kind.EVENT, 5, None)  # its process has no notifier: nothing is announced
    thread.join(5)
    assert outcome == [True]
    here.close()
    there.close()


def test_refreshing_knows_at_once_what_another_process_committed(
    postgres_database: Database, postgres_store: Store
) -> None:
    here, there = Notifier(postgres_store), open_store(postgres_database)
    here.position = postgres_store.read(streams.head)
    pos = log(there, Kind.EVENT, 7, None)
    assert not here.changed_since(ALICE, [7], pos - 1)
    here.refresh()
    assert here.changed_since(ALICE, [7], pos - 1)
    assert here.position == pos
    there.close()


def test_a_look_that_began_after_the_request_came_is_enough(
    postgres_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    notifier, looks = Notifier(postgres_store), []
    catch_up = notifier.catch_up
    monkeypatch.setattr(notifier, "catch_up", lambda: (looks.append(1), catch_up()))
    came_s = time.perf_counter()
    notifier.refresh(came_s)
    notifier.refresh(came_s)
    assert len(looks) == 1
    notifier.refresh(time.perf_counter())
    notifier.refresh()
    assert len(looks) == 3


def test_changes_of_a_kind_are_told_before_a_look_ends(
    postgres_database: Database, postgres_store: Store
) -> None:
    here, there = Notifier(postgres_store), open_store(postgres_database)
    heard: list[str | None] = []
    here.listen(Kind.SESSIONS, lambda change: heard.append(change and change.user_id))
    log(there, Kind.SESSIONS, None, ALICE)
    log(there, Kind.EVENT, 7, None)
    here.refresh()
    assert heard == [ALICE]
    assert not here.changed_since(ALICE, [], 0)  # no sync hears of it
    there.close()
