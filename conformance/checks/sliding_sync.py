"""Simplified sliding sync."""

import json
import time
from typing import Any

from conformance.checks.state import shared_room
from conformance.client import Json, User, World
from conformance.parallel import meanwhile

PATH = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
STATE = [["m.room.name", ""], ["m.room.member", "$ME"], ["m.room.member", "$LAZY"]]


def wish(limit: int = 10, state: Any = None, **more: Any) -> Json:
    """What is wanted of rooms."""
    return {"timeline_limit": limit, "required_state": STATE if state is None else state} | more


def body(rooms: Json | None = None, **lists: Json) -> Json:
    """A request's body; without lists it has one of all rooms."""
    return {
        "conn_id": "check",
        "lists": lists or {"all": wish()},
        "room_subscriptions": rooms or {},
    }


def slide(user: User, asked: Json, pos: str | None = None, **query: Any) -> Json:
    """One request."""
    answer: Json = user.request("POST", PATH, body=asked, pos=pos, **query).ok()
    return answer


def ids(told: Json) -> list[str]:
    """The events of a timeline."""
    return [event["event_id"] for event in told.get("timeline", [])]


def check_it_is_announced(world: World) -> None:
    """/versions says that the server has simplified sliding sync."""
    features = world.user().get("/_matrix/client/versions").ok()["unstable_features"]
    assert features["org.matrix.simplified_msc3575"] is True


def check_anonymous_callers_are_refused(world: World) -> None:
    """Nobody slides without an access token."""
    world.stranger.request("POST", PATH, body={}).refused(401, "M_MISSING_TOKEN")


def check_first_answer(world: World) -> None:
    """The first answer has every room of the list, marked as initial, with name and counts."""
    alice, _, room = shared_room(world)
    told = slide(alice, body())["rooms"][room]
    assert told["initial"] is True
    assert told["joined_count"] == 2
    assert told["membership"] == "join"
    assert told["bump_stamp"] >= 0


def check_what_is_new(world: World) -> None:
    """An answer to a token has what came since, and only that."""
    alice, bob, room = shared_room(world)
    pos = slide(alice, body())["pos"]
    sent = bob.send(room, "Dinner is ready")
    answer = slide(alice, body(), pos)
    assert ids(answer["rooms"][room]) == [sent]
    assert answer["rooms"][room]["num_live"] == 1
    assert not slide(alice, body(), answer["pos"]).get("rooms")


def check_a_token_can_be_used_again(world: World) -> None:
    """A request that is repeated gets the same events again."""
    alice, bob, room = shared_room(world)
    pos = slide(alice, body())["pos"]
    sent = bob.send(room, "Once")
    for _ in range(2):
        assert ids(slide(alice, body(), pos)["rooms"][room]) == [sent]


def check_unknown_tokens(world: World) -> None:
    """A token that the server did not give out means that the connection begins anew."""
    user = world.user()
    for pos in ("nonsense", "s1", "s1~1.1"):
        asked = user.request("POST", PATH, body=body(), pos=pos)
        asked.refused(400, "M_UNKNOWN_POS")


def check_tokens_of_others(world: World) -> None:
    """A token is good for the device that got it and for nobody else."""
    alice, bob, _ = shared_room(world)
    pos = slide(alice, body())["pos"]
    for other in (bob, alice.new_device()):
        other.request("POST", PATH, body=body(), pos=pos).refused(400, "M_UNKNOWN_POS")


def check_ranges(world: World) -> None:
    """A range shows the rooms with the newest events, and a wider one the others."""
    user = world.user()
    rooms = [user.create_room() for _ in range(3)]
    narrow, wide = (body(all=wish(ranges=[[0, last]])) for last in (0, 2))
    first = slide(user, narrow)
    assert set(first["rooms"]) == {rooms[2]}
    assert first["lists"]["all"]["count"] == 3
    second = slide(user, wide, first["pos"])
    assert set(second["rooms"]) == set(rooms[:2])


def check_backward_ranges(world: World) -> None:
    """A range that ends before it begins is refused."""
    asked = world.user().request("POST", PATH, body=body(all=wish(ranges=[[2, 1]])))
    asked.refused(400, "M_INVALID_PARAM")


def check_too_many_subscriptions(world: World) -> None:
    """More than a hundred rooms are refused."""
    rooms = {f"!{number}:example.org": wish() for number in range(101)}
    world.user().request("POST", PATH, body=body(rooms)).refused(400, "M_INVALID_PARAM")


def check_subscriptions(world: World) -> None:
    """A room that is asked for by ID is told whatever the lists are."""
    user = world.user()
    room, _ = user.create_room(), user.create_room()
    answer = slide(user, body({room: wish()}, all=wish(ranges=[[0, 0]])))
    assert room in answer["rooms"]


