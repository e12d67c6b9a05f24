"""Syncing with filters: each field of them."""

from typing import Any

from conformance.checks.state import shared_room
from conformance.checks.sync import joined, keys, rooms, timeline
from conformance.client import Json, User, World


def part(user: User, room: str, since: str | None = None, **wanted: Any) -> Json:
    """What a sync tells of a joined room, whose filter has this `room` part."""
    answer = user.sync(since, filter={"room": wanted})
    told: Json = answer.get("rooms", {}).get("join", {}).get(room, {})
    return told


def types(events: list[Json]) -> list[str]:
    """Their types."""
    return [event["type"] for event in events]


def check_rooms_left_out(world: World) -> None:
    """not_rooms wins over rooms."""
    user = world.user()
    one, two = user.create_room(), user.create_room()
    answer = user.sync(filter={"room": {"rooms": [one, two], "not_rooms": [two]}})
    assert rooms(answer, "join") == {one}


def check_timelines_of_some_rooms(world: World) -> None:
    """A timeline's own rooms leave other rooms without events, but with state."""
    user = world.user()
    one, two = user.create_room(), user.create_room()
    answer = user.sync(filter={"room": {"timeline": {"rooms": [one]}}})
    assert timeline(answer, one)
    assert timeline(answer, two) == []
    assert ("m.room.create", "") in keys(joined(answer, two)["state"]["events"])


def check_types_with_asterisks(world: World) -> None:
    """An asterisk in a type stands for anything; not_types wins over types."""
    alice, _, room = shared_room(world)
    for kind in ("org.example.a", "org.example.b", "org.other"):
        alice.send_event(room, kind, {})
    wanted = {"types": ["org.*"], "not_types": ["*.b"], "limit": 10}
    assert types(part(alice, room, timeline=wanted)["timeline"]["events"]) == [
        "org.example.a",
        "org.other",
    ]


def check_senders_left_out(world: World) -> None:
    """not_senders leaves out events of users, and wins over senders."""
    alice, bob, room = shared_room(world)
    since = alice.sync()["next_batch"]
    bob.send(room, "No")
    sent = alice.send(room, "Yes")
    both = [alice.user_id, bob.user_id]
    wanted = {"senders": both, "not_senders": [bob.user_id]}
    events = part(alice, room, since, timeline=wanted)["timeline"]["events"]
    assert [event["event_id"] for event in events] == [sent]


def check_events_with_urls(world: World) -> None:
    """contains_url has events with a url in their content only, or those without."""
    alice, _, room = shared_room(world)
    since = alice.sync()["next_batch"]
    plain = alice.send(room, "text")
    image = {"msgtype": "m.image", "body": "image", "url": "mxc://example.org/a"}
    with_url = alice.send_event(room, "m.room.message", image)
    for wanted, expected in ((True, with_url), (False, plain)):
        told = part(alice, room, since, timeline={"contains_url": wanted})
        assert [event["event_id"] for event in told["timeline"]["events"]] == [expected]


def check_types_of_state(world: World) -> None:
    """The state part of a filter chooses state and leaves the timeline alone."""
    user = world.user()
    room = user.create_room(name="Kitchen", topic="Food")
    user.send(room, "Hello")
    told = part(user, room, timeline={"limit": 1}, state={"types": ["m.room.name"]})
    assert keys(told["state"]["events"]) == {("m.room.name", "")}
    assert types(told["timeline"]["events"]) == ["m.room.message"]


def check_limit_of_state(world: World) -> None:
    """The state part of a filter may have a limit."""
    user = world.user()
    room = user.create_room(name="Kitchen")
    user.send(room, "Hello")
    told = part(user, room, timeline={"limit": 1}, state={"limit": 2})
    assert len(told["state"]["events"]) == 2


def check_account_data_by_type(world: World) -> None:
    """The account_data part of a filter chooses what belongs to no room."""
    user = world.user()
    for kind in ("org.example.one", "org.example.two"):
        user.put("/user/{}/account_data/{}", user.user_id, kind, body={}).ok()
    answer = user.sync(filter={"account_data": {"types": ["org.example.o*"]}})
    assert types(answer["account_data"]["events"]) == ["org.example.one"]


