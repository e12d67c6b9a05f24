"""What passes: typing, receipts, read markers, and the counts that they move."""

from conformance.checks.state import shared_room
from conformance.client import Json, User, World

RECEIPT = "/rooms/{}/receipt/{}/{}"


def type_in(user: User, room: str, *, typing: bool = True, timeout_ms: int = 30_000) -> None:
    """Begin or stop to type."""
    body = {"typing": typing, "timeout": timeout_ms} if typing else {"typing": False}
    user.put("/rooms/{}/typing/{}", room, user.user_id, body=body).ok()


def ephemeral(answer: Json, room: str, kind: str) -> Json | None:
    """The content of the ephemeral event of a type in a sync."""
    joined = answer.get("rooms", {}).get("join", {}).get(room, {})
    events = joined.get("ephemeral", {}).get("events", [])
    return next((event["content"] for event in events if event["type"] == kind), None)


def account_data(answer: Json, room: str, kind: str) -> Json | None:
    """The content of the room's account data of a type in a sync."""
    events = answer["rooms"]["join"][room].get("account_data", {}).get("events", [])
    return next((event["content"] for event in events if event["type"] == kind), None)


def check_typing(world: World) -> None:
    """A member who types is shown to the others, until they stop."""
    alice, bob, room = shared_room(world)
    since = alice.sync()["next_batch"]
    type_in(bob, room)
    answer = alice.sync(since)
    assert ephemeral(answer, room, "m.typing") == {"user_ids": [bob.user_id]}
    type_in(bob, room, typing=False)
    answer = alice.sync(answer["next_batch"])
    assert ephemeral(answer, room, "m.typing") == {"user_ids": []}


def check_typing_times_out(world: World) -> None:
    """A member who said for how long they type is no longer shown after that time."""
    alice, bob, room = shared_room(world)
    since = alice.sync()["next_batch"]
    type_in(bob, room, timeout_ms=1000)
    answer = alice.sync(since)
    assert ephemeral(answer, room, "m.typing") == {"user_ids": [bob.user_id]}
    told = None
    for _ in range(3):  # presence may come before
        answer = alice.sync(answer["next_batch"], timeout=10_000)
        told = ephemeral(answer, room, "m.typing")
        if told:
            break
    assert told == {"user_ids": []}


def check_nobody_types_for_another(world: World) -> None:
    """Nobody types in the name of another user."""
    alice, bob, room = shared_room(world)
    body = {"typing": True, "timeout": 1000}
    answer = bob.put("/rooms/{}/typing/{}", room, alice.user_id, body=body)
    answer.refused(403, "M_FORBIDDEN")


def check_typing_needs_a_flag(world: World) -> None:
    """A typing notice needs to say whether the user types."""
    alice, _, room = shared_room(world)
    path = ("/rooms/{}/typing/{}", room, alice.user_id)
    alice.put(*path, body={}).refused(400, "M_MISSING_PARAM")
    alice.put(*path, body={"typing": "yes"}).refused(400, "M_BAD_JSON")


def check_typing_in_unknown_room(world: World) -> None:
    """Nobody types in a room that does not exist."""
    user = world.user()
    path = ("/rooms/{}/typing/{}", f"!nowhere:{world.server_name}", user.user_id)
    user.put(*path, body={"typing": True}).refused(404, "M_NOT_FOUND")


def check_receipt(world: World) -> None:
    """A read receipt is shown to the other members, with its time."""
    alice, bob, room = shared_room(world)
    event_id = alice.send(room, "Dinner is ready")
    since = alice.sync()["next_batch"]
    bob.post(RECEIPT, room, "m.read", event_id).ok()
    content = ephemeral(alice.sync(since), room, "m.receipt")
    assert content is not None
    assert content[event_id]["m.read"][bob.user_id]["ts"] > 1_600_000_000_000


def check_receipts_come_with_the_first_sync(world: World) -> None:
    """The newest read receipts come with the first sync."""
    alice, bob, room = shared_room(world)
    first, second = alice.send(room, "One"), alice.send(room, "Two")
    bob.post(RECEIPT, room, "m.read", first).ok()
    bob.post(RECEIPT, room, "m.read", second).ok()
    content = ephemeral(alice.sync(), room, "m.receipt")
    assert content is not None
    assert [key for key, value in content.items() if bob.user_id in value["m.read"]] == [second]


