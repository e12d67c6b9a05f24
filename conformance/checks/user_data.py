"""What users keep on the server for themselves: filters, account data, tags."""

from conformance.client import Json, User, World

DATA = "/user/{}/account_data/{}"
ROOM_DATA = "/user/{}/rooms/{}/account_data/{}"
TAG = "/user/{}/rooms/{}/tags/{}"


def by_type(events: list[Json]) -> dict[str, Json]:
    """The contents of events, by their type."""
    return {event["type"]: event["content"] for event in events}


def user_and_room(world: World) -> tuple[User, str]:
    """A user and a room of theirs."""
    user = world.user()
    return user, user.create_room()


def check_filter_is_kept(world: World) -> None:
    """A filter is kept as it was defined, on every device of the user."""
    user = world.user()
    definition = {"room": {"timeline": {"limit": 3}}, "event_fields": ["type", "content"]}
    filter_id = user.post("/user/{}/filter", user.user_id, body=definition).ok()["filter_id"]
    assert not filter_id.startswith("{")
    kept = user.new_device().get("/user/{}/filter/{}", user.user_id, filter_id).ok()
    assert kept["room"]["timeline"]["limit"] == 3


def check_unknown_filter(world: World) -> None:
    """A filter that was never defined is not found."""
    user = world.user()
    for filter_id in ("9999999", "nonsense"):
        user.get("/user/{}/filter/{}", user.user_id, filter_id).refused(404, "M_NOT_FOUND")


def check_filter_of_another(world: World) -> None:
    """Filters of another user are neither defined nor read."""
    alice, bob = world.user("alice"), world.user("bob")
    filter_id = alice.post("/user/{}/filter", alice.user_id, body={}).ok()["filter_id"]
    bob.post("/user/{}/filter", alice.user_id, body={}).refused(403, "M_FORBIDDEN")
    bob.get("/user/{}/filter/{}", alice.user_id, filter_id).refused(403, "M_FORBIDDEN")


def check_malformed_filter(world: World) -> None:
    """A filter whose parts have wrong types is refused."""
    user = world.user()
    wrong = [{"room": []}, {"room": {"timeline": {"limit": "3"}}}, {"event_format": "xml"}]
    for definition in wrong:
        answer = user.post("/user/{}/filter", user.user_id, body=definition)
        answer.refused(400, "M_BAD_JSON", "M_INVALID_PARAM")


def check_account_data(world: World) -> None:
    """Account data is kept for every device of the user, and replaced as a whole."""
    user = world.user()
    user.put(DATA, user.user_id, "org.example.theme", body={"color": "red", "size": 2}).ok()
    user.put(DATA, user.user_id, "org.example.theme", body={"color": "blue"}).ok()
    phone = user.new_device()
    assert phone.get(DATA, user.user_id, "org.example.theme").ok() == {"color": "blue"}


def check_absent_account_data(world: World) -> None:
    """Account data that was never set is not found."""
    user, room = user_and_room(world)
    user.get(DATA, user.user_id, "org.example.none").refused(404, "M_NOT_FOUND")
    user.get(ROOM_DATA, user.user_id, room, "org.example.none").refused(404, "M_NOT_FOUND")


def check_account_data_of_a_room(world: World) -> None:
    """Account data of a room is kept apart from that of other rooms and from the rest."""
    user, room = user_and_room(world)
    other = user.create_room()
    user.put(ROOM_DATA, user.user_id, room, "org.example.theme", body={"color": "red"}).ok()
    assert user.get(ROOM_DATA, user.user_id, room, "org.example.theme").ok() == {"color": "red"}
    user.get(ROOM_DATA, user.user_id, other, "org.example.theme").refused(404, "M_NOT_FOUND")
    user.get(DATA, user.user_id, "org.example.theme").refused(404, "M_NOT_FOUND")


