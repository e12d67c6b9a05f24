"""Delayed events: when they are sent, that they are sent once, and what users may do with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from chat.protocol.errors import (
    ChatError,
    Conflict,
    EventTooLarge,
    Forbidden,
    InvalidParam,
    LimitExceeded,
    NotFound,
)
from chat.services import delayed_events
from chat.services.delayed_events import DelayTooLong, Wish
from chat.services.leases import Leases
from chat.services.rooms import history, membership, send, state
from chat.services.server import Server
from chat.storage import delayed_events as stored
from chat.storage.engine import Store
from chat.storage.leases import Lease, LeaseLost
from chat_testing.databases import statements
from chat_testing.people import Person, a_person, another_device
from chat_testing.servers import FakeClock, a_server

MESSAGE = "m.room.message"
NAME = "m.room.name"
JOB = "send delayed events"


@pytest.fixture
def alice(server: Server) -> Person:
    return a_person(server, "alice")


def later(
    person: Person,
    room_id: str,
    delay_s: float = 10,
    kind: str = MESSAGE,
    state_key: str | None = None,
    txn_id: str | None = None,
    **content: Any,
) -> str:
    """Schedule an event; its delay ID."""
    delay_ms = round(delay_s * 1000)
    wish = Wish(room_id, kind, state_key, content or {"body": "later"}, delay_ms, txn_id)
    return delayed_events.schedule(person.server, person.caller, wish)


def lease_of(server: Server) -> Lease:
    """The lease of the job, taken as a worker does."""
    leases = Leases(server.store, [])
    leases.take_part([JOB])
    for _ in range(6):
        leases.renew()
    held = leases.held(JOB)
    assert held is not None
    return held


def tick(server: Server) -> None:
    """What the job does every second."""
    delayed_events.send_due(server, lease_of(server))


def bodies(person: Person, room_id: str) -> list[str]:
    """The texts of the room's messages, oldest first."""
    page = history.messages(
        person.server,
        person.caller,
        room_id,
        backwards=False,
        start=None,
        stop=None,
        limit=100,
        event_filter=history.EVERYTHING,
    )
    events = [json.loads(event) for event in page.events]
    return [event["content"]["body"] for event in events if event["type"] == MESSAGE]


def outcome(person: Person, delay_id: str) -> stored.Delayed:
    return delayed_events.get(person.server, person.caller, delay_id)


# --- timers ---


def test_never_before_its_time_and_once_after_it(alice: Person, clock: FakeClock) -> None:
    room_id = alice.creates()
    delay_id = later(alice, room_id)
    clock.advance(seconds=9.999)
    tick(alice.server)
    assert bodies(alice, room_id) == []
    clock.advance(seconds=0.001)
    tick(alice.server)
    tick(alice.server)
    assert bodies(alice, room_id) == ["later"]
    found = outcome(alice, delay_id)
    assert found.event_id is not None
    assert (found.finalised_ts, found.error) == (clock.now_ms(), None)
    assert delayed_events.listed(alice.server, alice.caller) == []


def test_in_the_order_of_their_times(alice: Person, clock: FakeClock) -> None:
    """Also when they are sent late, after a time without a server."""
    room_id = alice.creates()
    for delay_s in (30, 10, 20):
        later(alice, room_id, delay_s, body=f"after {delay_s}")
    clock.advance(seconds=3_600)
    tick(alice.server)
    assert bodies(alice, room_id) == ["after 10", "after 20", "after 30"]


