"""Which rooms are on the lists of sliding sync."""

from typing import Any

import pytest

from chat.protocol.errors import InvalidParam
from chat.services import account_data
from chat.services.rooms import membership
from chat_testing.people import Person
from chat_testing.sliding import Slider, a_list


def listed(person: Person, **filters: Any) -> set[str]:
    """The rooms on a list with filters."""
    answer = Slider(person, lists={"one": a_list(limit=0, state=[], **filters)}).slides()
    assert answer["lists"]["one"]["count"] == len(answer["rooms"])
    return set(answer["rooms"])


def test_direct_chats(alice: Person, bob: Person) -> None:
    direct, other = alice.creates(), alice.creates()
    account_data.put(alice.server, alice.id, None, "m.direct", {bob.id: [direct, 7], "x": "y"})
    assert listed(alice, is_dm=True) == {direct}
    assert listed(alice, is_dm=False) == {other}
    assert listed(alice) == {direct, other}


def test_encryption(alice: Person) -> None:
    secret = alice.creates(state={"m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"}})
    plain = alice.creates()
    assert listed(alice, is_encrypted=True) == {secret}
    assert listed(alice, is_encrypted=False) == {plain}
    alice.sets(plain, "m.room.encryption", algorithm="m.megolm.v1.aes-sha2")
    assert listed(alice, is_encrypted=True) == {secret, plain}


def test_invites(alice: Person, bob: Person) -> None:
    room, own = alice.creates("private_chat"), bob.creates()
    alice.invites(room, bob)
    assert listed(bob, is_invite=True) == {room}
    assert listed(bob, is_invite=False) == {own}


def test_types(alice: Person) -> None:
    space = alice.creates(creation_content={"type": "m.space"})
    plain = alice.creates()
    assert listed(alice, room_types=["m.space"]) == {space}
    assert listed(alice, room_types=[None]) == {plain}
    assert listed(alice, not_room_types=["m.space"]) == {plain}
    assert listed(alice, room_types=["m.space", None], not_room_types=[None]) == {space}
    assert listed(alice, room_types=[]) == set()


def test_spaces(alice: Person, bob: Person) -> None:
    space = alice.creates(creation_content={"type": "m.space"})
    child, former, other = alice.creates(), alice.creates(), alice.creates()
    alice.sets(space, "m.space.child", child, via=["a.example"])
    alice.sets(space, "m.space.child", former, via=["a.example"])
    alice.sets(space, "m.space.child", former)
    alice.sets(space, "m.space.child", "!elsewhere:b.example", via=["b.example"])
    assert listed(alice, spaces=[space, "!unknown:a.example"]) == {child}
    bob.joins(child)
    assert listed(bob, spaces=[space]) == set()  # not in the space
    assert other in listed(alice)


def test_tags(alice: Person) -> None:
    liked, low, both, none = (alice.creates() for _ in range(4))
    for room in (liked, both):
        account_data.set_tag(alice.server, alice.id, room, "m.favourite", {})
    for room in (low, both):
        account_data.set_tag(alice.server, alice.id, room, "m.lowpriority", {})
    assert listed(alice, tags=["m.favourite"]) == {liked, both}
    assert listed(alice, not_tags=["m.lowpriority"]) == {liked, none}
    assert listed(alice, tags=["m.favourite"], not_tags=["m.lowpriority"]) == {liked}


def test_names(alice: Person) -> None:
    garden, kitchen = alice.creates(name="The Garden"), alice.creates(name="Kitchen")
    assert listed(alice, room_name_like="gard") == {garden}
    assert listed(alice, room_name_like="E") == {garden, kitchen}
    assert listed(alice, room_name_like="%") == set()


def test_a_change_moves_a_room_from_list_to_list(alice: Person, bob: Person) -> None:
    room = alice.creates()
    slider = Slider(alice, lists={"direct": a_list(is_dm=True), "others": a_list(is_dm=False)})
    assert slider.slides()["lists"] == {"direct": {"count": 0}, "others": {"count": 1}}
    account_data.put(alice.server, alice.id, None, "m.direct", {bob.id: [room]})
    assert slider.slides()["lists"] == {"direct": {"count": 1}, "others": {"count": 0}}


def test_a_room_on_two_lists_has_what_either_wants(alice: Person) -> None:
    room = alice.creates(name="Garden")
    said = [alice.says(room, str(number)) for number in range(3)]
    lists = {
        "short": a_list(limit=1, state=[["m.room.create", ""]]),
        "long": a_list(limit=2, state=[["m.room.name", ""]]),
    }
    told = Slider(alice, lists=lists).sees(room)
    assert [one["event_id"] for one in told["timeline"]] == said[-2:]
    kinds = {one["type"] for one in told["required_state"]}
    assert kinds == {"m.room.create", "m.room.name"}


def test_forgotten_rooms_are_gone(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    alice.kicks(room, bob)
    assert listed(bob) == {room}
    membership.forget(bob.server, bob.caller, room)
    assert listed(bob) == set()


def test_several_ranges(alice: Person) -> None:
    rooms = [alice.creates() for _ in range(5)][::-1]
    wish = a_list([0, 0], [3, 99], [3, 3])
    answer = Slider(alice, lists={"one": wish}).slides()
    assert answer["rooms"].keys() == {rooms[0], rooms[3], rooms[4]}
    assert answer["lists"]["one"]["count"] == 5


def test_no_range_at_all_shows_none(alice: Person) -> None:
    alice.creates()
    answer = Slider(alice, lists={"one": a_list() | {"ranges": []}}).slides()
    assert answer["rooms"] == {}
    assert answer["lists"] == {"one": {"count": 1}}


def test_a_range_backwards_is_refused(alice: Person) -> None:
    with pytest.raises(InvalidParam):
        Slider(alice, lists={"one": a_list([3, 1])}).slides()


def test_too_many_lists_or_rooms_are_refused(alice: Person) -> None:
    with pytest.raises(InvalidParam):
        Slider(alice, lists={str(number): a_list() for number in range(101)}).slides()
    rooms = {f"!{number}:a.example": {} for number in range(101)}
    with pytest.raises(InvalidParam):
        Slider(alice, lists={}, rooms=rooms).slides()


def test_many_wide_ranges_cost_little(alice: Person) -> None:
    alice.creates()
    wish = a_list(*[[0, 2**53 - 1]] * 100)
    assert len(Slider(alice, lists={"one": wish}).slides()["rooms"]) == 1
