"""Presence: who sees it, when others are told, and what it costs."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chat.jobs.schedule import leased_jobs_of
from chat.protocol.errors import Forbidden, NotFound
from chat.protocol.presence import IDLE_MS, Sign, State
from chat.services import presence
from chat.services.leases import Leases
from chat.services.server import Server
from chat.storage import presence as stored
from chat.storage.engine import Store
from chat.storage.leases import Lease, LeaseLost
from chat_testing.databases import statements
from chat_testing.people import Person, a_person, another_device
from chat_testing.servers import FakeClock, a_server

JOB = "tell presence"
GONE_S = 60  # after a sync that did not wait


@pytest.fixture
def alice(server: Server) -> Person:
    return a_person(server, "alice")


@pytest.fixture
def bob(server: Server) -> Person:
    return a_person(server, "bob")


@pytest.fixture
def room(alice: Person, bob: Person) -> str:
    """A room that Alice and Bob share."""
    room_id = alice.creates()
    bob.joins(room_id)
    return room_id


@pytest.fixture
def other(store: Store, clock: FakeClock, tmp_path: Path) -> Iterator[Server]:
    """A second worker over the same database."""
    made = a_server(store, clock, tmp_path)
    yield made
    made.notifier.close()


def lease_of(server: Server) -> Lease:
    """The lease of the job, taken as a worker does."""
    leases = Leases(server.store, [])
    leases.take_part([JOB])
    for _ in range(6):
        leases.renew()
    held = leases.held(JOB)
    assert held is not None
    return held


def tell(server: Server) -> None:
    """Let the job run."""
    presence.step(server, lease_of(server))


def eventually(is_so: Callable[[], bool]) -> None:
    """Wait for what is written in the background."""
    until = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def comes_online(person: Person, timeout_ms: int = 0) -> None:
    """Sync, and wait until that counts."""
    presence.syncing(person.server, person.caller, "online", timeout_ms)
    eventually(lambda: state_of(person) is State.ONLINE)


def state_of(person: Person) -> State:
    """A user's state as they see it."""
    return presence.get(person.server, person.caller, person.id).state


def people(person: Person, **how: Any) -> dict[str, dict[str, Any]]:
    """Of whom a sync tells, with the contents."""
    answer = person.syncs(presence=True, **how)
    return {event["sender"]: event["content"] for event in answer["presence"]}


def is_quiet(person: Person) -> bool:
    """Whether a sync asks the database nothing and tells nothing."""
    with statements(person.server.store) as seen:
        return not people(person) and not seen


# --- asking ---


def test_what_one_puts_is_seen_at_once_by_those_who_share_a_room(
    alice: Person, bob: Person, room: str
) -> None:
    presence.put(alice.server, alice.caller, alice.id, "unavailable", "At lunch")
    for reader in (alice, bob):
        found = presence.get(alice.server, reader.caller, alice.id)
        assert (found.state, found.status_msg) == (State.UNAVAILABLE, "At lunch")


def test_strangers_and_former_members_are_refused(alice: Person, bob: Person, room: str) -> None:
    server, carol = alice.server, a_person(alice.server, "carol")
    bob.leaves(room)
    for reader in (bob, carol):
        with pytest.raises(Forbidden):
            presence.get(server, reader.caller, alice.id)
        presence.put(server, reader.caller, reader.id, "online", None)
    tell(server)
    for reader in (bob, carol):
        assert set(people(reader)) == {reader.id}
    assert set(people(alice)) == set()


def test_unknown_users_and_the_presence_of_others_are_refused(alice: Person, bob: Person) -> None:
    with pytest.raises(NotFound):
        presence.get(alice.server, alice.caller, "@nobody:a.example")
    with pytest.raises(Forbidden):
        presence.put(alice.server, alice.caller, bob.id, "online", None)


def test_who_was_never_there_is_offline(alice: Person, bob: Person, room: str) -> None:
    found = presence.get(alice.server, alice.caller, bob.id)
    assert found == presence.Presence(State.OFFLINE, None, None)


# --- what syncs, acts and time do ---


