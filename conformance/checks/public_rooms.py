"""The directory of public rooms."""

from conformance.client import Client, Json, World


def listed(client: Client, **wish: object) -> list[Json]:
    """Every room of the directory that fits, page by page."""
    rooms: list[Json] = []
    answer = client.post("/publicRooms", body=wish).ok()
    rooms.extend(answer["chunk"])
    while "next_batch" in answer:
        answer = client.post("/publicRooms", body=wish | {"since": answer["next_batch"]}).ok()
        rooms.extend(answer["chunk"])
        assert len(rooms) < 5000
    return rooms


def named(client: Client, name: str) -> list[Json]:
    """The rooms of the directory in whose name, topic or alias the word occurs."""
    return listed(client, filter={"generic_search_term": name})


def check_public_room_is_listed(world: World) -> None:
    """A public room is listed with its name, topic, alias, members and join rule."""
    alice, bob = world.user("alice"), world.user("bob")
    name = world.name("kitchen")
    room = alice.create_room(visibility="public", name=name, topic="Recipes", room_alias_name=name)
    bob.join(room)
    (entry,) = named(bob, name)
    assert (entry["room_id"], entry["name"], entry["topic"]) == (room, name, "Recipes")
    assert entry["canonical_alias"] == f"#{name}:{world.server_name}"
    assert (entry["num_joined_members"], entry.get("join_rule", "public")) == (2, "public")
    assert (entry["world_readable"], entry["guest_can_join"]) == (False, False)


def check_private_room_is_not_listed(world: World) -> None:
    """A room that was not published is not listed, even if anybody may join."""
    user, name = world.user(), world.name("kitchen")
    user.create_room(preset="public_chat", name=name)
    assert named(user, name) == []


def check_room_is_published_and_withdrawn(world: World) -> None:
    """A room is published and withdrawn, and everybody may ask whether it is."""
    user, name = world.user(), world.name("kitchen")
    room = user.create_room(preset="public_chat", name=name)
    path = "/directory/list/room/{}"
    user.put(path, room, body={"visibility": "public"}).ok()
    assert [entry["room_id"] for entry in named(user, name)] == [room]
    assert world.stranger.get(path, room).ok() == {"visibility": "public"}
    user.put(path, room, body={"visibility": "private"}).ok()
    assert named(user, name) == []
    assert world.stranger.get(path, room).ok() == {"visibility": "private"}


def check_publishing_needs_power(world: World) -> None:
    """A room is not published by a member without power."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    answer = bob.put("/directory/list/room/{}", room, body={"visibility": "public"})
    answer.refused(403, "M_FORBIDDEN")


def check_unknown_room(world: World) -> None:
    """A room that does not exist has no visibility and cannot be published."""
    room = f"!nowhere:{world.server_name}"
    path = "/directory/list/room/{}"
    world.stranger.get(path, room).refused(404, "M_NOT_FOUND")
    world.user().put(path, room, body={"visibility": "public"}).refused(404, "M_NOT_FOUND")


def check_pages(world: World) -> None:
    """The directory is read in pages that show every room once."""
    user, word = world.user(), world.name("pages")
    rooms = {user.create_room(visibility="public", name=f"{word} {n}") for n in range(5)}
    found = [
        entry["room_id"] for entry in listed(user, limit=2, filter={"generic_search_term": word})
    ]
    assert len(found) == 5
    assert set(found) == rooms


def check_pages_with_get(world: World) -> None:
    """The directory is read with GET as well, in pages of the wanted size."""
    user, word = world.user(), world.name("pages")
    for number in range(3):
        user.create_room(visibility="public", name=f"{word} {number}")
    first = user.get("/publicRooms", limit=2).ok()
    assert len(first["chunk"]) == 2
    second = user.get("/publicRooms", limit=2, since=first["next_batch"]).ok()
    ids = [entry["room_id"] for entry in first["chunk"] + second["chunk"]]
    assert len(ids) == len(set(ids))


def check_estimate(world: World) -> None:
    """The directory tells how many rooms it has, if it tells, as a whole number."""
    user, word = world.user(), world.name("counted")
    user.create_room(visibility="public", name=word)
    answer = user.post("/publicRooms", body={"filter": {"generic_search_term": word}}).ok()
    assert len(answer["chunk"]) == 1
    assert answer.get("total_room_count_estimate", 1) >= 1


def check_room_types(world: World) -> None:
    """The directory is filtered by the type of the rooms."""
    user, word = world.user(), world.name("typed")
    room = user.create_room(visibility="public", name=word)
    content = {"type": "m.space"}
    space = user.create_room(visibility="public", name=word, creation_content=content)
    wish = {"generic_search_term": word}
    spaces = listed(user, filter=wish | {"room_types": ["m.space"]})
    plain = listed(user, filter=wish | {"room_types": [None]})
    assert [(entry["room_id"], entry["room_type"]) for entry in spaces] == [(space, "m.space")]
    assert [entry["room_id"] for entry in plain] == [room]


def check_unknown_page(world: World) -> None:
    """A page token that the server never gave out is refused."""
    answer = world.user().post("/publicRooms", body={"since": "made-up"})
    answer.refused(400, "M_INVALID_PARAM")


def check_redacted_name_is_not_listed(world: World) -> None:
    """A name that was redacted is in the directory no more."""
    user, name = world.user(), world.name("rude")
    room = user.create_room(visibility="public")
    event_id = user.set_state(room, "m.room.name", {"name": name})
    assert [entry["room_id"] for entry in named(user, name)] == [room]
    user.put("/rooms/{}/redact/{}/{}", room, event_id, "t", body={}).ok()
    assert named(user, name) == []


def check_join_rule_is_told(world: World) -> None:
    """A room without a join rule is listed as one for the invited."""
    user, name = world.user(), world.name("kitchen")
    state = [{"type": "m.room.join_rules", "content": {}}]
    user.create_room(visibility="public", name=name, initial_state=state)
    (entry,) = named(user, name)
    assert entry["join_rule"] == "invite"
