"""The log is the recent part; tokens from before it and from the future are answered too."""

from dataclasses import replace

import pytest

from chat.services import log_trim
from chat.services.notifier import Notifier
from chat.services.server import Server
from chat.storage import streams
from chat.storage.engine import Store
from chat.storage.leases import Lease
from chat.storage.streams import Change, Kind
from chat_testing.people import Person, a_person
from chat_testing.servers import FakeClock

DAY_S = 86_400


@pytest.fixture
def alice(server: Server) -> Person:
    return a_person(server, "alice")


@pytest.fixture
def bob(server: Server) -> Person:
    return a_person(server, "bob")


class _Held(Lease):
    """A lease that is always ours."""

    def __init__(self) -> None:
        pass

    def guard(self, tx: object) -> None:
        pass


def trim(server: Server, **limits: int) -> None:
    config = replace(server.config, change_log=replace(server.config.change_log, **limits))
    log_trim.step(replace(server, config=config), _Held())


def logged(store: Store) -> list[int]:
    return [one.pos for one in store.read(lambda tx: streams.since(tx, 0, 10_000))]


def fill(store: Store, count: int) -> None:
    changes = [Change(Kind.RECEIPT, 1_000, None, n) for n in range(count)]
    store.write(lambda tx: streams.append(tx, changes))


def test_too_many_rows_go_the_oldest_first(server: Server) -> None:
    fill(server.store, 50)
    before = logged(server.store)
    trim(server, max_rows=20)
    assert logged(server.store) == before[-20:]


def test_more_than_one_piece_goes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_trim, "ROWS", 7)
    monkeypatch.setattr(log_trim, "PAUSE_S", 0)
    fill(server.store, 50)
    trim(server, max_rows=3)
    assert len(logged(server.store)) == 3


def test_what_is_too_old_goes_and_the_last_stays(server: Server, clock: FakeClock) -> None:
    fill(server.store, 5)
    trim(server)
    clock.advance(seconds=DAY_S + 1)
    fill(server.store, 2)
    trim(server)
    assert len(logged(server.store)) == 2
    clock.advance(seconds=DAY_S + 1)
    trim(server)
    assert len(logged(server.store)) == 1


def test_a_token_from_before_the_log_is_answered_from_the_tables(
    alice: Person, bob: Person
) -> None:
    room = alice.creates()
    bob.joins(room)
    bob.syncs()
    said = [alice.says(room, str(n)) for n in range(3)]
    trim(alice.server, max_rows=1)
    bob.server.notifier.tail.start(bob.server.notifier.position)  # as in a new process
    bob.server.sync.users.drop(bob.id)
    timeline = bob.syncs()["join"][room]["timeline"]["events"]
    assert [event["event_id"] for event in timeline] == said


def test_who_stood_still_while_the_log_was_trimmed_knows_that_it_missed_something(
    store: Store,
) -> None:
    here = Notifier(store)
    store.write(lambda tx: streams.append(tx, [Change(Kind.EVENT, 7, None, 1)]))
    here.position = 1
    here.tail.start(1)
    fill(store, 5)
    store.write(lambda tx: streams.trim(tx, 4, 100))
    here.catch_up()
    assert here.position == 6
    assert here.tail.floor == 4
    assert here.changed_since("@a:b", [7], 1)  # perhaps
    assert not here.changed_since("@a:b", [7], 4)


def test_a_token_from_the_future_gets_a_fresh_answer(alice: Person) -> None:
    room = alice.creates()
    alice.syncs()
    alice.token = f"s{alice.server.notifier.position + 1_000}"
    assert room in alice.syncs()["join"]
    assert alice.token == f"s{alice.server.notifier.position}"
