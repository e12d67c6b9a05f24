"""Aliases of rooms."""

from conformance.client import World
from conformance.parallel import together

ALIAS = "/directory/room/{}"


def new_alias(world: World) -> str:
    """An alias that nobody has used."""
    return f"#{world.name('kitchen')}:{world.server_name}"


def check_alias_leads_to_its_room(world: World) -> None:
    """An alias leads everybody to its room and a server that is in it."""
    user, alias = world.user(), new_alias(world)
    room = user.create_room()
    user.put(ALIAS, alias, body={"room_id": room}).ok()
    answer = world.stranger.get(ALIAS, alias).ok()
    assert answer["room_id"] == room
    assert world.server_name in answer["servers"]


def check_unknown_alias(world: World) -> None:
    """An alias that does not exist is not found."""
    world.stranger.get(ALIAS, new_alias(world)).refused(404, "M_NOT_FOUND")


def check_taken_alias(world: World) -> None:
    """An alias that leads to a room is not given to another."""
    user, alias = world.user(), new_alias(world)
    room, other = user.create_room(), user.create_room()
    user.put(ALIAS, alias, body={"room_id": room}).ok()
    user.put(ALIAS, alias, body={"room_id": other}).refused(409, "M_UNKNOWN")
    assert user.get(ALIAS, alias).ok()["room_id"] == room


def check_race_for_an_alias(world: World) -> None:
    """Of several who set one alias at the same time exactly one succeeds."""
    user, alias = world.user(), new_alias(world)
    rooms = [user.create_room() for _ in range(4)]
    answers = together(
        *(lambda room=room: user.put(ALIAS, alias, body={"room_id": room}) for room in rooms)
    )
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
    winner = rooms[[answer.status for answer in answers].index(200)]
    assert user.get(ALIAS, alias).ok()["room_id"] == winner


def check_malformed_alias(world: World) -> None:
    """What has not the form of an alias is refused."""
    user = world.user()
    room = user.create_room()
    for alias in ("kitchen", "#kitchen", "#nul\0:" + world.server_name):
        user.put(ALIAS, alias, body={"room_id": room}).refused(400, "M_INVALID_PARAM")
        user.get(ALIAS, alias).refused(400, "M_INVALID_PARAM")


def check_alias_of_another_server(world: World) -> None:
    """An alias of another server is not set here."""
    user = world.user()
    answer = user.put(ALIAS, "#kitchen:elsewhere.invalid", body={"room_id": user.create_room()})
    answer.refused(400, "M_INVALID_PARAM")


def check_alias_for_unknown_room(world: World) -> None:
    """An alias is not set for a room that does not exist."""
    room = f"!nowhere:{world.server_name}"
    answer = world.user().put(ALIAS, new_alias(world), body={"room_id": room})
    answer.refused(404, "M_NOT_FOUND")


def check_alias_needs_a_room(world: World) -> None:
    """An alias is not set without a room."""
    world.user().put(ALIAS, new_alias(world), body={}).refused(400, "M_MISSING_PARAM")


def check_alias_with_odd_characters(world: World) -> None:
    """An alias may have slashes, percent signs and letters of any script."""
    user = world.user()
    room = user.create_room()
    for odd in ("a/b", "100%", "küche", "厨房", "two words"):
        alias = f"#{world.name(odd)}:{world.server_name}"
        user.put(ALIAS, alias, body={"room_id": room}).ok()
        assert user.get(ALIAS, alias).ok()["room_id"] == room


def check_alias_is_deleted(world: World) -> None:
    """Who made an alias deletes it."""
    user, alias = world.user(), new_alias(world)
    user.put(ALIAS, alias, body={"room_id": user.create_room()}).ok()
    user.delete(ALIAS, alias).ok()
    user.get(ALIAS, alias).refused(404, "M_NOT_FOUND")
    user.delete(ALIAS, alias).refused(404, "M_NOT_FOUND")


def check_alias_of_another_user(world: World) -> None:
    """An alias is not deleted by a user who neither made it nor has power in the room."""
    alice, bob, alias = world.user("alice"), world.user("bob"), new_alias(world)
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    alice.put(ALIAS, alias, body={"room_id": room}).ok()
    bob.delete(ALIAS, alias).refused(403, "M_FORBIDDEN")
    alice.get(ALIAS, alias).ok()


def check_aliases_of_a_room(world: World) -> None:
    """The aliases of a room are listed for its members and nobody else."""
    user, alias = world.user(), new_alias(world)
    room = user.create_room()
    user.put(ALIAS, alias, body={"room_id": room}).ok()
    assert user.get("/rooms/{}/aliases", room).ok() == {"aliases": [alias]}
    world.user().get("/rooms/{}/aliases", room).refused(403, "M_FORBIDDEN")


def check_canonical_alias(world: World) -> None:
    """An alias that leads to the room can be made its canonical one."""
    user, alias = world.user(), new_alias(world)
    room = user.create_room()
    user.put(ALIAS, alias, body={"room_id": room}).ok()
    user.set_state(room, "m.room.canonical_alias", {"alias": alias, "alt_aliases": [alias]})
    assert user.state(room, "m.room.canonical_alias")["alias"] == alias


def check_alias_against_the_rules(world: World) -> None:
    """An alias that the server's rules deny is not made, with a room neither."""
    user = world.user()
    name = world.name("forbidden")
    body = {"room_id": user.create_room()}
    alias = f"#{name}:{world.server_name}"
    user.put("/directory/room/{}", alias, body=body).refused(403, "M_FORBIDDEN")
    user.post("/createRoom", body={"room_alias_name": name}).refused(403, "M_FORBIDDEN")
    world.user().get("/directory/room/{}", alias).refused(404, "M_NOT_FOUND")