def test_a_new_process_knows_the_timers(
    alice: Person, store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    room_id = alice.creates()
    later(alice, room_id)
    clock.advance(seconds=11)
    another = a_server(store, clock, tmp_path)
    tick(another)
    another.notifier.close()
    assert bodies(alice, room_id) == ["later"]


def test_nothing_due_costs_one_statement(alice: Person) -> None:
    later(alice, alice.creates())
    lease = lease_of(alice.server)
    with statements(alice.server.store) as seen:
        delayed_events.send_due(alice.server, lease)
    assert len(seen) == 1


def test_who_lost_the_lease_sends_nothing(alice: Person, clock: FakeClock) -> None:
    room_id = alice.creates()
    later(alice, room_id)
    lease = lease_of(alice.server)
    clock.advance(seconds=11)
    alice.server.store.write(lambda tx: tx.run("UPDATE lease SET generation = generation + 1"))
    with pytest.raises(LeaseLost):
        delayed_events.send_due(alice.server, lease)
    assert bodies(alice, room_id) == []


# --- once ---


def test_a_worker_that_died_after_sending_sends_nothing_twice(
    alice: Person, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = alice.creates()
    delay_id = later(alice, room_id)
    topic_id = later(alice, room_id, 10, "m.room.topic", "", topic="later")
    clock.advance(seconds=11)
    with monkeypatch.context() as patch:
        patch.setattr(delayed_events, "_finalise", lambda *_: None)  # it dies before it notes it
        tick(alice.server)
    assert outcome(alice, delay_id).send_ts is not None
    tick(alice.server)
    assert bodies(alice, room_id) == ["later"]
    assert outcome(alice, delay_id).event_id is not None
    assert outcome(alice, topic_id).event_id is not None


def test_what_is_being_sent_is_neither_cancelled_nor_restarted(
    alice: Person, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is told that it was cancelled will not see it sent."""
    room_id = alice.creates()
    delay_id = later(alice, room_id)
    clock.advance(seconds=11)
    answers: list[str] = []

    def send_in_the_middle(*args: Any) -> Any:
        for action in ("cancel", "restart"):
            with pytest.raises(Conflict):
                delayed_events.act(alice.server, alice.caller, delay_id, action)
            answers.append(action)
        return original(*args)

    original = send.send_event
    monkeypatch.setattr(send, "send_event", send_in_the_middle)
    tick(alice.server)
    assert answers == ["cancel", "restart"]
    assert bodies(alice, room_id) == ["later"]


def test_sending_by_hand_while_the_timer_sends(
    alice: Person, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = alice.creates()
    delay_id = later(alice, room_id)
    clock.advance(seconds=11)
    original = send.send_event

    def send_after_the_other(*args: Any) -> Any:
        monkeypatch.setattr(send, "send_event", original)
        delayed_events.act(alice.server, alice.caller, delay_id, "send")
        return original(*args)

    monkeypatch.setattr(send, "send_event", send_after_the_other)
    tick(alice.server)
    assert bodies(alice, room_id) == ["later"]


def test_a_repeated_request_schedules_once(alice: Person) -> None:
    room_id = alice.creates()
    first = later(alice, room_id, txn_id="t1")
    assert later(alice, room_id, txn_id="t1") == first
    phone = another_device(alice, "PHONE")
    assert later(phone, room_id, txn_id="t1") != first
    assert len(delayed_events.listed(alice.server, alice.caller)) == 2


# --- actions ---


def test_cancelled(alice: Person, clock: FakeClock) -> None:
    room_id = alice.creates()
    delay_id = later(alice, room_id)
    delayed_events.act(alice.server, alice.caller, delay_id, "cancel")
    delayed_events.act(alice.server, alice.caller, delay_id, "cancel")
    for action in ("send", "restart"):
        with pytest.raises(Conflict):
            delayed_events.act(alice.server, alice.caller, delay_id, action)
    clock.advance(seconds=60)
    tick(alice.server)
    assert bodies(alice, room_id) == []
    assert outcome(alice, delay_id).finalised_ts is not None


def test_restarted(alice: Person, clock: FakeClock) -> None:
    room_id = alice.creates()
    delay_id = later(alice, room_id)
    for _ in range(3):
        clock.advance(seconds=9)
        delayed_events.act(alice.server, alice.caller, delay_id, "restart")
        tick(alice.server)
    assert bodies(alice, room_id) == []
    assert outcome(alice, delay_id).since_ts == clock.now_ms()
    clock.advance(seconds=10)
    tick(alice.server)
    assert bodies(alice, room_id) == ["later"]


def test_sent_ahead_of_its_time(alice: Person, clock: FakeClock) -> None:
    room_id = alice.creates()
    delay_id = later(alice, room_id)
    for _ in range(2):
        delayed_events.act(alice.server, alice.caller, delay_id, "send")
    for action in ("cancel", "restart"):
        with pytest.raises(Conflict):
            delayed_events.act(alice.server, alice.caller, delay_id, action)
    clock.advance(seconds=60)
    tick(alice.server)
    assert bodies(alice, room_id) == ["later"]


@pytest.mark.parametrize("action", ["cancel", "restart", "send"])
def test_nobody_acts_on_the_event_of_another(alice: Person, action: str) -> None:
    room_id = alice.creates()
    delay_id = later(alice, room_id)
    bob = a_person(alice.server, "bob")
    bob.joins(room_id)
    for wrong in (delay_id, "dly_nothing", "\0"):
        with pytest.raises(NotFound):
            delayed_events.act(alice.server, bob.caller, wrong, action)
    assert delayed_events.listed(alice.server, bob.caller) == []
    assert len(delayed_events.listed(alice.server, alice.caller)) == 1
    assert bodies(alice, room_id) == []


# --- what may be sent is decided when it is sent ---


def test_whoever_left_meanwhile_sends_nothing(alice: Person, clock: FakeClock) -> None:
    room_id = alice.creates()
    bob = a_person(alice.server, "bob")
    bob.joins(room_id)
    delay_id = later(bob, room_id)
    bob.leaves(room_id)
    clock.advance(seconds=11)
    tick(alice.server)
    found = outcome(bob, delay_id)
    assert found.event_id is None
    assert json.loads(found.error or "")["errcode"] == "M_FORBIDDEN"
    assert bodies(alice, room_id) == []


def test_what_cannot_be_sent_by_hand_waits_on(alice: Person, clock: FakeClock) -> None:
    room_id = alice.creates("private_chat")
    bob = a_person(alice.server, "bob")
    delay_id = later(bob, room_id)
    with pytest.raises(Forbidden):
        delayed_events.act(bob.server, bob.caller, delay_id, "send")
    alice.invites(room_id, bob)
    bob.joins(room_id)
    clock.advance(seconds=11)
    tick(alice.server)
    assert bodies(alice, room_id) == ["later"]


def test_state_is_set_with_the_checks_of_state(alice: Person, clock: FakeClock) -> None:
    room_id = alice.creates()
    later(alice, room_id, 10, NAME, "", name="Night shift")
    bad = later(alice, room_id, 10, "m.room.canonical_alias", "", alias="#not-mine:a.example")
    clock.advance(seconds=11)
    tick(alice.server)
    shown = state.entry(alice.server, alice.caller, room_id, NAME, "", whole=False)
    assert json.loads(shown) == {"name": "Night shift"}
    assert outcome(alice, bad).error is not None


def test_a_guest_that_left_by_a_delayed_membership(alice: Person, clock: FakeClock) -> None:
    """Calls let their members leave like this, and so can rooms."""
    room_id = alice.creates()
    bob = a_person(alice.server, "bob")
    bob.joins(room_id)
    later(bob, room_id, 10, membership.MEMBER, bob.id, membership="leave")
    clock.advance(seconds=11)
    tick(alice.server)
    assert bob.id not in state.joined_members(alice.server, alice.caller, room_id)


# --- limits ---


def test_the_longest_delay(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    server = a_server(store, clock, tmp_path, max_event_delay_duration="1m")
    alice = a_person(server, "alice")
    room_id = alice.creates()
    later(alice, room_id, 60)
    with pytest.raises(DelayTooLong):
        later(alice, room_id, 60.001)
    server.notifier.close()


@pytest.mark.parametrize("longest", [None, 0])
def test_none_at_all(store: Store, clock: FakeClock, tmp_path: Path, longest: int | None) -> None:
    server = a_server(store, clock, tmp_path, max_event_delay_duration=longest)
    alice = a_person(server, "alice")
    with pytest.raises(DelayTooLong):
        later(alice, alice.creates(), 0.001)
    server.notifier.close()


def test_only_so_many_wait(
    alice: Person, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delayed_events, "MAX_SCHEDULED", 2)
    room_id = alice.creates()
    ids = [later(alice, room_id, delay_s) for delay_s in (20, 10)]
    clock.advance(seconds=4)
    with pytest.raises(LimitExceeded) as refused:
        later(alice, room_id)
    assert refused.value.retry_after_ms == 6_000
    delayed_events.act(alice.server, alice.caller, ids[0], "cancel")
    later(alice, room_id)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"kind": "m.\0"}, InvalidParam),
        ({"state_key": "\0"}, InvalidParam),
        ({"txn_id": "\0"}, InvalidParam),
        ({"body": "x" * 65_536}, EventTooLarge),
    ],
)
def test_what_could_never_be_sent(
    alice: Person, changes: dict[str, Any], refusal: type[ChatError]
) -> None:
    with pytest.raises(refusal):
        later(alice, alice.creates(), **changes)


@pytest.mark.parametrize("room_id", ["!unknown:a.example", "nothing"])
def test_unknown_rooms(alice: Person, room_id: str) -> None:
    with pytest.raises((NotFound, InvalidParam)):
        later(alice, room_id)


def test_what_is_final_is_forgotten(
    alice: Person, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = alice.creates()
    old, newer, newest = (later(alice, room_id, delay_s) for delay_s in (1, 80_000, 80_000))
    clock.advance(seconds=2)
    tick(alice.server)
    clock.advance(seconds=7 * 86_400 + 1)
    tick(alice.server)
    lease = lease_of(alice.server)
    delayed_events.forget(alice.server, lease)
    assert [_known(alice, one) for one in (old, newer, newest)] == [False, True, True]
    monkeypatch.setattr(delayed_events, "KEPT", 1)
    delayed_events.forget(alice.server, lease)
    assert [_known(alice, newer), _known(alice, newest)].count(True) == 1


def _known(person: Person, delay_id: str) -> bool:
    try:
        outcome(person, delay_id)
    except NotFound:
        return False
    return True


def test_the_sender_is_told_the_delay_id(alice: Person, clock: FakeClock) -> None:
    room_id = alice.creates()
    bob = a_person(alice.server, "bob")
    bob.joins(room_id)
    delay_id = later(alice, room_id)
    alice.syncs()
    bob.syncs()
    clock.advance(seconds=11)
    tick(alice.server)
    named = {"org.matrix.msc4140.delay_id": delay_id}
    for person, told in ((alice, named), (another_device(alice, "PHONE"), named), (bob, {})):
        answer = person.syncs()
        unsigned = answer["join"][room_id]["timeline"]["events"][-1]["unsigned"]
        assert {key: unsigned[key] for key in unsigned if "msc4140" in key} == told
    event_id = outcome(alice, delay_id).event_id or ""
    event = json.loads(history.event(alice.server, alice.caller, room_id, event_id))
    assert event["unsigned"]["org.matrix.msc4140.delay_id"] == delay_id
    event = json.loads(history.event(bob.server, bob.caller, room_id, event_id))
    assert "org.matrix.msc4140.delay_id" not in event["unsigned"]