def test_a_device_that_syncs_is_online_and_after_a_while_no_longer(
    alice: Person, clock: FakeClock
) -> None:
    comes_online(alice, timeout_ms=30_000)
    clock.advance(seconds=59)
    assert state_of(alice) is State.ONLINE
    clock.advance(seconds=27)
    assert state_of(alice) is State.OFFLINE


def test_a_sync_that_says_offline_does_not_count(alice: Person) -> None:
    with statements(alice.server.store) as seen:
        presence.syncing(alice.server, alice.caller, "offline", 0)
        time.sleep(0.2)
    assert seen == []


def test_a_device_costs_one_write_however_often_it_syncs(alice: Person, clock: FakeClock) -> None:
    comes_online(alice)
    with statements(alice.server.store) as seen:
        for _ in range(24):
            clock.advance(seconds=1)
            presence.syncing(alice.server, alice.caller, "online", 0)
        time.sleep(0.2)
        assert seen == []
        clock.advance(seconds=2)
        presence.syncing(alice.server, alice.caller, "online", 0)
        eventually(lambda: len(seen) == 6)


def test_an_act_ends_being_away(alice: Person, clock: FakeClock) -> None:
    comes_online(alice, timeout_ms=120_000)
    clock.advance(seconds=120)
    comes_online(alice, timeout_ms=120_000)
    clock.advance(seconds=120)
    comes_online(alice, timeout_ms=120_000)
    clock.advance(seconds=IDLE_MS / 1000 - 240)
    assert state_of(alice) is State.UNAVAILABLE
    presence.active(alice.server, alice.caller)
    eventually(lambda: state_of(alice) is State.ONLINE)


def test_devices_at_several_workers_are_one_user(
    alice: Person, other: Server, clock: FakeClock
) -> None:
    phone = another_device(alice, "PHONE")
    presence.syncing(other, phone.caller, "unavailable", 120_000)
    eventually(lambda: state_of(alice) is State.UNAVAILABLE)
    comes_online(alice)
    assert presence.get(other, phone.caller, alice.id).state is State.ONLINE
    clock.advance(seconds=GONE_S)
    assert presence.get(other, phone.caller, alice.id).state is State.UNAVAILABLE


# --- telling others ---


def test_others_are_told_in_one_step_of_the_log(alice: Person, bob: Person, room: str) -> None:
    server, carol = alice.server, a_person(alice.server, "carol")
    carol.joins(room)
    carol.syncs(presence=True)
    comes_online(alice)
    presence.put(server, bob.caller, bob.id, "unavailable", "At lunch")
    before = server.notifier.position
    assert people(carol) == {}
    tell(server)
    server.notifier.catch_up()
    assert server.notifier.position == before + 1
    assert people(carol) == {
        alice.id: {"presence": "online", "currently_active": True, "last_active_ago": 0},
        bob.id: {"presence": "unavailable", "currently_active": False, "status_msg": "At lunch"},
    }
    assert is_quiet(carol)


def test_others_are_told_at_most_every_thirty_seconds(
    alice: Person, bob: Person, room: str, clock: FakeClock
) -> None:
    bob.syncs(presence=True)
    comes_online(alice)
    tell(alice.server)
    assert set(people(bob)) == {alice.id}
    presence.put(alice.server, alice.caller, alice.id, "online", "Reading")
    for _ in range(2):
        clock.advance(seconds=14)
        tell(alice.server)
        assert people(bob) == {}
    clock.advance(seconds=2)
    tell(alice.server)
    assert people(bob)[alice.id]["status_msg"] == "Reading"


def test_time_alone_is_told_as_well(
    alice: Person, bob: Person, room: str, clock: FakeClock
) -> None:
    comes_online(alice)
    tell(alice.server)
    bob.syncs(presence=True)
    clock.advance(seconds=GONE_S)
    tell(alice.server)
    told = {"presence": "offline", "currently_active": False, "last_active_ago": GONE_S * 1000}
    assert people(bob) == {alice.id: told}


