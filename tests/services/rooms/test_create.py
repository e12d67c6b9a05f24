"""Creating rooms: presets, versions, names, invites, refusals."""

import json
from typing import Any

import pytest

from chat.protocol.errors import (
    ChatError,
    InvalidParam,
    InvalidRoomState,
    RoomInUse,
    UnsupportedRoomVersion,
)
from chat.services.caller import Caller
from chat.services.rooms import directory
from chat.services.rooms import state as room_state
from chat.services.rooms.create import Wish, create_room
from chat.services.server import Server
from chat.storage import rooms, streams
from chat_testing.callers import a_user
from chat_testing.databases import statements
from chat_testing.servers import FakeClock

Key = tuple[str, str]


@pytest.fixture
def alice(server: Server) -> Caller:
    return a_user(server, "alice")


@pytest.fixture
def bob(server: Server) -> Caller:
    return a_user(server, "bob")


def events_of(server: Server, caller: Caller, room_id: str) -> dict[Key, dict[str, Any]]:
    found = [json.loads(one) for one in room_state.whole(server, caller, room_id)]
    return {(one["type"], one["state_key"]): one for one in found}


def contents(server: Server, caller: Caller, room_id: str) -> dict[Key, dict[str, Any]]:
    found = events_of(server, caller, room_id)
    return {key: event["content"] for key, event in found.items()}


@pytest.mark.parametrize(
    ("wish", "join_rule", "guest_access"),
    [
        (Wish(), "invite", "can_join"),
        (Wish(preset="private_chat", published=True), "invite", "can_join"),
        (Wish(preset="trusted_private_chat"), "invite", "can_join"),
        (Wish(preset="public_chat"), "public", "forbidden"),
        (Wish(published=True), "public", "forbidden"),
    ],
    ids=["default", "private", "trusted", "public", "published"],
)
def test_presets(
    server: Server, alice: Caller, wish: Wish, join_rule: str, guest_access: str
) -> None:
    room_id = create_room(server, alice, wish)
    state = contents(server, alice, room_id)
    assert state["m.room.join_rules", ""] == {"join_rule": join_rule}
    assert state["m.room.guest_access", ""] == {"guest_access": guest_access}
    assert state["m.room.history_visibility", ""] == {"history_visibility": "shared"}
    assert state["m.room.member", alice.user_id] == {
        "membership": "join",
        "displayname": "Alice",
    }
    assert directory.is_published(server, room_id) is wish.published


@pytest.mark.parametrize("version", [None, "10", "11", "12"])
def test_versions_name_the_creator_in_their_own_way(
    server: Server, alice: Caller, version: str | None
) -> None:
    wish = Wish(room_version=version, creation_content={"creator": "@eve:b", "m.federate": False})
    room_id = create_room(server, alice, wish)
    state = contents(server, alice, room_id)
    create = state["m.room.create", ""]
    users = state["m.room.power_levels", ""]["users"]
    assert create["m.federate"] is False
    assert create["room_version"] == version or "12"
    if version == "10":
        assert create["creator"] == alice.user_id
    else:
        assert "creator" not in create
    if version in (None, "12"):
        assert users == {}
        created = events_of(server, alice, room_id)["m.room.create", ""]
        assert room_id == "!" + created["event_id"][1:]
    else:
        assert users == {alice.user_id: 100}
        assert room_id.endswith(":" + server.name)


def test_trusted_invitees_have_the_creators_power(
    server: Server, alice: Caller, bob: Caller
) -> None:
    old = Wish(preset="trusted_private_chat", invited=[bob.user_id], room_version="11")
    state = contents(server, alice, create_room(server, alice, old))
    assert state["m.room.power_levels", ""]["users"] == {alice.user_id: 100, bob.user_id: 100}
    new = Wish(preset="trusted_private_chat", invited=[bob.user_id], room_version="12")
    state = contents(server, alice, create_room(server, alice, new))
    assert state["m.room.create", ""]["additional_creators"] == [bob.user_id]
    assert state["m.room.power_levels", ""]["users"] == {}


