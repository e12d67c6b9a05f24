"""Reading and changing the state of rooms, and listing members."""

from conformance.client import User, World


def shared_room(world: World, **wish: object) -> tuple[User, User, str]:
    """Alice and Bob in a public room of Alice's."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(preset="public_chat", **wish)
    bob.join(room)
    return alice, bob, room


def check_state_is_set(world: World) -> None:
    """State is set under type and key, and read by every member."""
    alice, bob, room = shared_room(world)
    alice.set_state(room, "org.example.seat", {"free": False}, "window")
    assert bob.state(room, "org.example.seat", "window") == {"free": False}


def check_state_replaces_state(world: World) -> None:
    """New state replaces that of the same type and key, and of no other."""
    alice, bob, room = shared_room(world)
    alice.set_state(room, "org.example.seat", {"n": 1}, "window")
    alice.set_state(room, "org.example.seat", {"n": 2}, "door")
    alice.set_state(room, "org.example.seat", {"n": 3}, "window")
    assert bob.state(room, "org.example.seat", "window") == {"n": 3}
    assert bob.state(room, "org.example.seat", "door") == {"n": 2}


def check_empty_key(world: World) -> None:
    """State with an empty key is set and read with and without the trailing slash."""
    alice, bob, room = shared_room(world)
    alice.put("/rooms/{}/state/m.room.topic", room, body={"topic": "Bread"}).ok()
    assert bob.get("/rooms/{}/state/m.room.topic/", room).ok()["topic"] == "Bread"
    alice.put("/rooms/{}/state/m.room.topic/", room, body={"topic": "Salt"}).ok()
    assert bob.get("/rooms/{}/state/m.room.topic", room).ok()["topic"] == "Salt"


def check_key_with_a_slash(world: World) -> None:
    """A state key may have slashes, percent signs and spaces when they are encoded."""
    alice, bob, room = shared_room(world)
    for key in ("a/b", "100%", "two words", "ü?&=#"):
        alice.set_state(room, "org.example.seat", {"key": key}, key)
        assert bob.state(room, "org.example.seat", key) == {"key": key}


def check_event_format(world: World) -> None:
    """State is shown as a whole event when asked for."""
    alice, bob, room = shared_room(world)
    event_id = alice.set_state(room, "m.room.name", {"name": "Kitchen"})
    event = bob.get("/rooms/{}/state/m.room.name", room, format="event").ok()
    assert (event["event_id"], event["state_key"]) == (event_id, "")
    assert (event["content"], event["sender"]) == ({"name": "Kitchen"}, alice.user_id)


def check_absent_state(world: World) -> None:
    """State that a room does not have is not found."""
    alice, _, room = shared_room(world)
    alice.get("/rooms/{}/state/m.room.name", room).refused(404, "M_NOT_FOUND")


def check_state_of_unknown_room(world: World) -> None:
    """A room that does not exist has no state."""
    user, room = world.user(), f"!nowhere:{world.server_name}"
    for path in ("/rooms/{}/state", "/rooms/{}/state/m.room.name", "/rooms/{}/members"):
        answer = user.get(path, room)
        assert answer.status in (403, 404), answer.status


def check_whole_state(world: World) -> None:
    """The whole state has one event for each type and key."""
    alice, bob, room = shared_room(world, name="Kitchen")
    events = alice.get("/rooms/{}/state", room).ok()
    keys = [(event["type"], event["state_key"]) for event in events]
    assert len(keys) == len(set(keys))
    assert {("m.room.create", ""), ("m.room.name", ""), ("m.room.member", bob.user_id)} <= set(keys)
    assert all(event["room_id"] == room for event in events)


def check_power_for_state(world: World) -> None:
    """A member without the power for state does not change it."""
    alice, bob, room = shared_room(world, name="Kitchen")
    answer = bob.put("/rooms/{}/state/m.room.name", room, body={"name": "Pub"})
    answer.refused(403, "M_FORBIDDEN")
    assert alice.state(room, "m.room.name") == {"name": "Kitchen"}


def check_power_is_granted(world: World) -> None:
    """A member who is given power uses it."""
    for version in ("10", "11", "12"):
        alice, bob, room = shared_room(world, room_version=version)
        levels = alice.state(room, "m.room.power_levels")
        users = levels.get("users", {}) | {bob.user_id: 50}
        alice.set_state(room, "m.room.power_levels", levels | {"users": users})
        bob.set_state(room, "m.room.name", {"name": "Pub"})


def check_nobody_raises_themselves(world: World) -> None:
    """A member gives nobody more power than their own."""
    alice, bob, room = shared_room(world)
    levels = alice.state(room, "m.room.power_levels")
    users = levels.get("users", {}) | {bob.user_id: 50}
    alice.set_state(room, "m.room.power_levels", levels | {"users": users})
    raised = levels | {"users": users | {bob.user_id: 99}}
    answer = bob.put("/rooms/{}/state/m.room.power_levels", room, body=raised)
    answer.refused(403, "M_FORBIDDEN")


def check_malformed_power_levels(world: World) -> None:
    """Power levels that are not whole numbers are refused."""
    alice, _, room = shared_room(world)
    for levels in ({"users_default": "50"}, {"users": {"@bob:example.org": None}}, {"ban": 1.5}):
        answer = alice.put("/rooms/{}/state/m.room.power_levels", room, body=levels)
        assert answer.status in (400, 403), answer.status


def check_keys_of_other_users(world: World) -> None:
    """State under the ID of another user is refused."""
    alice, bob, room = shared_room(world)
    answer = alice.put("/rooms/{}/state/org.example.seat/{}", room, bob.user_id, body={})
    answer.refused(403, "M_FORBIDDEN")


def check_canonical_alias_must_lead_here(world: World) -> None:
    """A canonical alias must lead to the room."""
    alice, _, room = shared_room(world)
    alias = f"#{world.name('nowhere')}:{world.server_name}"
    answer = alice.put("/rooms/{}/state/m.room.canonical_alias", room, body={"alias": alias})
    answer.refused(400, "M_BAD_ALIAS")
    answer = alice.put("/rooms/{}/state/m.room.canonical_alias", room, body={"alias": "no alias"})
    answer.refused(400, "M_BAD_ALIAS", "M_INVALID_PARAM")


def check_state_after_leaving(world: World) -> None:
    """Who has left sees the state as it was when they left."""
    alice, bob, room = shared_room(world, name="Before")
    bob.leave(room)
    alice.set_state(room, "m.room.name", {"name": "After"})
    alice.set_state(room, "m.room.topic", {"topic": "Secret"})
    assert bob.state(room, "m.room.name") == {"name": "Before"}
    bob.get("/rooms/{}/state/m.room.topic", room).refused(404, "M_NOT_FOUND")
    shown = {event["type"]: event["content"] for event in bob.get("/rooms/{}/state", room).ok()}
    assert shown["m.room.name"] == {"name": "Before"}
    assert "m.room.topic" not in shown


def check_replaced_content(world: World) -> None:
    """An event that replaces state tells which content it replaced."""
    alice, _, room = shared_room(world, name="Before")
    event_id = alice.set_state(room, "m.room.name", {"name": "After"})
    assert alice.event(room, event_id)["unsigned"]["prev_content"] == {"name": "Before"}


def check_member_list(world: World) -> None:
    """The members of a room are listed, all of them or by membership."""
    alice, bob, room = shared_room(world)
    invited, gone = world.user(), world.user()
    alice.invite(room, invited)
    gone.join(room)
    gone.leave(room)
    assert alice.members(room) == {
        alice.user_id: "join",
        bob.user_id: "join",
        invited.user_id: "invite",
        gone.user_id: "leave",
    }
    joined = alice.get("/rooms/{}/members", room, membership="join").ok()["chunk"]
    assert {event["state_key"] for event in joined} == {alice.user_id, bob.user_id}
    present = alice.get("/rooms/{}/members", room, not_membership="leave").ok()["chunk"]
    assert gone.user_id not in {event["state_key"] for event in present}
    assert len(present) == 3


def check_unknown_membership(world: World) -> None:
    """Members cannot be listed by a membership that does not exist."""
    alice, _, room = shared_room(world)
    answer = alice.get("/rooms/{}/members", room, membership="friend")
    answer.refused(400, "M_INVALID_PARAM")


def check_members_at_a_token(world: World) -> None:
    """Members are listed as they were at a token."""
    alice, bob, room = shared_room(world)
    token = alice.sync()["next_batch"]
    carol = world.user("carol")
    carol.join(room)
    chunk = alice.get("/rooms/{}/members", room, at=token).ok()["chunk"]
    assert {event["state_key"] for event in chunk} == {alice.user_id, bob.user_id}


def check_joined_members(world: World) -> None:
    """The joined members are listed with their names."""
    alice, bob, room = shared_room(world)
    bob.put("/profile/{}/displayname", bob.user_id, body={"displayname": "Bobby"}).ok()
    joined = alice.get("/rooms/{}/joined_members", room).ok()["joined"]
    assert joined.keys() == {alice.user_id, bob.user_id}
    assert joined[bob.user_id]["display_name"] == "Bobby"


def check_joined_members_for_members(world: World) -> None:
    """The joined members are shown to members only."""
    _, bob, room = shared_room(world)
    world.user().get("/rooms/{}/joined_members", room).refused(403, "M_FORBIDDEN")
    bob.leave(room)
    bob.get("/rooms/{}/joined_members", room).refused(403, "M_FORBIDDEN")


def check_state_is_not_for_strangers(world: World) -> None:
    """A piece of state with a key is refused to strangers, and is not found where there is none."""
    user, stranger = world.user(), world.user()
    room = user.create_room()
    user.set_state(room, "org.example.seat", {"n": 1}, "window")
    path = "/rooms/{}/state/{}/{}"
    stranger.get(path, room, "org.example.seat", "window").refused(403, "M_FORBIDDEN")
    user.get(path, room, "org.example.seat", "door").refused(404, "M_NOT_FOUND")
