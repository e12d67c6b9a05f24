"""Profiles: who sees them, and their way into the member events of rooms."""

from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from chat.protocol.errors import Forbidden, MissingToken, NotFound
from chat.services.accounts import profile, profile_carry
from chat.services.rooms import state
from chat.services.server import Server
from chat.storage import profile_carry as carries
from chat.storage import users
from chat.storage.engine import Store
from chat_testing.databases import statements
from chat_testing.people import Person, a_person
from chat_testing.servers import FakeClock, a_server


def renames(person: Person, name: str) -> None:
    profile.set_field(person.server, person.caller, person.id, "displayname", {"displayname": name})


def shown_in(person: Person, room_id: str) -> str | None:
    return state.joined_members(person.server, person.caller, room_id)[person.id].displayname


@pytest.fixture
def alice(server: Server) -> Person:
    return a_person(server, "alice")


def test_a_new_name_is_in_the_first_rooms_at_once(alice: Person) -> None:
    room_ids = [alice.creates() for _ in range(3)]
    left = alice.creates()
    alice.leaves(left)
    renames(alice, "Alicia")
    assert [shown_in(alice, room_id) for room_id in room_ids] == ["Alicia"] * 3


def test_no_statement_walks_all_rooms_for_the_answer(alice: Person) -> None:
    for _ in range(3):
        alice.creates()
    with statements(alice.server.store) as few:
        renames(alice, "Alicia")
    for _ in range(profile_carry.AT_ONCE - 3):
        alice.creates()
    with statements(alice.server.store) as many:
        renames(alice, "Ali")
    assert len(many) <= len(few) + 2


def test_the_other_rooms_follow_in_the_background(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_carry, "AT_ONCE", 2)
    monkeypatch.setattr(profile_carry, "BATCH", 3)
    room_ids = [alice.creates() for _ in range(9)]
    renames(alice, "Alicia")
    names = [shown_in(alice, room_id) for room_id in room_ids]
    assert names == ["Alicia"] * 2 + [None] * 7
    gevent.wait(timeout=10)
    assert [shown_in(alice, room_id) for room_id in room_ids] == ["Alicia"] * 9
    assert alice.server.store.read(lambda tx: carries.left_behind(tx, 2**62, 9)) == []


def test_what_a_dead_worker_left_is_carried_on(
    alice: Person, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_carry, "AT_ONCE", 2)
    monkeypatch.setattr(gevent, "spawn", lambda *_: None)  # it dies after the answer
    room_ids = [alice.creates() for _ in range(5)]
    renames(alice, "Alicia")
    profile_carry.resume(alice.server)
    assert shown_in(alice, room_ids[-1]) is None, "its hold has not ended yet"
    clock.advance(seconds=61)
    profile_carry.resume(alice.server)
    assert [shown_in(alice, room_id) for room_id in room_ids] == ["Alicia"] * 5


def test_the_newest_name_wins(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that comes while an older one is on its way begins the rooms anew."""
    monkeypatch.setattr(profile_carry, "AT_ONCE", 2)
    monkeypatch.setattr(profile_carry, "BATCH", 2)
    spawned: list[Callable[[], object]] = []
    monkeypatch.setattr(gevent, "spawn", lambda work, *args: spawned.append(lambda: work(*args)))
    room_ids = [alice.creates() for _ in range(5)]
    renames(alice, "Alicia")
    renames(alice, "Ali")  # somebody has hold of the row: this request carries nothing itself
    assert shown_in(alice, room_ids[0]) == "Alicia"
    for work in spawned:
        work()
    assert [shown_in(alice, room_id) for room_id in room_ids] == ["Ali"] * 5


def test_a_room_that_refuses_does_not_stop_the_others(alice: Person) -> None:
    closed, open_room = alice.creates(), alice.creates()
    bob = a_person(alice.server, "bob")
    bob.joins(closed)
    bob.joins(open_room)
    alice.sets(closed, "m.room.power_levels", events={"m.room.member": 101})
    renames(bob, "Bobby")
    assert shown_in(bob, open_room) == "Bobby"


def test_a_removed_name_leaves_the_rooms(alice: Person) -> None:
    room_id = alice.creates()
    renames(alice, "Alicia")
    profile.delete_field(alice.server, alice.caller, alice.id, "displayname")
    assert shown_in(alice, room_id) is None


def test_profiles_for_users_only(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    server = a_server(store, clock, tmp_path, require_auth_for_profile_requests=True)
    alice, bob = a_person(server, "alice"), a_person(server, "bob")
    with pytest.raises(MissingToken):
        profile.get(server, None, alice.id)
    assert profile.get(server, bob.caller, alice.id) == {}
    server.notifier.close()


def test_profiles_for_those_who_share_a_room(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    server = a_server(store, clock, tmp_path, limit_profile_requests_to_users_who_share_rooms=True)
    alice, bob, carol = (a_person(server, name) for name in ("alice", "bob", "carol"))
    room_id = alice.creates("private_chat")
    with pytest.raises(Forbidden):
        profile.get(server, bob.caller, alice.id)
    alice.invites(room_id, bob)
    bob.joins(room_id)
    assert profile.get(server, bob.caller, alice.id) == {}
    assert profile.get(server, carol.caller, carol.id) == {}
    with pytest.raises(Forbidden):
        profile.get(server, carol.caller, alice.id)
    carol.creates("public_chat")
    assert profile.get(server, alice.caller, carol.id) == {}
    server.notifier.close()


def test_a_deactivated_user_has_no_profile(alice: Person) -> None:
    alice.server.store.write(lambda tx: users.deactivate(tx, alice.id))
    with pytest.raises(NotFound):
        profile.get(alice.server, None, alice.id)