def test_everything_wished_for_is_there(server: Server, alice: Caller, bob: Caller) -> None:
    wish = Wish(
        name="Tea",
        topic="Leaves",
        alias_name="tea",
        invited=[bob.user_id, bob.user_id],
        is_direct=True,
        power_levels={"events_default": 10},
        initial_state=[
            (("m.room.encryption", ""), {"algorithm": "m.megolm.v1.aes-sha2"}),
            (("m.room.history_visibility", ""), {"history_visibility": "joined"}),
            (("m.room.name", ""), {"name": "overruled"}),
        ],
    )
    room_id = create_room(server, alice, wish)
    state = contents(server, alice, room_id)
    assert state["m.room.name", ""] == {"name": "Tea"}
    assert state["m.room.topic", ""]["topic"] == "Leaves"
    assert state["m.room.topic", ""]["m.topic"]["m.text"][0]["body"] == "Leaves"
    assert state["m.room.canonical_alias", ""] == {"alias": "#tea:a.example"}
    assert state["m.room.encryption", ""] == {"algorithm": "m.megolm.v1.aes-sha2"}
    assert state["m.room.history_visibility", ""] == {"history_visibility": "joined"}
    assert state["m.room.power_levels", ""]["events_default"] == 10
    invite = state["m.room.member", bob.user_id]
    assert invite == {"membership": "invite", "displayname": "Bob", "is_direct": True}
    assert directory.resolve(server, "#tea:a.example") == room_id


@pytest.mark.parametrize(
    ("wish", "refusal"),
    [
        (Wish(room_version="nope"), UnsupportedRoomVersion),
        (Wish(room_version="1"), UnsupportedRoomVersion),
        (Wish(alias_name="a:b"), InvalidParam),
        (Wish(alias_name="x" * 300), InvalidParam),
        (Wish(invited=["bob"]), InvalidParam),
        (Wish(invited=["@bob:elsewhere.example"]), InvalidParam),
        (Wish(invited=[f"@u{i}:a.example" for i in range(101)]), InvalidParam),
        (Wish(power_levels={"users": {"@alice:a.example": 100}}), InvalidRoomState),
        (Wish(power_levels={"users": "all"}), InvalidRoomState),
        (Wish(power_levels={"events_default": "50"}), InvalidRoomState),
        (Wish(initial_state=[(("m.room.create", ""), {})]), InvalidRoomState),
        (Wish(creation_content={"additional_creators": "bob"}), InvalidRoomState),
        (Wish(name="x" * 70_000), ChatError),
        (Wish(initial_state=[(("m.room.name\0", ""), {})]), InvalidParam),
    ],
    ids=lambda value: None if isinstance(value, type) else repr(value)[:0] or None,
)
def test_impossible_rooms_are_refused_and_leave_nothing(
    server: Server, alice: Caller, wish: Wish, refusal: type[ChatError]
) -> None:
    before = server.store.read(streams.head)
    with pytest.raises(refusal):
        create_room(server, alice, wish)
    assert server.store.read(streams.head) == before
    assert server.store.read(lambda tx: tx.row("SELECT count(*) FROM room")) == (0,)


def test_a_taken_alias_makes_no_room(server: Server, alice: Caller, bob: Caller) -> None:
    create_room(server, alice, Wish(alias_name="tea"))
    with pytest.raises(RoomInUse):
        create_room(server, bob, Wish(alias_name="tea"))
    joined = server.store.read(lambda tx: rooms.memberships(tx, bob.user_id))
    assert joined == []


def test_two_rooms_in_one_millisecond_are_two(server: Server, alice: Caller) -> None:
    assert create_room(server, alice, Wish()) != create_room(server, alice, Wish())


def test_a_room_costs_a_fixed_number_of_statements(
    server: Server, clock: FakeClock, alice: Caller
) -> None:
    create_room(server, alice, Wish())
    names = [a_user(server, f"guest{i}").user_id for i in range(8)]

    def cost(wish: Wish) -> int:
        clock.advance(seconds=1)
        with statements(server.store) as seen:
            create_room(server, alice, wish)
        return len([sql for sql in seen if "nextval" not in sql])  # now and then, for many

    cost(Wish(invited=names))
    assert cost(Wish(invited=names)) == cost(Wish(invited=names[:1])) <= 18