def check_rooms_of_others(world: World) -> None:
    """Rooms that the user never was in are not told, whatever is asked."""
    alice, stranger = world.user(), world.user()
    room = alice.create_room(preset="public_chat")
    assert not slide(stranger, body({room: wish()})).get("rooms")


def check_required_state(world: World) -> None:
    """Only the state that was asked for is told."""
    user = world.user()
    room = user.create_room(name="Kitchen", topic="Food")
    told = slide(user, body(all=wish(state=[["m.room.name", ""]])))["rooms"][room]
    assert [event["type"] for event in told["required_state"]] == ["m.room.name"]
    assert told["name"] == "Kitchen"


def check_grown_limits(world: World) -> None:
    """When the limit of a timeline grows, the older events come at once, and are marked."""
    user = world.user()
    room = user.create_room()
    sent = [user.send(room, str(number)) for number in range(3)]
    first = slide(user, body(all=wish(limit=1)))
    assert ids(first["rooms"][room]) == sent[-1:]
    more = body({room: wish(limit=3)}, all=wish(limit=1))
    told = slide(user, more, first["pos"])["rooms"][room]
    assert ids(told) == sent
    assert told["unstable_expanded_timeline"] is True


def check_invites(world: World) -> None:
    """An invite comes with stripped state, the create event in it."""
    alice, bob = world.user(), world.user()
    room = alice.create_room(name="Kitchen")
    alice.invite(room, bob)
    told = slide(bob, body())["rooms"][room]
    assert {"m.room.create", "m.room.member"} <= {one["type"] for one in told["invite_state"]}
    assert "timeline" not in told


def check_filters_of_invites(world: World) -> None:
    """A list may have invites only, or none."""
    alice, bob = world.user(), world.user()
    room, own = alice.create_room(), bob.create_room()
    alice.invite(room, bob)
    only = slide(bob, body(all=wish(filters={"is_invite": True})))
    assert set(only["rooms"]) == {room}
    none = slide(bob, body(all=wish(filters={"is_invite": False})))
    assert set(none["rooms"]) == {own}


def check_filters_of_types(world: World) -> None:
    """A list may leave out spaces, or have nothing else."""
    user = world.user()
    space, room = user.create_room(creation_content={"type": "m.space"}), user.create_room()
    assert set(slide(user, body(all=wish(filters={"room_types": ["m.space"]})))["rooms"]) == {space}
    others = slide(user, body(all=wish(filters={"not_room_types": ["m.space"]})))
    assert set(others["rooms"]) == {room}


def check_filters_of_direct_chats(world: World) -> None:
    """A list may have direct chats only, which are marked as such."""
    user = world.user()
    room, _ = user.create_room(), user.create_room()
    path = "/user/{}/account_data/m.direct"
    user.put(path, user.user_id, body={"@bob:example.org": [room]}).ok()
    answer = slide(user, body(all=wish(filters={"is_dm": True})))
    assert set(answer["rooms"]) == {room}
    assert answer["rooms"][room]["is_dm"] is True