def check_account_data_of_another(world: World) -> None:
    """Account data of another user is neither read nor written."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room()
    alice.put(DATA, alice.user_id, "org.example.theme", body={}).ok()
    bob.get(DATA, alice.user_id, "org.example.theme").refused(403, "M_FORBIDDEN")
    bob.put(DATA, alice.user_id, "org.example.theme", body={}).refused(403, "M_FORBIDDEN")
    path = (ROOM_DATA, alice.user_id, room, "org.example.theme")
    bob.get(*path).refused(403, "M_FORBIDDEN")
    bob.put(*path, body={}).refused(403, "M_FORBIDDEN")


def check_managed_account_data(world: World) -> None:
    """Account data that the server manages is not written directly."""
    user, room = user_and_room(world)
    user.put(DATA, user.user_id, "m.push_rules", body={}).refused(405, "M_BAD_JSON")
    user.put(ROOM_DATA, user.user_id, room, "m.fully_read", body={}).refused(405, "M_BAD_JSON")


def check_account_data_is_an_object(world: World) -> None:
    """Account data is an object."""
    user = world.user()
    for body in (b"[]", b'"red"', b"7", b"null"):
        user.put(DATA, user.user_id, "org.example.theme", body=body).refused(400, "M_BAD_JSON")


def check_account_data_is_synced(world: World) -> None:
    """Account data comes with the first sync and, when it changes, with the next."""
    user, room = user_and_room(world)
    user.put(DATA, user.user_id, "org.example.theme", body={"color": "red"}).ok()
    first = user.sync()
    assert by_type(first["account_data"]["events"])["org.example.theme"] == {"color": "red"}
    phone = user.new_device()
    phone.put(DATA, user.user_id, "org.example.theme", body={"color": "blue"}).ok()
    phone.put(ROOM_DATA, user.user_id, room, "org.example.seat", body={"n": 1}).ok()
    second = user.sync(first["next_batch"])
    changed = by_type(second["account_data"]["events"])
    assert changed["org.example.theme"] == {"color": "blue"}
    in_room = second["rooms"]["join"][room]["account_data"]["events"]
    assert by_type(in_room) == {"org.example.seat": {"n": 1}}


def check_account_data_is_private(world: World) -> None:
    """Account data of a user is not told to other members of the room."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    since = bob.sync()["next_batch"]
    alice.put(ROOM_DATA, alice.user_id, room, "org.example.secret", body={"n": 1}).ok()
    alice.put(DATA, alice.user_id, "org.example.secret", body={"n": 1}).ok()
    alice.send(room, "Nothing to see")
    assert "org.example.secret" not in str(bob.sync(since))


def check_tags(world: World) -> None:
    """A room is tagged, the tags are listed, and a tag is taken off."""
    user, room = user_and_room(world)
    user.put(TAG, user.user_id, room, "m.favourite", body={"order": 0.25}).ok()
    user.put(TAG, user.user_id, room, "u.work", body={}).ok()
    path = "/user/{}/rooms/{}/tags"
    tags = user.get(path, user.user_id, room).ok()["tags"]
    assert tags == {"m.favourite": {"order": 0.25}, "u.work": {}}
    user.delete(TAG, user.user_id, room, "u.work").ok()
    assert user.get(path, user.user_id, room).ok()["tags"].keys() == {"m.favourite"}


def check_tags_are_synced(world: World) -> None:
    """Tags are told as account data of the room, in the first sync and in later ones."""
    user, room = user_and_room(world)
    since = user.sync()["next_batch"]
    user.put(TAG, user.user_id, room, "u.work", body={"order": 0.5}).ok()
    later = user.sync(since)["rooms"]["join"][room]["account_data"]["events"]
    first = user.sync()["rooms"]["join"][room]["account_data"]["events"]
    assert (
        by_type(later)["m.tag"] == by_type(first)["m.tag"] == {"tags": {"u.work": {"order": 0.5}}}
    )


def check_tags_of_another(world: World) -> None:
    """Tags of another user are neither read nor written."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room()
    bob.get("/user/{}/rooms/{}/tags", alice.user_id, room).refused(403, "M_FORBIDDEN")
    bob.put(TAG, alice.user_id, room, "u.work", body={}).refused(403, "M_FORBIDDEN")
    bob.delete(TAG, alice.user_id, room, "u.work").refused(403, "M_FORBIDDEN")


def check_order_of_a_tag(world: World) -> None:
    """The order of a tag is a number."""
    user, room = user_and_room(world)
    answer = user.put(TAG, user.user_id, room, "u.work", body={"order": "first"})
    answer.refused(400, "M_BAD_JSON")


def check_account_data_is_told_once(world: World) -> None:
    """A sync tells account data that has changed since, and nothing that was told before."""
    user = world.user()
    user.put(DATA, user.user_id, "org.example.first", body={"n": 1}).ok()
    token = user.sync()["next_batch"]
    user.put(DATA, user.user_id, "org.example.second", body={"n": 2}).ok()
    told = by_type(user.sync(token)["account_data"]["events"])
    assert told == {"org.example.second": {"n": 2}}
