"""Moving rooms to another version, and what goes with them."""

import json
from typing import Any

import pytest

from chat.protocol.errors import Forbidden, InvalidParam, NotFound, UnsupportedRoomVersion
from chat.protocol.room_versions import ROOM_VERSIONS
from chat.services import account_data
from chat.services.caller import Caller
from chat.services.rooms import directory, membership, state
from chat.services.rooms.create import Wish, create_room
from chat.services.rooms.upgrade import upgrade
from chat.services.server import Server
from chat.storage import streams
from chat_testing.callers import a_user


@pytest.fixture
def alice(server: Server) -> Caller:
    return a_user(server, "alice")


@pytest.fixture
def bob(server: Server) -> Caller:
    return a_user(server, "bob")


def contents(server: Server, caller: Caller, room_id: str) -> dict[tuple[str, str], Any]:
    found = [json.loads(one) for one in state.whole(server, caller, room_id)]
    return {(one["type"], one["state_key"]): one["content"] for one in found}


def a_full_room(server: Server, alice: Caller, bob: Caller, version: str = "11") -> str:
    """A published room with everything that is copied, and some things that are not."""
    algorithm = {"algorithm": "m.megolm.v1.aes-sha2"}
    wish = Wish(
        "public_chat",
        published=True,
        room_version=version,
        name="Tea",
        topic="Leaves",
        alias_name="tea",
        creation_content={"m.federate": False, "type": "m.space"},
        initial_state=[
            (("m.room.encryption", ""), algorithm),
            (("m.room.avatar", ""), {"url": "mxc://a.example/x"}),
            (("m.room.server_acl", ""), {"allow": ["*"]}),
            (("m.space.child", "!kept:a.example"), {"via": ["a.example"]}),
            (("m.space.child", "!gone:a.example"), {}),
            (("a.b", "mine"), {}),
        ],
    )
    room_id = create_room(server, alice, wish)
    directory.set_alias(server, alice, "#other:a.example", room_id)
    aliases = {"alias": "#tea:a.example", "alt_aliases": ["#other:a.example"]}
    state.put(server, alice, room_id, "m.room.canonical_alias", "", aliases)
    membership.join(server, bob, room_id)
    membership.ban(server, alice, room_id, "@eve:a.example", "rude")
    return room_id


@pytest.mark.parametrize("version", ROOM_VERSIONS)
@pytest.mark.parametrize("before", ["1", "9", "11", "12"])
def test_a_room_moves_to_another_version(
    server: Server, alice: Caller, bob: Caller, before: str, version: str
) -> None:
    old = a_full_room(server, alice, bob, before)
    was = contents(server, alice, old)
    new = upgrade(server, alice, old, version)
    now = contents(server, alice, new)
    create = now["m.room.create", ""]
    assert create["predecessor"]["room_id"] == old
    assert (create["room_version"], create["type"], create["m.federate"]) == (
        version,
        "m.space",
        False,
    )
    for kind in (
        *("name", "topic", "avatar", "server_acl", "encryption", "join_rules"),
        *("history_visibility", "guest_access", "canonical_alias"),
    ):
        assert now[f"m.room.{kind}", ""] == was[f"m.room.{kind}", ""]
    assert ("m.space.child", "!kept:a.example") in now
    assert now["m.room.member", "@eve:a.example"] == {"membership": "ban", "reason": "rude"}
    assert not now.keys() & {
        ("a.b", "mine"),
        ("m.space.child", "!gone:a.example"),
        ("m.room.member", bob.user_id),
    }
    users = now["m.room.power_levels", ""]["users"]
    assert users == ({} if version == "12" else {alice.user_id: 150 if before == "12" else 100})
    if version == "12":
        assert now["m.room.power_levels", ""]["events"]["m.room.tombstone"] > 50
    for alias in ("#tea:a.example", "#other:a.example"):
        assert directory.resolve(server, alias) == new
    assert directory.is_published(server, new)
    assert not directory.is_published(server, old)


def test_the_old_room_points_to_the_new_one_and_falls_silent(
    server: Server, alice: Caller, bob: Caller
) -> None:
    old = a_full_room(server, alice, bob)
    new = upgrade(server, alice, old, "12")
    now = contents(server, alice, old)
    assert now["m.room.tombstone", ""]["replacement_room"] == new
    levels = now["m.room.power_levels", ""]
    assert (levels["events_default"], levels["invite"]) == (50, 50)
    with pytest.raises(Forbidden):
        membership.invite(server, bob, old, "@carol:a.example")