def check_filters_of_encryption(world: World) -> None:
    """A list may have encrypted rooms only."""
    user = world.user()
    room, _ = user.create_room(), user.create_room()
    user.set_state(room, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    assert set(slide(user, body(all=wish(filters={"is_encrypted": True})))["rooms"]) == {room}


def check_filters_of_tags(world: World) -> None:
    """A list may have rooms with a tag only, or without it."""
    user = world.user()
    room, other = user.create_room(), user.create_room()
    user.put("/user/{}/rooms/{}/tags/{}", user.user_id, room, "m.favourite", body={}).ok()
    liked = slide(user, body(all=wish(filters={"tags": ["m.favourite"]})))
    assert set(liked["rooms"]) == {room}
    rest = slide(user, body(all=wish(filters={"not_tags": ["m.favourite"]})))
    assert set(rest["rooms"]) == {other}


def check_nothing_after_a_ban(world: World) -> None:
    """Who is banned is told so, and nothing that comes after."""
    alice, bob, room = shared_room(world)
    pos = slide(bob, body({room: wish(state=[["*", "*"]])}))["pos"]
    alice.ban(room, bob)
    alice.set_state(room, "m.room.name", {"name": "Secret"})
    alice.send(room, "Secret")
    answer = slide(bob, body({room: wish(state=[["*", "*"]])}), pos)
    assert answer["rooms"][room]["membership"] == "ban"
    assert "Secret" not in json.dumps(answer)
    assert not slide(bob, body({room: wish(state=[["*", "*"]])}), answer["pos"]).get("rooms")


def check_leaving(world: World) -> None:
    """Who leaves is told so once; a new connection does not have the room."""
    _, bob, room = shared_room(world)
    first = slide(bob, body())
    bob.leave(room)
    answer = slide(bob, body(), first["pos"])
    assert answer["rooms"][room]["membership"] == "leave"
    assert not slide(bob, body())["rooms"]


def check_waiting(world: World) -> None:
    """A request with a timeout waits for an event and ends with it."""
    alice, bob, room = shared_room(world)
    pos = slide(alice, body())["pos"]
    with meanwhile(lambda: slide(alice, body(), pos, timeout=20_000)) as waiting:
        time.sleep(0.3)
        sent = bob.send(room, "Dinner is ready")
    assert ids(waiting.result()["rooms"][room]) == [sent]


def check_timeouts(world: World) -> None:
    """A request with a timeout ends at it when nothing happens."""
    user = world.user()
    pos = slide(user, body())["pos"]
    started = time.monotonic()
    assert not slide(user, body(), pos, timeout=700).get("rooms")
    assert 0.5 < time.monotonic() - started < 5


def check_transaction_ids(world: World) -> None:
    """The device that sent an event sees its transaction ID, and no other device."""
    alice, bob, room = shared_room(world)
    other = alice.new_device()
    path = "/rooms/{}/send/m.room.message/{}"
    alice.put(path, room, "mine", body={"msgtype": "m.text", "body": "hi"}).ok()
    seen = {}
    for user in (alice, bob, other):
        event = slide(user, body())["rooms"][room]["timeline"][-1]
        seen[user] = event["unsigned"].get("transaction_id")
    assert list(seen.values()) == ["mine", None, None]


def check_messages_to_devices(world: World) -> None:
    """Messages to a device come until their own token comes back."""
    alice, bob = world.user(), world.user()
    asked = body(all=wish()) | {"extensions": {"to_device": {"enabled": True}}}
    content = {alice.user_id: {alice.device_id: {"word": "hello"}}}
    bob.put("/sendToDevice/{}/{}", "org.example", "t1", body={"messages": content}).ok()
    first = slide(alice, asked)["extensions"]["to_device"]
    assert [one["content"] for one in first["events"]] == [{"word": "hello"}]
    assert slide(alice, asked)["extensions"]["to_device"]["events"] == first["events"]
    asked["extensions"]["to_device"]["since"] = first["next_batch"]
    assert not slide(alice, asked)["extensions"]["to_device"].get("events")


def check_bad_message_tokens(world: World) -> None:
    """A token that the to_device extension did not give out is refused."""
    asked = body() | {"extensions": {"to_device": {"enabled": True, "since": "nonsense"}}}
    world.user().request("POST", PATH, body=asked).refused(400, "M_INVALID_PARAM")


def check_supply_of_keys(world: World) -> None:
    """The first answer says how many one-time keys there are."""
    asked = body() | {"extensions": {"e2ee": {"enabled": True}}}
    told = slide(world.user(), asked)["extensions"]["e2ee"]
    assert told["device_one_time_keys_count"] == {"signed_curve25519": 0}
    assert told["device_unused_fallback_key_types"] == []


def check_account_data(world: World) -> None:
    """Account data comes first as a whole, and then as it changes."""
    user = world.user()
    asked = body() | {"extensions": {"account_data": {"enabled": True}}}
    first = slide(user, asked)
    kinds = {one["type"] for one in first["extensions"]["account_data"]["global"]}
    assert "m.push_rules" in kinds
    user.put("/user/{}/account_data/{}", user.user_id, "org.example", body={"n": 1}).ok()
    told = slide(user, asked, first["pos"])["extensions"]["account_data"]["global"]
    assert told == [{"type": "org.example", "content": {"n": 1}}]


def check_typing_and_receipts(world: World) -> None:
    """Who types, and who has read, is told of rooms in sight."""
    alice, bob, room = shared_room(world)
    asked = body() | {"extensions": {"typing": {"enabled": True}, "receipts": {"enabled": True}}}
    event_id = alice.send(room, "Read me")
    pos = slide(alice, asked)["pos"]
    bob.put("/rooms/{}/typing/{}", room, bob.user_id, body={"typing": True, "timeout": 9000}).ok()
    bob.post("/rooms/{}/receipt/{}/{}", room, "m.read", event_id).ok()
    told = slide(alice, asked, pos)["extensions"]
    assert told["typing"]["rooms"][room]["content"]["user_ids"] == [bob.user_id]
    assert bob.user_id in told["receipts"]["rooms"][room]["content"][event_id]["m.read"]