def test_a_first_sync_tells_who_is_there(alice: Person, bob: Person, room: str) -> None:
    server, carol = alice.server, a_person(alice.server, "carol")
    dave = a_person(server, "dave")
    carol.joins(room)
    for person in (alice, dave):
        comes_online(person)
    presence.put(server, bob.caller, bob.id, "offline", "Gone fishing")
    assert set(people(carol)) == {alice.id}
    assert set(people(dave)) == {dave.id}


def test_offline_users_are_named_in_a_first_sync_where_that_is_wished(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    wish = {"enabled": True, "include_offline_users_on_sync": True}
    server = a_server(store, clock, tmp_path, presence=wish)
    alice, bob = a_person(server, "alice"), a_person(server, "bob")
    bob.joins(alice.creates())
    presence.put(server, bob.caller, bob.id, "offline", None)
    assert people(alice) == {bob.id: {"presence": "offline", "currently_active": False}}
    server.notifier.close()


def test_who_comes_into_a_room_is_told_who_is_there(alice: Person, bob: Person) -> None:
    room = alice.creates()
    comes_online(alice)
    tell(alice.server)
    assert people(bob) == {}
    bob.joins(room)
    assert set(people(bob)) == {alice.id}


def test_a_filter_chooses_who_is_told(alice: Person, bob: Person, room: str) -> None:
    comes_online(alice)
    comes_online(bob)
    for wanted, expected in (
        ({"types": []}, set()),
        ({"types": ["m.*"]}, {alice.id, bob.id}),
        ({"senders": [alice.id]}, {alice.id}),
        ({"not_senders": [alice.id]}, {bob.id}),
    ):
        asked = alice.asks({"presence": wanted}, presence=True)
        assert {event["sender"] for event in asked["presence"]} == expected, wanted
    assert len(alice.asks({"presence": {"limit": 1}}, presence=True)["presence"]) == 1


def test_an_old_token_is_told_the_same(
    alice: Person, bob: Person, room: str, other: Server, clock: FakeClock
) -> None:
    bob.syncs(presence=True)
    token = bob.token
    comes_online(alice)
    tell(alice.server)
    made = a_server(alice.server.store, clock, Path("/nonexistent"))  # started after all of that
    late = Person(made, bob.caller, token)
    assert set(people(late)) == {alice.id}
    made.notifier.close()


def test_a_sync_of_strangers_goes_on_waiting_without_a_statement(
    alice: Person, bob: Person, room: str
) -> None:
    carol = a_person(alice.server, "carol")
    for person in (bob, carol, carol):
        person.syncs(presence=True)
    comes_online(alice)
    tell(alice.server)
    assert set(people(bob)) == {alice.id}
    assert is_quiet(carol)


# --- what it costs ---


def test_without_presence_nothing_is_asked_or_written(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    server = a_server(store, clock, tmp_path, presence={"enabled": False})
    alice = a_person(server, "alice")
    with statements(store) as seen:
        presence.syncing(server, alice.caller, "online", 30_000)
        presence.active(server, alice.caller)
        presence.put(server, alice.caller, alice.id, "online", "Here")
        with pytest.raises(NotFound):
            presence.get(server, alice.caller, alice.id)
        time.sleep(0.2)
    assert seen == []
    assert JOB not in [job.name for job in leased_jobs_of(server)]
    server.notifier.close()


def test_the_job_asks_little_and_writes_nothing_where_nothing_happens(alice: Person) -> None:
    lease = lease_of(alice.server)
    with statements(alice.server.store) as seen:
        presence.step(alice.server, lease)
    assert len(seen) == 2


def test_a_batch_takes_the_same_statements_for_any_number_of_devices(
    alice: Person, server: Server
) -> None:
    signs = [
        Sign(f"@user{number}:a.example", "PHONE", 1000, 2000, State.ONLINE) for number in range(50)
    ]
    with statements(server.store) as seen:
        server.store.write(lambda tx: stored.take(tx, signs))
    assert len(seen) == 6


def test_a_worker_that_lost_the_lease_tells_nobody(alice: Person, bob: Person, room: str) -> None:
    comes_online(alice)
    lease = lease_of(alice.server)
    bob.syncs(presence=True)
    with pytest.raises(LeaseLost):
        presence.step(alice.server, replace(lease, generation=lease.generation - 1))
    assert people(bob) == {}
