"""Taking the content of events away."""

from conformance.checks.state import shared_room
from conformance.client import World

REDACT = "/rooms/{}/redact/{}/{}"


def check_own_message(world: World) -> None:
    """A redacted message has no content and shows the redaction."""
    for version in ("10", "11", "12"):
        alice, bob, room = shared_room(world, room_version=version)
        event_id = bob.send(room, "Wrong room")
        redaction = bob.put(REDACT, room, event_id, "t", body={"reason": "Oops"}).ok()["event_id"]
        event = alice.event(room, event_id)
        assert event["content"] == {}
        assert event["unsigned"]["redacted_because"]["event_id"] == redaction
        assert event["unsigned"]["redacted_because"]["content"]["reason"] == "Oops"


def check_redacts_field(world: World) -> None:
    """In every version a redaction names its target at the top level and in its content."""
    user = world.user()
    for version in ("10", "11", "12"):
        room = user.create_room(room_version=version)
        event_id = user.send(room, "Wrong room")
        redaction = user.put(REDACT, room, event_id, "t", body={}).ok()["event_id"]
        event = user.event(room, redaction)
        assert event["redacts"] == event["content"]["redacts"] == event_id


def check_message_of_another(world: World) -> None:
    """A message of another user is redacted by who has the power, and by nobody else."""
    alice, bob, room = shared_room(world)
    theirs = alice.send(room, "Mine to keep")
    bob.put(REDACT, room, theirs, "t", body={}).refused(403, "M_FORBIDDEN")
    assert alice.event(room, theirs)["content"]["body"] == "Mine to keep"
    rude = bob.send(room, "Rude")
    alice.put(REDACT, room, rude, "t", body={}).ok()
    assert bob.event(room, rude)["content"] == {}


def check_state_keeps_its_place(world: World) -> None:
    """Redacted state stays in force with what its type keeps."""
    alice, _, room = shared_room(world)
    event_id = alice.set_state(room, "m.room.topic", {"topic": "Secret"})
    alice.put(REDACT, room, event_id, "t", body={}).ok()
    assert alice.state(room, "m.room.topic") == {}


def check_membership_survives(world: World) -> None:
    """A redacted membership is still a membership, without the name."""
    alice, bob, room = shared_room(world)
    bob.put("/profile/{}/displayname", bob.user_id, body={"displayname": "Rude"}).ok()
    event = alice.get("/rooms/{}/state/m.room.member/{}", room, bob.user_id, format="event").ok()
    alice.put(REDACT, room, event["event_id"], "t", body={}).ok()
    assert alice.state(room, "m.room.member", bob.user_id) == {"membership": "join"}


def check_unknown_event(world: World) -> None:
    """An event that is not in the room cannot be redacted."""
    user = world.user()
    room, other = user.create_room(), user.create_room()
    event_id = user.send(other, "Elsewhere")
    user.put(REDACT, room, "$" + "x" * 43, "t", body={}).refused(404, "M_NOT_FOUND")
    user.put(REDACT, room, event_id, "t", body={}).refused(404, "M_NOT_FOUND")


def check_repeat(world: World) -> None:
    """A repeat with the same transaction ID is the same redaction."""
    user = world.user()
    room = user.create_room()
    event_id = user.send(room, "Wrong room")
    first = user.put(REDACT, room, event_id, "t", body={}).ok()
    assert user.put(REDACT, room, event_id, "t", body={}).ok() == first


def check_outsiders(world: World) -> None:
    """Who is not in the room redacts nothing, not even their own messages."""
    _, bob, room = shared_room(world)
    event_id = bob.send(room, "Farewell")
    bob.leave(room)
    bob.put(REDACT, room, event_id, "t", body={}).refused(403, "M_FORBIDDEN")


def check_redaction_reaches_sync(world: World) -> None:
    """A redaction arrives in the sync of other members."""
    alice, bob, room = shared_room(world)
    event_id = bob.send(room, "Wrong room")
    since = alice.sync()["next_batch"]
    bob.put(REDACT, room, event_id, "t", body={}).ok()
    (event,) = alice.sync(since)["rooms"]["join"][room]["timeline"]["events"]
    assert (event["type"], event["redacts"]) == ("m.room.redaction", event_id)


def check_redaction_as_a_message(world: World) -> None:
    """In every version a redaction can be sent like any event, naming its target in its content."""
    alice, bob = world.user("alice"), world.user("bob")
    offered = alice.get("/capabilities").ok()["capabilities"]["m.room_versions"]["available"]
    for version in offered:
        room = alice.create_room(preset="public_chat", room_version=version)
        bob.join(room)
        target = bob.send(room, "Wrong room")
        alice.send_event(room, "m.room.redaction", {"redacts": target, "reason": "Rude"})
        shown = bob.event(room, target)
        assert shown["content"] == {}
        because = shown["unsigned"]["redacted_because"]
        assert because["redacts"] == because["content"]["redacts"] == target
        assert because["content"]["reason"] == "Rude"


def check_redaction_of_nothing(world: World) -> None:
    """A redaction that names no event of the room is refused, however it is sent."""
    alice, _, room = shared_room(world)
    path = "/rooms/{}/send/m.room.redaction/{}"
    alice.put(path, room, "t1", body={"reason": "Rude"}).refused(400, "M_BAD_JSON")
    elsewhere = alice.send(alice.create_room(), "Elsewhere")
    for target in ("$nothing", elsewhere):
        alice.put(path, room, "t2", body={"redacts": target}).refused(404, "M_NOT_FOUND")
