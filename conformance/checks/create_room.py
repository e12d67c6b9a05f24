"""Making rooms."""

from conformance.client import Json, User, World

VERSIONS = ("10", "11", "12")


def settings(user: User, room: str) -> tuple[str, str, str]:
    """Join rule, history visibility and guest access of a room."""
    return (
        user.state(room, "m.room.join_rules")["join_rule"],
        user.state(room, "m.room.history_visibility")["history_visibility"],
        user.state(room, "m.room.guest_access")["guest_access"],
    )


def events(user: User, room: str) -> list[Json]:
    """The events of a room, oldest first."""
    return user.history(room)[::-1]


def check_default_version(world: World) -> None:
    """A room gets the default version where none is asked for."""
    user = world.user()
    versions = user.get("/capabilities").ok()["capabilities"]["m.room_versions"]
    content = user.state(user.create_room(), "m.room.create")
    assert content["room_version"] == versions["default"]


def check_versions(world: World) -> None:
    """Rooms of versions 10, 11 and 12 are made."""
    user = world.user()
    for version in VERSIONS:
        room = user.create_room(room_version=version)
        assert user.state(room, "m.room.create")["room_version"] == version


def check_creator_in_content(world: World) -> None:
    """Version 10 names the creator in the create event, versions 11 and 12 do not."""
    user = world.user()
    found = {
        version: user.state(user.create_room(room_version=version), "m.room.create").get("creator")
        for version in VERSIONS
    }
    assert found == {"10": user.user_id, "11": None, "12": None}


def check_room_ids_before_version_12(world: World) -> None:
    """Rooms before version 12 have IDs that end in the server's name."""
    user = world.user()
    for version in ("10", "11"):
        assert user.create_room(room_version=version).endswith(f":{world.server_name}")


def check_room_ids_of_version_12(world: World) -> None:
    """A room of version 12 has the ID of its create event, but for the first character."""
    user = world.user()
    room = user.create_room(room_version="12")
    create = user.get("/rooms/{}/state/m.room.create", room, format="event").ok()
    assert room == "!" + create["event_id"][1:]


def check_unknown_version(world: World) -> None:
    """A room version that the server does not know is refused."""
    answer = world.user().post("/createRoom", body={"room_version": "org.example.9000"})
    answer.refused(400, "M_UNSUPPORTED_ROOM_VERSION")


def check_private_chat(world: World) -> None:
    """The preset private_chat is for invited users, who see what was said before."""
    user = world.user()
    for version in VERSIONS:
        room = user.create_room(preset="private_chat", room_version=version)
        assert settings(user, room) == ("invite", "shared", "can_join")


def check_trusted_private_chat(world: World) -> None:
    """The preset trusted_private_chat has the settings of private_chat."""
    user = world.user()
    for version in VERSIONS:
        room = user.create_room(preset="trusted_private_chat", room_version=version)
        assert settings(user, room) == ("invite", "shared", "can_join")


def check_public_chat(world: World) -> None:
    """The preset public_chat is open to users and closed to guests."""
    user = world.user()
    for version in VERSIONS:
        room = user.create_room(preset="public_chat", room_version=version)
        assert settings(user, room) == ("public", "shared", "forbidden")


def check_preset_by_visibility(world: World) -> None:
    """Without a preset the visibility decides: public rooms are open, others for the invited."""
    user = world.user()
    assert settings(user, user.create_room(visibility="public"))[0] == "public"
    assert settings(user, user.create_room(visibility="private"))[0] == "invite"
    assert settings(user, user.create_room())[0] == "invite"


def check_trusted_invitees(world: World) -> None:
    """In a trusted_private_chat the invited users have the power of the creator."""
    alice, bob = world.user("alice"), world.user("bob")
    wish = {"preset": "trusted_private_chat", "invite": [bob.user_id]}
    for version in ("10", "11"):
        room = alice.create_room(room_version=version, **wish)
        users = alice.state(room, "m.room.power_levels")["users"]
        assert users[bob.user_id] == users[alice.user_id]
    room = alice.create_room(room_version="12", **wish)
    assert bob.user_id in alice.state(room, "m.room.create")["additional_creators"]


def check_power_of_the_creator(world: World) -> None:
    """The creator has power 100 up to version 11 and is not listed in version 12."""
    user = world.user()
    found = {
        version: user.state(user.create_room(room_version=version), "m.room.power_levels")
        .get("users", {})
        .get(user.user_id)
        for version in VERSIONS
    }
    assert found == {"10": 100, "11": 100, "12": None}


def check_tombstones_in_version_12(world: World) -> None:
    """In version 12 more power than for other state is needed to close a room."""
    user = world.user()
    levels = user.state(user.create_room(room_version="12"), "m.room.power_levels")
    assert levels["events"]["m.room.tombstone"] > levels.get("state_default", 50)


def check_order_of_the_first_events(world: World) -> None:
    """A room begins with its create event, the creator's join and the power levels."""
    user = world.user()
    for version in VERSIONS:
        first = events(user, user.create_room(room_version=version))[:3]
        kinds = [event["type"] for event in first]
        assert kinds == ["m.room.create", "m.room.member", "m.room.power_levels"]


