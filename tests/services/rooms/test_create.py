"""Creating rooms: presets, versions, names, invites, refusals."""

import json
from typing import Any

import pytest

from chat.protocol import event_format
from chat.protocol.errors import (
    ChatError,
    InvalidParam,
    InvalidRoomState,
    InviteBlocked,
    RoomInUse,
    UnsupportedRoomVersion,
)
from chat.protocol.room_versions import ROOM_VERSIONS, rules_for
from chat.services import account_data
from chat.services.caller import Caller
from chat.services.rooms import directory, history, membership, send
from chat.services.rooms import state as room_state
from chat.services.rooms.create import Wish, create_room
from chat.services.server import Server
from chat.storage import rooms, streams
from chat_testing.callers import a_user
from chat_testing.databases import statements
from chat_testing.servers import FakeClock

Key = tuple[str, str]
CANONICAL: Key = ("m.room.canonical_alias", "")


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


@pytest.mark.parametrize("version", [None, *ROOM_VERSIONS])
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
    if version in (None, "11", "12"):
        assert "creator" not in create
    else:
        assert create["creator"] == alice.user_id
    if version in (None, "12"):
        assert users == {}
        created = events_of(server, alice, room_id)["m.room.create", ""]
        assert room_id == "!" + created["event_id"][1:]
    else:
        assert users == {alice.user_id: 100}
        assert room_id.endswith(":" + server.name)


@pytest.mark.parametrize("version", ROOM_VERSIONS)
def test_rooms_of_every_version_live(
    server: Server, alice: Caller, bob: Caller, version: str
) -> None:
    """Everything that happens in a room passes the rules of its version, and redactions work."""
    room_id = create_room(server, alice, Wish(preset="public_chat", room_version=version))
    membership.join(server, bob, room_id)
    txn = send.txn(bob, "/send/1", "1")
    said = send.send_event(server, bob, room_id, "m.room.message", {"body": "x"}, txn)
    wish = {"redacts": said.event_id, "reason": "rude"}
    txn = send.txn(alice, "/send/2", "2")
    send.send_event(server, alice, room_id, "m.room.redaction", wish, txn)
    shown = json.loads(history.event(server, bob, room_id, said.event_id))
    assert shown["content"] == {}
    because = shown["unsigned"]["redacted_because"]
    assert because["redacts"] == because["content"]["redacts"] == said.event_id
    assert because["content"]["reason"] == "rude"
    membership.ban(server, alice, room_id, bob.user_id)
    events = server.store.read(lambda tx: tx.rows("SELECT json FROM event ORDER BY depth"))
    for (text,) in events:
        event_format.check(json.loads(text), rules_for(version))


def test_initial_state_comes_in_its_order_after_the_presets(server: Server, alice: Caller) -> None:
    wish = Wish(
        alias_name="tea",
        name="Tea",
        topic="Leaves",
        initial_state=[
            (("a.b", "2"), {}),
            (("m.room.join_rules", ""), {"join_rule": "knock"}),
            (("m.room.topic", ""), {"topic": "overruled"}),
            (("a.b", "1"), {}),
        ],
    )
    create_room(server, alice, wish)
    rows = server.store.read(lambda tx: tx.rows("SELECT type, state_key FROM event ORDER BY depth"))
    assert rows == [
        ("m.room.create", ""),
        ("m.room.member", alice.user_id),
        ("m.room.power_levels", ""),
        ("m.room.canonical_alias", ""),
        ("m.room.history_visibility", ""),
        ("m.room.guest_access", ""),
        ("a.b", "2"),
        ("m.room.join_rules", ""),
        ("a.b", "1"),
        ("m.room.name", ""),
        ("m.room.topic", ""),
    ]


def test_who_blocks_invites_is_in_no_new_room(server: Server, alice: Caller, bob: Caller) -> None:
    block = {"default_action": "block"}
    account_data.put(server, bob.user_id, None, "m.invite_permission_config", block)
    invite = (("m.room.member", bob.user_id), {"membership": "invite"})
    for wish in (Wish(invited=[bob.user_id]), Wish(initial_state=[invite])):
        with pytest.raises(InviteBlocked):
            create_room(server, alice, wish)
    assert server.store.read(lambda tx: rooms.memberships(tx, alice.user_id)) == []
    account_data.put(server, bob.user_id, None, "m.invite_permission_config", {})
    create_room(server, alice, Wish(invited=[bob.user_id]))


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
        (Wish(initial_state=[(CANONICAL, {"alias": "#other:a.example"})]), InvalidRoomState),
        (Wish(initial_state=[(CANONICAL, {"alias": 3})]), InvalidParam),
        (Wish(initial_state=[(("m.room.server_acl", ""), {"allow": "*"})]), InvalidParam),
        (Wish(initial_state=[(("m.room.policy", ""), {"via": 3})]), InvalidParam),
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
    assert cost(Wish(invited=names)) == cost(Wish(invited=names[:1])) <= 20
