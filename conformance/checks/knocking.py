"""Knocking on rooms."""

from conformance.checks.sync import keys, rooms
from conformance.client import User, World


def room_to_knock_on(world: World, rule: str = "knock") -> tuple[User, User, str]:
    """Alice, Bob, who is outside, and a room of Alice's with this join rule."""
    alice, bob = world.user("alice"), world.user("bob")
    state = [{"type": "m.room.join_rules", "content": {"join_rule": rule}}]
    return alice, bob, alice.create_room(name="Kitchen", initial_state=state)


def knock(user: User, room: str) -> None:
    """Knock on a room."""
    user.post("/knock/{}", room, body={"reason": "Hungry"}).ok()


def check_knock(world: World) -> None:
    """A user knocks on a room that takes knocks, and the members see who and why."""
    alice, bob, room = room_to_knock_on(world)
    since = alice.sync()["next_batch"]
    assert bob.post("/knock/{}", room, body={"reason": "Hungry"}).ok() == {"room_id": room}
    member = alice.state(room, "m.room.member", bob.user_id)
    assert (member["membership"], member["reason"]) == ("knock", "Hungry")
    (event,) = alice.sync(since)["rooms"]["join"][room]["timeline"]["events"]
    assert (event["state_key"], event["content"]["membership"]) == (bob.user_id, "knock")


def check_knock_by_alias(world: World) -> None:
    """A user knocks on a room by its alias."""
    alice, bob, room = room_to_knock_on(world)
    alias = f"#{world.name('kitchen')}:{world.server_name}"
    alice.put("/directory/room/{}", alias, body={"room_id": room}).ok()
    assert bob.post("/knock/{}", alias).ok() == {"room_id": room}


def check_knock_is_synced(world: World) -> None:
    """The user who knocked has the room among those knocked on, with what the room is."""
    _, bob, room = room_to_knock_on(world)
    since = bob.sync()["next_batch"]
    knock(bob, room)
    for answer in (bob.sync(since), bob.sync()):
        events = answer["rooms"]["knock"][room]["knock_state"]["events"]
        assert {("m.room.name", ""), ("m.room.join_rules", "")} <= keys(events)
        assert ("m.room.member", bob.user_id) in keys(events)


def check_knock_is_answered(world: World) -> None:
    """A user who knocked is invited and joins."""
    alice, bob, room = room_to_knock_on(world)
    knock(bob, room)
    since = bob.sync()["next_batch"]
    alice.invite(room, bob)
    answer = bob.sync(since)
    assert (rooms(answer, "invite"), rooms(answer, "knock")) == ({room}, set())
    bob.join(room)
    assert alice.members(room)[bob.user_id] == "join"


def check_knock_is_denied(world: World) -> None:
    """A user who knocked is refused by a kick, and is told so."""
    alice, bob, room = room_to_knock_on(world)
    knock(bob, room)
    since = bob.sync()["next_batch"]
    alice.kick(room, bob)
    assert rooms(bob.sync(since), "leave") == {room}
    bob.post("/join/{}", room).refused(403, "M_FORBIDDEN")


def check_knock_is_taken_back(world: World) -> None:
    """A user takes a knock back by leaving."""
    alice, bob, room = room_to_knock_on(world)
    knock(bob, room)
    bob.leave(room)
    assert alice.members(room)[bob.user_id] == "leave"


def check_knock_lets_nobody_read(world: World) -> None:
    """A user who knocked cannot join by that, nor read the room or write to it."""
    _, bob, room = room_to_knock_on(world)
    knock(bob, room)
    bob.post("/join/{}", room).refused(403, "M_FORBIDDEN")
    bob.get("/rooms/{}/messages", room, dir="b").refused(403, "M_FORBIDDEN")
    bob.get("/rooms/{}/state", room).refused(403, "M_FORBIDDEN")
    answer = bob.put("/rooms/{}/send/m.room.message/{}", room, "t", body={})
    answer.refused(403, "M_FORBIDDEN")


def check_rooms_that_take_no_knocks(world: World) -> None:
    """A room with another join rule takes no knocks."""
    for rule in ("invite", "public"):
        _, bob, room = room_to_knock_on(world, rule)
        bob.post("/knock/{}", room).refused(403, "M_FORBIDDEN")


def check_who_cannot_knock(world: World) -> None:
    """Who is joined, invited or banned cannot knock."""
    alice, bob, room = room_to_knock_on(world)
    banned = world.user("banned")
    alice.ban(room, banned)
    alice.invite(room, bob)
    for user in (alice, bob, banned):
        user.post("/knock/{}", room).refused(403, "M_FORBIDDEN")


def check_knock_on_nothing(world: World) -> None:
    """A room that does not exist takes no knocks, nor does what is no room."""
    user = world.user()
    user.post("/knock/{}", f"!nowhere:{world.server_name}").refused(404, "M_NOT_FOUND")
    user.post("/knock/{}", f"#nowhere:{world.server_name}").refused(404, "M_NOT_FOUND")
    user.post("/knock/{}", "kitchen").refused(400, "M_INVALID_PARAM")