def check_account_data_of_rooms(world: World) -> None:
    """The room's account_data part chooses what belongs to rooms, by type and by room."""
    user = world.user()
    room = user.create_room()
    path = "/user/{}/rooms/{}/account_data/{}"
    for kind in ("org.example.one", "org.example.two"):
        user.put(path, user.user_id, room, kind, body={}).ok()
    told = part(user, room, account_data={"not_types": ["*.two"]})
    assert types(told["account_data"]["events"]) == ["org.example.one"]
    assert "account_data" not in part(user, room, account_data={"not_rooms": [room]})


def check_limit_of_account_data(world: World) -> None:
    """A limit on account data has the newest."""
    user = world.user()
    for kind in ("org.example.one", "org.example.two"):
        user.put("/user/{}/account_data/{}", user.user_id, kind, body={}).ok()
    wanted = {"types": ["org.example.*"], "limit": 1}
    answer = user.sync(filter={"account_data": wanted})
    assert types(answer["account_data"]["events"]) == ["org.example.two"]


def check_ephemeral_events_of_rooms(world: World) -> None:
    """The ephemeral part of a filter may leave out rooms and senders."""
    alice, bob, room = shared_room(world)
    event_id = alice.send(room, "Read me")
    since = alice.sync()["next_batch"]
    bob.post("/rooms/{}/receipt/{}/{}", room, "m.read", event_id).ok()
    assert "ephemeral" in part(alice, room, since)
    assert "ephemeral" not in part(alice, room, since, ephemeral={"not_rooms": [room]})
    by_bob = {"not_senders": [bob.user_id]}
    assert "ephemeral" not in part(alice, room, since, ephemeral=by_bob)


def check_events_as_servers_see_them(world: World) -> None:
    """event_format federation gives events as servers exchange them."""
    user = world.user()
    room = user.create_room()
    user.send(room, "Hello")
    wanted = {"event_format": "federation", "room": {"timeline": {"limit": 1}}}
    answer = user.sync(filter=wanted)
    event = timeline(answer, room)[0]
    assert {"auth_events", "prev_events", "depth", "hashes", "signatures"} <= event.keys()


def check_left_rooms_by_filter(world: World) -> None:
    """Rooms that were left come first only with include_leave, and never once forgotten."""
    _, bob, room = shared_room(world)
    bob.leave(room)
    with_left = {"room": {"include_leave": True}}
    assert rooms(bob.sync(), "leave") == set()
    assert rooms(bob.sync(filter=with_left), "leave") == {room}
    bob.post("/rooms/{}/forget", room).ok()
    assert rooms(bob.sync(filter=with_left), "leave") == set()


def check_redundant_members(world: World) -> None:
    """With include_redundant_members the senders' memberships come again and again."""
    alice, bob, room = shared_room(world)
    state = {"lazy_load_members": True, "include_redundant_members": True}
    wanted = {"room": {"state": state, "timeline": {"limit": 1}}}
    since = alice.sync(filter=wanted)["next_batch"]
    for text in ("One", "Two"):
        bob.send(room, text)
        answer = alice.sync(since, filter=wanted)
        since = answer["next_batch"]
        told = joined(answer, room)["state"]["events"]
        assert keys(told) == {("m.room.member", bob.user_id)}


def check_state_after_a_gap_with_lazy_members(world: World) -> None:
    """The state at the start of a timeline has the senders as they were then."""
    alice, bob, room = shared_room(world)
    bob.set_state(room, "m.room.member", {"membership": "join", "displayname": "B"}, bob.user_id)
    bob.send(room, "One")
    wanted = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 1}}}
    told = joined(alice.sync(filter=wanted), room)
    members = {
        one["state_key"]: one["content"].get("displayname")
        for one in told["state"]["events"]
        if one["type"] == "m.room.member"
    }
    assert members[bob.user_id] == "B"
    assert alice.user_id in members


def check_wrong_filters(world: World) -> None:
    """A filter whose fields have other types than they should is refused."""
    user = world.user()
    for wrong in (
        '{"room": []}',
        '{"room": {"timeline": {"limit": "ten"}}}',
        '{"room": {"timeline": {"limit": -1}}}',
        '{"room": {"state": {"types": "m.room.name"}}}',
        '{"room": {"include_leave": "yes"}}',
        '{"event_format": "xml"}',
        '{"event_fields": [1]}',
        "{",
    ):
        user.get("/sync", filter=wrong).refused(400, "M_INVALID_PARAM")