def check_order_of_later_events(world: World) -> None:
    """After the preset come the initial state, the name, the topic and the invites."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(
        name="Kitchen",
        topic="Recipes",
        invite=[bob.user_id],
        initial_state=[{"type": "org.example.first", "content": {}}],
    )
    kinds = [event["type"] for event in events(alice, room)]
    wanted = ["org.example.first", "m.room.name", "m.room.topic", "m.room.member"]
    assert kinds[-4:] == wanted, kinds


def check_name_and_topic(world: World) -> None:
    """A room gets the name and the topic that are asked for."""
    user = world.user()
    room = user.create_room(name="Kitchen", topic="Recipes")
    assert user.state(room, "m.room.name") == {"name": "Kitchen"}
    assert user.state(room, "m.room.topic")["topic"] == "Recipes"


def check_alias(world: World) -> None:
    """A room gets the alias that is asked for, which is then its canonical one."""
    user = world.user()
    name = world.name("kitchen")
    room = user.create_room(room_alias_name=name)
    alias = f"#{name}:{world.server_name}"
    assert user.get("/directory/room/{}", alias).ok()["room_id"] == room
    assert user.state(room, "m.room.canonical_alias")["alias"] == alias


def check_taken_alias(world: World) -> None:
    """A room is not made when its alias is taken."""
    user = world.user()
    name = world.name("kitchen")
    user.create_room(room_alias_name=name)
    rooms = user.get("/joined_rooms").ok()["joined_rooms"]
    user.post("/createRoom", body={"room_alias_name": name}).refused(400, "M_ROOM_IN_USE")
    assert user.get("/joined_rooms").ok()["joined_rooms"] == rooms


def check_invalid_alias(world: World) -> None:
    """An alias name with a colon or NUL is refused."""
    user = world.user()
    for name in ("has:colon", "has\0nul"):
        answer = user.post("/createRoom", body={"room_alias_name": name})
        answer.refused(400, "M_INVALID_PARAM", "M_BAD_JSON")


def check_initial_state(world: World) -> None:
    """Initial state is set, with its state keys, and overrides the preset."""
    user = world.user()
    visibility = {"history_visibility": "joined"}
    room = user.create_room(
        preset="public_chat",
        initial_state=[
            {"type": "m.room.history_visibility", "content": visibility},
            {"type": "org.example.seat", "state_key": "window", "content": {"free": True}},
        ],
    )
    assert user.state(room, "m.room.history_visibility") == visibility
    assert user.state(room, "org.example.seat", "window") == {"free": True}


def check_name_overrides_initial_state(world: World) -> None:
    """The name that is asked for overrides one in the initial state."""
    user = world.user()
    state = [{"type": "m.room.name", "content": {"name": "Cellar"}}]
    room = user.create_room(name="Kitchen", initial_state=state)
    assert user.state(room, "m.room.name")["name"] == "Kitchen"


def check_power_level_override(world: World) -> None:
    """Power levels that are asked for replace the default ones of the same key."""
    user = world.user()
    for version in VERSIONS:
        override = {"events_default": 10, "kick": 77}
        room = user.create_room(room_version=version, power_level_content_override=override)
        levels = user.state(room, "m.room.power_levels")
        assert (levels["events_default"], levels["kick"]) == (10, 77)
        assert levels["events"]


def check_creation_content(world: World) -> None:
    """Keys for the create event are kept, but not its version and creator."""
    user = world.user()
    content = {
        "type": "m.space",
        "m.federate": False,
        "org.example.shelf": 3,
        "room_version": "1",
        "creator": "@mallory:example.org",
    }
    room = user.create_room(room_version="10", creation_content=content)
    created = user.state(room, "m.room.create")
    assert (created["type"], created["m.federate"]) == ("m.space", False)
    assert (created["room_version"], created["creator"]) == ("10", user.user_id)
    assert created["org.example.shelf"] == 3


def check_invites(world: World) -> None:
    """The users that are to be invited are invited, and told where the room is for two."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(invite=[bob.user_id], is_direct=True)
    member = alice.state(room, "m.room.member", bob.user_id)
    assert (member["membership"], member["is_direct"]) == ("invite", True)
    assert room in bob.sync()["rooms"]["invite"]


def check_wrong_types(world: World) -> None:
    """A request for a room with fields of the wrong type is refused."""
    user = world.user()
    wrong = [
        {"invite": "@bob:example.org"},
        {"name": 7},
        {"initial_state": {}},
        {"initial_state": [{"content": {}}]},
        {"creation_content": []},
        {"visibility": True},
    ]
    for body in wrong:
        user.post("/createRoom", body=body).refused(400, "M_BAD_JSON", "M_MISSING_PARAM")


def check_unknown_preset(world: World) -> None:
    """A preset that does not exist is refused."""
    answer = world.user().post("/createRoom", body={"preset": "party"})
    answer.refused(400, "M_BAD_JSON", "M_INVALID_PARAM")


def check_impossible_initial_state(world: World) -> None:
    """A room whose initial state would be unlawful is not made at all."""
    user = world.user()
    state = [{"type": "m.room.power_levels", "content": {"users": {"nobody": "strong"}}}]
    answer = user.post("/createRoom", body={"initial_state": state})
    answer.refused(400, "M_INVALID_ROOM_STATE", "M_BAD_JSON", "M_INVALID_PARAM")
    assert user.get("/joined_rooms").ok()["joined_rooms"] == []
