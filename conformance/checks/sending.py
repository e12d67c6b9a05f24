"""Sending events."""

from conformance.client import Client, World
from conformance.parallel import together

TEXT = {"msgtype": "m.text", "body": "Dinner is ready"}


def check_message_arrives(world: World) -> None:
    """What one member sends another one reads, with sender, time and room."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    event_id = alice.send(room, "Dinner is ready")
    event = bob.event(room, event_id)
    assert event["content"] == TEXT
    assert (event["sender"], event["room_id"]) == (alice.user_id, room)
    assert event["origin_server_ts"] > 1_600_000_000_000


def check_messages_in_every_version(world: World) -> None:
    """Messages are sent in rooms of versions 10, 11 and 12."""
    user = world.user()
    for version in ("10", "11", "12"):
        room = user.create_room(room_version=version)
        assert user.event(room, user.send(room, "Dinner is ready"))["content"] == TEXT


def check_repeat(world: World) -> None:
    """A repeat with the same transaction ID yields the same event and sends nothing."""
    user = world.user()
    room = user.create_room()
    path = "/rooms/{}/send/m.room.message/{}"
    first = user.put(path, room, "t1", body=TEXT).ok()
    again = user.put(path, room, "t1", body=TEXT).ok()
    assert first == again
    assert [event["type"] for event in user.history(room)].count("m.room.message") == 1


def check_repeat_with_other_content(world: World) -> None:
    """A repeat with the same transaction ID yields the first event whatever its content."""
    user = world.user()
    room = user.create_room()
    path = "/rooms/{}/send/m.room.message/{}"
    first = user.put(path, room, "t1", body=TEXT).ok()
    again = user.put(path, room, "t1", body=TEXT | {"body": "Late"}).ok()
    assert first == again
    assert user.event(room, first["event_id"])["content"] == TEXT


def check_transaction_of_another_device(world: World) -> None:
    """The same transaction ID on another device of the user sends another event."""
    user = world.user()
    other = user.new_device()
    room = user.create_room()
    path = "/rooms/{}/send/m.room.message/{}"
    first = user.put(path, room, "t1", body=TEXT).ok()
    assert other.put(path, room, "t1", body=TEXT).ok() != first


def check_transaction_on_another_path(world: World) -> None:
    """The same transaction ID for another room or event type sends another event."""
    user = world.user()
    room, other = user.create_room(), user.create_room()
    path = "/rooms/{}/send/{}/{}"
    answers = [
        user.put(path, room, "m.room.message", "t1", body=TEXT).ok(),
        user.put(path, other, "m.room.message", "t1", body=TEXT).ok(),
        user.put(path, room, "org.example.note", "t1", body=TEXT).ok(),
    ]
    assert len({answer["event_id"] for answer in answers}) == 3


def check_repeat_after_a_new_token(world: World) -> None:
    """A transaction ID belongs to the device: a repeat with a new token is a repeat."""
    user = world.user()
    room = user.create_room()
    path = "/rooms/{}/send/m.room.message/{}"
    session = user.login(refresh_token=True).ok()
    before = Client(world.wire, session["access_token"])
    first = before.put(path, room, "t1", body=TEXT).ok()
    renewed = user.post("/refresh", body={"refresh_token": session["refresh_token"]}).ok()
    after = Client(world.wire, renewed["access_token"])
    assert after.put(path, room, "t1", body=TEXT).ok() == first
    again = user.new_device(device_id=session["device_id"])
    assert again.put(path, room, "t1", body=TEXT).ok() == first


def check_repeats_at_once(world: World) -> None:
    """Copies of one request that arrive together send one event."""
    user = world.user()
    room = user.create_room()
    path = "/rooms/{}/send/m.room.message/{}"
    step = lambda: user.put(path, room, "t1", body=TEXT).ok()["event_id"]  # noqa: E731
    assert len(set(together(step, step, step, step))) == 1
    assert [event["type"] for event in user.history(room)].count("m.room.message") == 1


def check_many_senders_at_once(world: World) -> None:
    """Messages that are sent together are all kept, once each."""
    user = world.user()
    room = user.create_room()
    sent = together(*(lambda n=n: user.send(room, f"Plate {n}") for n in range(8)))
    kept = [e["event_id"] for e in user.history(room) if e["type"] == "m.room.message"]
    assert sorted(kept) == sorted(sent)


def check_transaction_id_for_the_sender(world: World) -> None:
    """The transaction ID is told to the device that sent, and to no other."""
    alice, bob = world.user("alice"), world.user("bob")
    phone = alice.new_device()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    path = "/rooms/{}/send/m.room.message/{}"
    event_id = alice.put(path, room, "t-own", body=TEXT).ok()["event_id"]
    assert alice.event(room, event_id)["unsigned"]["transaction_id"] == "t-own"
    assert "transaction_id" not in phone.event(room, event_id)["unsigned"]
    assert "transaction_id" not in bob.event(room, event_id)["unsigned"]


def check_outsiders_send_nothing(world: World) -> None:
    """Who is outside, invited, gone or banned sends nothing."""
    alice = world.user("alice")
    room = alice.create_room(preset="public_chat")
    outside, invited, gone, banned = (world.user() for _ in range(4))
    alice.invite(room, invited)
    gone.join(room)
    gone.leave(room)
    banned.join(room)
    alice.ban(room, banned)
    before = alice.history(room)[0]["event_id"]
    for user in (outside, invited, gone, banned):
        answer = user.put("/rooms/{}/send/m.room.message/{}", room, "t", body=TEXT)
        answer.refused(403, "M_FORBIDDEN")
    assert alice.history(room)[0]["event_id"] == before


def check_unknown_room(world: World) -> None:
    """Nothing is sent to a room that does not exist."""
    room = f"!nowhere:{world.server_name}"
    answer = world.user().put("/rooms/{}/send/m.room.message/{}", room, "t", body=TEXT)
    answer.refused(404, "M_NOT_FOUND")


def check_power_to_send(world: World) -> None:
    """A member without the power for a type of event does not send it."""
    alice, bob = world.user("alice"), world.user("bob")
    levels = {"events": {"org.example.decree": 50}}
    room = alice.create_room(preset="public_chat", power_level_content_override=levels)
    bob.join(room)
    bob.send_event(room, "org.example.note", {})
    answer = bob.put("/rooms/{}/send/org.example.decree/{}", room, "t", body={})
    answer.refused(403, "M_FORBIDDEN")


def check_unknown_fields_are_kept(world: World) -> None:
    """The content of an event is kept as it was sent, whatever its keys."""
    user = world.user()
    room = user.create_room()
    content = {"z": [1, -2, {"ü": None, "\U0001f600": True}], "a": {"b": {}}, "nul": "\0", "": ""}
    event_id = user.send_event(room, "org.example.anything", content)
    assert user.event(room, event_id)["content"] == content


def check_large_numbers(world: World) -> None:
    """Whole numbers up to 2^53 − 1 are kept exactly."""
    user = world.user()
    room = user.create_room()
    content = {"most": 2**53 - 1, "least": 1 - 2**53}
    event_id = user.send_event(room, "org.example.numbers", content)
    assert user.event(room, event_id)["content"] == content


def check_floats_are_refused(world: World) -> None:
    """Fractions and numbers beyond 2^53 − 1 are refused."""
    user = world.user()
    room = user.create_room()
    for number in (b"1.5", b"1e400", b"9007199254740992", b"-9007199254740992", b"1" * 400):
        body = b'{"number":' + number + b"}"
        answer = user.put("/rooms/{}/send/org.example.numbers/{}", room, "t", body=body)
        answer.refused(400, "M_BAD_JSON", "M_NOT_JSON")


def check_large_event(world: World) -> None:
    """An event of more than 64 KiB is refused."""
    user = world.user()
    room = user.create_room()
    body = TEXT | {"body": "x" * 65_536}
    answer = user.put("/rooms/{}/send/m.room.message/{}", room, "t", body=body)
    answer.refused(413, "M_TOO_LARGE")


def check_long_type(world: World) -> None:
    """A type of more than 255 bytes is refused, also where its characters are fewer."""
    user = world.user()
    room = user.create_room()
    for kind in ("x" * 256, "ü" * 200):
        answer = user.put("/rooms/{}/send/{}/{}", room, kind, "t", body={})
        assert answer.status in (400, 413), answer.status


def check_empty_body(world: World) -> None:
    """An empty body is an empty content."""
    user = world.user()
    room = user.create_room()
    answer = user.request("PUT", "/rooms/{}/send/org.example.ping/t", room, body=b"").ok()
    assert user.event(room, answer["event_id"])["content"] == {}


def check_content_type_does_not_matter(world: World) -> None:
    """A body is JSON whatever its Content-Type says."""
    user = world.user()
    room = user.create_room()
    for number, kind in enumerate(("text/plain", "application/x-www-form-urlencoded", "nonsense")):
        answer = user.request(
            "PUT",
            "/rooms/{}/send/m.room.message/{}",
            room,
            str(number),
            body=TEXT,
            headers={"Content-Type": kind},
        )
        assert user.event(room, answer.ok()["event_id"])["content"] == TEXT


def check_create_event_comes_once(world: World) -> None:
    """A room that exists is not created again."""
    user = world.user()
    room = user.create_room()
    answer = user.put("/rooms/{}/state/m.room.create/", room, body={"room_version": "1"})
    assert answer.status in (400, 403), answer.status
