"""Looking at rooms without sync: one room at once, all rooms at once, the old event stream."""

from conformance.client import Json, User, World
from conformance.parallel import meanwhile

SHOWN = {"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}
LONG_MS = 20_000


def open_room(user: User) -> str:
    """A room that the world may read."""
    return user.create_room(initial_state=[SHOWN], name="Kitchen")


def ids(events: list[Json]) -> list[str]:
    """Their IDs."""
    return [event["event_id"] for event in events]


def check_room_at_once(world: World) -> None:
    """The initialSync of a room has its state, latest messages and the caller's data for it."""
    user = world.user()
    room = user.create_room(name="Kitchen")
    sent = user.send(room, "Dinner is ready")
    path = "/user/{}/rooms/{}/account_data/{}"
    user.put(path, user.user_id, room, "org.example.note", body={"n": 1}).ok()
    found = user.get("/rooms/{}/initialSync", room).ok()
    assert found["room_id"] == room and found["membership"] == "join"
    assert found["visibility"] == "private"
    assert ids(found["messages"]["chunk"])[-1] == sent
    assert {"Kitchen"} <= {event["content"].get("name") for event in found["state"]}
    assert {"type": "org.example.note", "content": {"n": 1}} in found["account_data"]


def check_room_of_former_member(world: World) -> None:
    """Who has left gets the room's initialSync as it was when they left."""
    owner, user = world.user(), world.user()
    room = owner.create_room(preset="public_chat", name="Before")
    user.join(room)
    user.leave(room)
    owner.set_state(room, "m.room.name", {"name": "After"})
    hidden = owner.send(room, "Not for those who left")
    found = user.get("/rooms/{}/initialSync", room).ok()
    names = [event["content"]["name"] for event in found["state"] if event["type"] == "m.room.name"]
    assert names == ["Before"]
    assert found["membership"] == "leave"
    assert hidden not in ids(found["messages"]["chunk"])


def check_messages_go_on_from_room_at_once(world: World) -> None:
    """Paging goes on where the messages of the initialSync of a room begin."""
    user = world.user()
    room = user.create_room()
    for number in range(30):
        user.send(room, str(number))
    found = user.get("/rooms/{}/initialSync", room).ok()["messages"]
    earlier = user.history(room, from_=found["start"])
    assert not set(ids(earlier)) & set(ids(found["chunk"]))
    whole = [*reversed(ids(earlier)), *ids(found["chunk"])]
    assert whole == list(reversed(ids(user.history(room))))


def check_all_rooms_at_once(world: World) -> None:
    """The old initialSync has every joined room, with as many messages as are asked for."""
    user = world.user()
    rooms = {user.create_room(), user.create_room()}
    for room in rooms:
        for number in range(5):
            user.send(room, str(number))
    found = user.get("/initialSync", limit=2).ok()
    assert {room["room_id"] for room in found["rooms"]} == rooms
    for room in found["rooms"]:
        texts = [event["content"]["body"] for event in room["messages"]["chunk"]]
        assert texts == ["3", "4"], texts


def check_left_rooms_at_once(world: World) -> None:
    """The old initialSync has rooms that were left only where `archived` asks for them."""
    user = world.user()
    kept, left = user.create_room(), user.create_room()
    user.leave(left)
    for archived, expected in ((False, {kept}), (True, {kept, left})):
        found = user.get("/initialSync", archived=archived).ok()
        assert {room["room_id"] for room in found["rooms"]} == expected


def check_invites_at_once(world: World) -> None:
    """The old initialSync shows an invite as such, and nothing else of that room."""
    owner, user = world.user(), world.user()
    room = owner.create_room(name="Kitchen")
    owner.invite(room, user)
    (found,) = user.get("/initialSync").ok()["rooms"]
    assert found["membership"] == "invite" and "state" not in found and "messages" not in found
    assert found["invite"]["state_key"] == user.user_id


def check_nothing_at_once(world: World) -> None:
    """The old initialSync of a user without any room finds nothing."""
    world.user().get("/initialSync").refused(404, "M_NOT_FOUND")


def check_event_stream(world: World) -> None:
    """The old event stream goes on from the initialSync, each event once."""
    user = world.user()
    room = user.create_room()
    token = user.get("/initialSync").ok()["end"]
    sent = [user.send(room, str(number)) for number in range(3)]
    found = user.get("/events", from_=token, timeout=0).ok()
    assert ids(found["chunk"]) == sent
    assert user.get("/events", from_=found["end"], timeout=0).ok()["chunk"] == []


def check_event_stream_waits(world: World) -> None:
    """The old event stream waits for an event and ends at once when one comes."""
    user = world.user()
    room = user.create_room()
    token = user.get("/initialSync").ok()["end"]
    with meanwhile(lambda: user.get("/events", from_=token, timeout=LONG_MS).ok()) as waiting:
        sent = user.send(room, "Dinner is ready")
    assert ids(waiting.result()["chunk"]) == [sent]


def check_event_stream_has_no_strange_rooms(world: World) -> None:
    """The old event stream has nothing of rooms in which the user is not."""
    owner, user = world.user(), world.user()
    user.create_room()
    token = user.get("/initialSync").ok()["end"]
    owner.send(open_room(owner), "Nothing for others")
    assert user.get("/events", from_=token, timeout=0).ok()["chunk"] == []


def check_token_of_no_stream(world: World) -> None:
    """A token of no server is refused by the old event stream."""
    user = world.user()
    user.get("/events", from_="soup", timeout=0).refused(400, "M_INVALID_PARAM")
    room = open_room(user)
    answer = user.get("/events", from_="soup", room_id=room, timeout=0)
    answer.refused(400, "M_INVALID_PARAM")


def check_peeking(world: World) -> None:
    """Anybody watches a room that the world may read, waiting for what is said."""
    owner, guest = world.user(), world.guest()
    room = open_room(owner)
    token = guest.get("/rooms/{}/initialSync", room).ok()["messages"]["end"]
    query = {"from_": token, "room_id": room, "timeout": LONG_MS}
    with meanwhile(lambda: guest.get("/events", **query).ok()) as waiting:
        sent = owner.send(room, "Dinner is ready")
    assert ids(waiting.result()["chunk"]) == [sent]


def check_peeking_ends_with_the_rule(world: World) -> None:
    """Once the world may not read a room any more, strangers watch it no longer."""
    owner, stranger = world.user(), world.user()
    room = open_room(owner)
    stranger.get("/events", room_id=room, timeout=0).ok()
    owner.set_state(room, "m.room.history_visibility", {"history_visibility": "joined"})
    stranger.get("/events", room_id=room, timeout=0).refused(403, "M_FORBIDDEN")
    stranger.get("/rooms/{}/initialSync", room).refused(403, "M_FORBIDDEN")


def check_peeking_at_nothing(world: World) -> None:
    """A room that nobody has made is not watched."""
    user = world.user()
    room = f"!{world.name()}:{world.server_name}"
    user.get("/events", room_id=room, timeout=0).refused(404, "M_NOT_FOUND")


def check_event_without_room(world: World) -> None:
    """An event is found by its ID alone, by those who may see it."""
    user, stranger = world.user(), world.user()
    sent = user.send(user.create_room(), "Dinner is ready")
    assert user.get("/events/{}", sent).ok()["event_id"] == sent
    stranger.get("/events/{}", sent).refused(404, "M_NOT_FOUND")
    user.get("/events/{}", "$nothing").refused(404, "M_NOT_FOUND")


def check_event_by_time(world: World) -> None:
    """The event nearest to a time is found forwards and backwards."""
    user = world.user()
    room = user.create_room()
    events = [user.event(room, user.send(room, str(number))) for number in range(3)]
    for direction, times in (("b", (0, 2)), ("f", (0, 2))):
        for number in times:
            moment = events[number]["origin_server_ts"]
            query = {"dir": direction, "ts": moment}
            found = user.get("/_matrix/client/v1/rooms/{}/timestamp_to_event", room, **query).ok()
            assert found["origin_server_ts"] == moment


def check_no_event_at_that_time(world: World) -> None:
    """Before the room was made and after the newest event nothing is found."""
    user = world.user()
    room = user.create_room()
    newest = user.history(room)[0]["origin_server_ts"]
    path = "/_matrix/client/v1/rooms/{}/timestamp_to_event"
    user.get(path, room, dir="f", ts=newest + 1).refused(404, "M_NOT_FOUND")
    user.get(path, room, dir="b", ts=1).refused(404, "M_NOT_FOUND")


def check_hidden_event_by_time(world: World) -> None:
    """An event that the user may not see is not found by its time."""
    owner, user = world.user(), world.user()
    rule = {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}
    room = owner.create_room(preset="public_chat", initial_state=[rule])
    hidden = owner.event(room, owner.send(room, "Nothing for those who come"))
    user.join(room)
    query = {"dir": "b", "ts": hidden["origin_server_ts"]}
    answer = user.get("/_matrix/client/v1/rooms/{}/timestamp_to_event", room, **query)
    assert answer.status == 404 or answer.ok()["event_id"] != hidden["event_id"]