def test_creators_are_named_anew(server: Server, alice: Caller, bob: Caller) -> None:
    old = create_room(server, alice, Wish("trusted_private_chat", invited=[bob.user_id]))
    new = upgrade(server, alice, old, "12")
    assert "additional_creators" not in contents(server, alice, new)["m.room.create", ""]
    third = upgrade(server, alice, new, "12", [bob.user_id, bob.user_id])
    create = contents(server, alice, third)["m.room.create", ""]
    assert create["additional_creators"] == [bob.user_id]
    fourth = upgrade(server, alice, third, "11", ["ignored"])
    levels = contents(server, alice, fourth)["m.room.power_levels", ""]
    assert levels["users"] == {alice.user_id: 150, bob.user_id: 150}
    with pytest.raises(InvalidParam):
        upgrade(server, alice, fourth, "12", ["bob"])


def test_a_moderator_upgrades_and_keeps_their_level(
    server: Server, alice: Caller, bob: Caller
) -> None:
    override = {
        "users": {alice.user_id: 100, bob.user_id: 50},
        "events": {"m.room.tombstone": 50, "m.room.power_levels": 100},
    }
    wish = Wish("public_chat", room_version="9", power_levels=override, name="Tea")
    old = create_room(server, alice, wish)
    membership.join(server, bob, old)
    new = upgrade(server, bob, old, "11")
    levels = contents(server, bob, new)["m.room.power_levels", ""]
    assert levels["users"] == {alice.user_id: 100, bob.user_id: 50}
    # He may not set the levels of the old room, so it stays as loud as it was.
    assert "m.room.tombstone" in {kind for kind, _ in contents(server, bob, old)}
    assert contents(server, bob, old)["m.room.power_levels", ""]["events_default"] == 0


def test_join_rules_that_the_new_version_does_not_know(server: Server, alice: Caller) -> None:
    rule = {"join_rule": "knock_restricted", "allow": []}
    old = create_room(
        server, alice, Wish(room_version="11", initial_state=[(("m.room.join_rules", ""), rule)])
    )
    for version, expected in (("9", "restricted"), ("7", "invite")):
        new = upgrade(server, alice, old, version)
        assert contents(server, alice, new)["m.room.join_rules", ""]["join_rule"] == expected


def test_who_may_not_upgrade_leaves_no_trace(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, Wish("public_chat", alias_name="tea"))
    before = server.store.read(streams.head)
    with pytest.raises(Forbidden):
        upgrade(server, bob, room_id, "12")
    with pytest.raises(NotFound):
        upgrade(server, alice, "!nowhere:a.example", "12")
    for version in ("13", ""):
        with pytest.raises(UnsupportedRoomVersion):
            upgrade(server, alice, room_id, version)
    assert server.store.read(streams.head) == before
    membership.join(server, bob, room_id)
    with pytest.raises(Forbidden):
        upgrade(server, bob, room_id, "12")
    assert directory.resolve(server, "#tea:a.example") == room_id


def test_settings_follow_their_user_into_the_new_room(
    server: Server, alice: Caller, bob: Caller
) -> None:
    old = create_room(server, alice, Wish("public_chat"))
    membership.join(server, bob, old)
    for caller in (alice, bob):
        account_data.set_tag(server, caller.user_id, old, "m.favourite", {"order": 0.5})
        direct = {"@carol:a.example": [old], "@dave:a.example": ["!else:a.example"]}
        account_data.put(server, caller.user_id, None, "m.direct", direct)
    new = upgrade(server, alice, old, "11")
    membership.join(server, bob, new)
    for caller in (alice, bob):
        tags = account_data.tags(server, caller.user_id, new)
        assert tags == {"m.favourite": {"order": 0.5}}
        assert account_data.get(server, caller.user_id, None, "m.direct") == {
            "@carol:a.example": [old, new],
            "@dave:a.example": ["!else:a.example"],
        }


def test_nothing_follows_into_a_room_that_only_claims_to_succeed(
    server: Server, alice: Caller, bob: Caller
) -> None:
    old = create_room(server, alice, Wish("public_chat"))
    account_data.set_tag(server, bob.user_id, old, "m.favourite", {})
    claim = {"predecessor": {"room_id": old, "event_id": "$x"}}
    new = create_room(server, alice, Wish("public_chat", creation_content=claim))
    membership.join(server, bob, new)
    assert account_data.tags(server, bob.user_id, new) == {}