def check_private_receipt(world: World) -> None:
    """A private read receipt is shown to nobody but its user."""
    alice, bob, room = shared_room(world)
    event_id = alice.send(room, "Dinner is ready")
    before_alice, before_bob = alice.sync()["next_batch"], bob.sync()["next_batch"]
    bob.post(RECEIPT, room, "m.read.private", event_id).ok()
    content = ephemeral(bob.sync(before_bob), room, "m.receipt")
    assert content is not None
    assert bob.user_id in content[event_id]["m.read.private"]
    assert ephemeral(alice.sync(before_alice), room, "m.receipt") is None
    assert "m.read.private" not in str(alice.sync())


def check_threaded_receipt(world: World) -> None:
    """A receipt for a thread names its thread."""
    alice, bob, room = shared_room(world)
    event_id = alice.send(room, "Dinner is ready")
    since = alice.sync()["next_batch"]
    bob.post(RECEIPT, room, "m.read", event_id, body={"thread_id": "main"}).ok()
    content = ephemeral(alice.sync(since), room, "m.receipt")
    assert content is not None
    assert content[event_id]["m.read"][bob.user_id]["thread_id"] == "main"


def check_bad_receipts(world: World) -> None:
    """A receipt of an unknown type or with a bad thread is refused."""
    alice, _, room = shared_room(world)
    event_id = alice.send(room, "Dinner is ready")
    alice.post(RECEIPT, room, "m.glanced", event_id).refused(400, "M_INVALID_PARAM")
    for thread_id in ("", 7):
        answer = alice.post(RECEIPT, room, "m.read", event_id, body={"thread_id": thread_id})
        answer.refused(400, "M_INVALID_PARAM", "M_BAD_JSON")
    answer = alice.post(RECEIPT, room, "m.fully_read", event_id, body={"thread_id": "main"})
    answer.refused(400, "M_INVALID_PARAM")


def check_receipt_for_unknown_event(world: World) -> None:
    """A receipt needs an event that is in the room."""
    alice, _, room = shared_room(world)
    alice.post(RECEIPT, room, "m.read", "$" + "x" * 43).refused(404, "M_NOT_FOUND")


def check_read_marker(world: World) -> None:
    """The read marker is kept as account data of the room."""
    alice, _, room = shared_room(world)
    event_id = alice.send(room, "Dinner is ready")
    since = alice.sync()["next_batch"]
    alice.post("/rooms/{}/read_markers", room, body={"m.fully_read": event_id}).ok()
    wanted = {"event_id": event_id}
    assert account_data(alice.sync(since), room, "m.fully_read") == wanted
    assert account_data(alice.sync(), room, "m.fully_read") == wanted


def check_read_marker_by_receipt(world: World) -> None:
    """The read marker is moved by a receipt of type m.fully_read as well."""
    alice, _, room = shared_room(world)
    event_id = alice.send(room, "Dinner is ready")
    alice.post(RECEIPT, room, "m.fully_read", event_id).ok()
    assert account_data(alice.sync(), room, "m.fully_read") == {"event_id": event_id}


def check_marker_with_receipts(world: World) -> None:
    """One request moves the read marker and both receipts."""
    alice, bob, room = shared_room(world)
    one, two, three = (alice.send(room, text) for text in ("One", "Two", "Three"))
    body = {"m.fully_read": one, "m.read": two, "m.read.private": three}
    bob.post("/rooms/{}/read_markers", room, body=body).ok()
    answer = bob.sync()
    content = ephemeral(answer, room, "m.receipt")
    assert content is not None
    assert bob.user_id in content[two]["m.read"]
    assert bob.user_id in content[three]["m.read.private"]
    assert account_data(answer, room, "m.fully_read") == {"event_id": one}


def check_marker_for_unknown_event(world: World) -> None:
    """A read marker needs an event that is in the room."""
    alice, _, room = shared_room(world)
    body = {"m.fully_read": "$" + "x" * 43}
    alice.post("/rooms/{}/read_markers", room, body=body).refused(404, "M_NOT_FOUND")


def check_receipts_do_not_go_back(world: World) -> None:
    """A receipt for an earlier event leaves the later one in place."""
    user = world.user()
    room = user.create_room()
    first, second = user.send(room, "first"), user.send(room, "second")
    for event_id in (second, first):
        user.post("/rooms/{}/receipt/m.read/{}", room, event_id).ok()
    (told,) = user.sync()["rooms"]["join"][room]["ephemeral"]["events"]
    assert list(told["content"]) == [second]
