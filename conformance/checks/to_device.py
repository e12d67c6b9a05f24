"""Messages from device to device."""

from conformance.client import Json, User, World
from conformance.parallel import meanwhile

SEND = "/sendToDevice/{}/{}"


def received(answer: Json) -> list[Json]:
    """The messages to the device in a sync."""
    events: list[Json] = answer.get("to_device", {}).get("events", [])
    return events


def send(sender: User, txn_id: str, to: User, device_id: str | None = None) -> None:
    """Send a message to one device of a user, or to those that `device_id` stands for."""
    body = {"messages": {to.user_id: {device_id or to.device_id: {"txn": txn_id}}}}
    sender.put(SEND, "org.example.note", txn_id, body=body).ok()


def check_message_arrives_once(world: World) -> None:
    """A message to a device arrives with its sender, and no more after the next token."""
    alice, bob = world.user("alice"), world.user("bob")
    since = bob.sync()["next_batch"]
    send(alice, "t1", bob)
    answer = bob.sync(since)
    wanted = {"type": "org.example.note", "sender": alice.user_id, "content": {"txn": "t1"}}
    assert received(answer) == [wanted]
    assert received(bob.sync(answer["next_batch"])) == []


def check_message_is_kept_until_acknowledged(world: World) -> None:
    """A message comes again as long as the device does not come with a later token."""
    alice, bob = world.user("alice"), world.user("bob")
    since = bob.sync()["next_batch"]
    send(alice, "t1", bob)
    assert received(bob.sync(since)) == received(bob.sync(since)) != []


def check_message_waits_for_the_first_sync(world: World) -> None:
    """A message that was sent before the first sync of the device comes with it."""
    alice, bob = world.user("alice"), world.user("bob")
    send(alice, "t1", bob)
    assert [event["content"]["txn"] for event in received(bob.sync())] == ["t1"]


def check_message_wakes(world: World) -> None:
    """A message to a device wakes its waiting sync."""
    alice, bob = world.user("alice"), world.user("bob")
    since = bob.sync()["next_batch"]
    with meanwhile(lambda: bob.sync(since, timeout=30_000)) as waiting:
        send(alice, "t1", bob)
        assert len(received(waiting.result())) == 1


def check_order(world: World) -> None:
    """Messages to a device come in the order in which they were sent."""
    alice, bob = world.user("alice"), world.user("bob")
    names = [f"t{number}" for number in range(10)]
    for name in names:
        send(alice, name, bob)
    assert [event["content"]["txn"] for event in received(bob.sync())] == names


def check_one_device_only(world: World) -> None:
    """A message to one device does not come to another of the same user."""
    alice, bob = world.user("alice"), world.user("bob")
    phone = bob.new_device()
    send(alice, "t1", phone)
    assert received(bob.sync()) == []
    assert len(received(phone.sync())) == 1


def check_all_devices(world: World) -> None:
    """A message to all devices of a user comes to each."""
    alice, bob = world.user("alice"), world.user("bob")
    phone = bob.new_device()
    send(alice, "t1", bob, "*")
    assert len(received(bob.sync())) == len(received(phone.sync())) == 1


def check_repeat(world: World) -> None:
    """A repeat with the same transaction ID sends nothing."""
    alice, bob = world.user("alice"), world.user("bob")
    send(alice, "t1", bob)
    send(alice, "t1", bob)
    assert len(received(bob.sync())) == 1


def check_no_user(world: World) -> None:
    """A message to what is no user ID is refused."""
    body: Json = {"messages": {"bob": {"*": {}}}}
    world.user().put(SEND, "org.example.note", "t", body=body).refused(400, "M_INVALID_PARAM")


def check_unknown_recipients(world: World) -> None:
    """A message to users and devices that do not exist goes nowhere."""
    alice, bob = world.user("alice"), world.user("bob")
    nobody = f"@{world.name('nobody')}:{world.server_name}"
    body: Json = {"messages": {nobody: {"*": {}}, bob.user_id: {"NOSUCH": {}}}}
    assert alice.put(SEND, "org.example.note", "t", body=body).ok() == {}
    assert received(bob.sync()) == []


def check_messages_are_needed(world: World) -> None:
    """The messages are needed and are objects."""
    user = world.user()
    user.put(SEND, "org.example.note", "t", body={}).refused(400, "M_MISSING_PARAM")
    body = {"messages": {user.user_id: {"*": "text"}}}
    user.put(SEND, "org.example.note", "t", body=body).refused(400, "M_BAD_JSON")
