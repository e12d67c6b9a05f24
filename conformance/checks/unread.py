"""Unread notifications: their numbers in sync, and their list."""

from conformance.checks.relations import edit, react, reply
from conformance.checks.state import shared_room
from conformance.client import Json, User, World

RECEIPT = "/rooms/{}/receipt/{}/{}"
RULE = "/pushrules/global/{}/{}"
BY_THREAD = {"room": {"timeline": {"unread_thread_notifications": True}}}


def counts(user: User, room: str) -> tuple[int, int]:
    """The unread notifications of a room, and how many of them are highlighted."""
    found = user.sync()["rooms"]["join"][room]["unread_notifications"]
    return found["notification_count"], found["highlight_count"]


def by_thread(user: User, room: str) -> tuple[int, dict[str, int]]:
    """The unread notifications of the main timeline, and of each thread."""
    found = user.sync(filter=BY_THREAD)["rooms"]["join"][room]
    threads = found.get("unread_thread_notifications", {})
    numbers = {root: one["notification_count"] for root, one in threads.items()}
    return found["unread_notifications"]["notification_count"], numbers


def mention(user: User, room: str, *named: User, everybody: bool = False) -> str:
    """Send a message that mentions users, or the whole room; returns its ID."""
    mentions: Json = {"room": True} if everybody else {"user_ids": [one.user_id for one in named]}
    content = {"msgtype": "m.text", "body": "You!", "m.mentions": mentions}
    return user.send_event(room, "m.room.message", content)


def check_messages_count(world: World) -> None:
    """Messages of others count until they are read, one's own do not."""
    alice, bob, room = shared_room(world)
    first = alice.send(room, "One")
    alice.send(room, "Two")
    assert (counts(bob, room), counts(alice, room)) == ((2, 0), (0, 0))
    bob.post(RECEIPT, room, "m.read", first).ok()
    assert counts(bob, room) == (1, 0)


def check_counts_come_with_the_event(world: World) -> None:
    """The number changes in the same sync in which the event comes."""
    alice, bob, room = shared_room(world)
    since = bob.sync()["next_batch"]
    alice.send(room, "One")
    found = bob.sync(since)["rooms"]["join"][room]
    assert len(found["timeline"]["events"]) == 1
    assert found["unread_notifications"] == {"notification_count": 1, "highlight_count": 0}


def check_counts_of_another_device(world: World) -> None:
    """What one device has read, the sync of another is told."""
    alice, bob, room = shared_room(world)
    event_id = alice.send(room, "One")
    other = bob.new_device()
    since = other.sync()["next_batch"]
    for kind in ("m.read.private", "m.read"):
        bob.post(RECEIPT, room, kind, event_id).ok()
        found = other.sync(since)["rooms"]["join"][room]
        assert found["unread_notifications"]["notification_count"] == 0


def check_private_receipts_read(world: World) -> None:
    """Of the public and the private receipt the one that is ahead counts."""
    alice, bob, room = shared_room(world)
    one, two, three = (alice.send(room, text) for text in ("One", "Two", "Three"))
    bob.post(RECEIPT, room, "m.read.private", two).ok()
    assert counts(bob, room) == (1, 0)
    bob.post(RECEIPT, room, "m.read", one).ok()
    assert counts(bob, room) == (1, 0)
    bob.post(RECEIPT, room, "m.read", three).ok()
    assert counts(bob, room) == (0, 0)


def check_sending_reads(world: World) -> None:
    """Who sends a message has read what came before it."""
    alice, bob, room = shared_room(world)
    alice.send(room, "One")
    bob.send(room, "Two")
    assert counts(bob, room) == (0, 0)


def check_mentions_are_highlighted(world: World) -> None:
    """Who is mentioned sees a highlight, and so do all when the room is, by who may."""
    alice, bob, room = shared_room(world)
    carol = world.user("carol")
    carol.join(room)
    mention(alice, room, bob)
    assert (counts(bob, room), counts(carol, room)) == ((1, 1), (1, 0))
    mention(alice, room, everybody=True)
    assert (counts(bob, room), counts(carol, room)) == ((2, 2), (2, 1))
    mention(carol, room, everybody=True)
    assert counts(bob, room) == (3, 2)


def check_what_does_not_count(world: World) -> None:
    """Notices, reactions, edits, changes of members and of state are no notifications."""
    alice, bob, room = shared_room(world)
    first = alice.send(room, "One")
    bob.post(RECEIPT, room, "m.read", first).ok()
    alice.send_event(room, "m.room.message", {"msgtype": "m.notice", "body": "Beep"})
    react(alice, room, first, "+")
    edit(alice, room, first, "Won")
    alice.set_state(room, "m.room.topic", {"topic": "Numbers"})
    world.user("carol").join(room)
    assert counts(bob, room) == (0, 0)


def check_redacted_messages_do_not_count(world: World) -> None:
    """An unread message that is redacted counts no more."""
    alice, bob, room = shared_room(world)
    event_id = mention(alice, room, bob)
    alice.send(room, "Two")
    assert counts(bob, room) == (2, 1)
    alice.put("/rooms/{}/redact/{}/{}", room, event_id, "t1", body={}).ok()
    assert counts(bob, room) == (1, 0)


def check_who_comes_again_begins_anew(world: World) -> None:
    """What was said before one came, or came again, does not count."""
    alice, bob, room = shared_room(world)
    alice.send(room, "One")
    bob.leave(room)
    alice.send(room, "Two")
    bob.join(room)
    assert counts(bob, room) == (0, 0)
    alice.send(room, "Three")
    assert counts(bob, room) == (1, 0)


def check_counts_of_threads(world: World) -> None:
    """With the filter that asks for it each thread has a number of its own."""
    alice, bob, room = shared_room(world)
    root = alice.send(room, "Soup?")
    reply(alice, room, root)
    assert counts(bob, room) == (2, 0)
    assert by_thread(bob, room) == (1, {root: 1})


def check_threads_are_read_by_themselves(world: World) -> None:
    """A receipt for a thread reads that thread, one for main the rest, one without both."""
    alice, bob, room = shared_room(world)
    root = alice.send(room, "Soup?")
    answer = reply(alice, room, root)
    last = alice.send(room, "Stew!")
    bob.post(RECEIPT, room, "m.read", last, body={"thread_id": "main"}).ok()
    assert by_thread(bob, room) == (0, {root: 1})
    bob.post(RECEIPT, room, "m.read", answer, body={"thread_id": root}).ok()
    assert by_thread(bob, room) == (0, {})
    reply(alice, room, root)
    end = alice.send(room, "Pie!")
    assert by_thread(bob, room) == (1, {root: 1})
    bob.post(RECEIPT, room, "m.read", end).ok()
    assert by_thread(bob, room) == (0, {})


def check_receipts_fit_their_thread(world: World) -> None:
    """A receipt for a thread needs an event of that thread."""
    alice, bob, room = shared_room(world)
    root = alice.send(room, "Soup?")
    answer = reply(alice, room, root)
    like = react(alice, room, answer, "+")
    other = alice.send(room, "Stew!")
    for event_id, thread in ((answer, "main"), (other, root), (answer, other)):
        wrong = bob.post(RECEIPT, room, "m.read", event_id, body={"thread_id": thread})
        wrong.refused(400, "M_INVALID_PARAM")
    for event_id, thread in ((root, "main"), (like, root), (other, "main")):
        bob.post(RECEIPT, room, "m.read", event_id, body={"thread_id": thread}).ok()


def check_muted_rooms(world: World) -> None:
    """A rule of one's own for a room decides what counts from then on."""
    alice, bob, room = shared_room(world)
    alice.send(room, "One")
    bob.put(RULE, "room", room, body={"actions": []}).ok()
    alice.send(room, "Two")
    assert counts(bob, room) == (1, 0)
    bob.delete(RULE, "room", room).ok()
    alice.send(room, "Three")
    assert counts(bob, room) == (2, 0)


def check_words_are_highlighted(world: World) -> None:
    """A rule for a word highlights messages that contain it."""
    alice, bob, room = shared_room(world)
    actions = ["notify", {"set_tweak": "highlight"}]
    bob.put(RULE, "content", "soup", body={"pattern": "soup", "actions": actions}).ok()
    alice.send(room, "The soup is ready")
    alice.send(room, "The soups are ready")
    assert counts(bob, room) == (2, 1)


def check_everything_off(world: World) -> None:
    """The master rule turns every notification off."""
    alice, bob, room = shared_room(world)
    path = (RULE + "/enabled", "override", ".m.rule.master")
    bob.put(*path, body={"enabled": True}).ok()
    mention(alice, room, bob)
    assert counts(bob, room) == (0, 0)


# --- the list ---


def check_notifications(world: World) -> None:
    """Past notifications are listed, the latest first, with what is read of them."""
    alice, bob, room = shared_room(world)
    first, second = alice.send(room, "One"), mention(alice, room, bob)
    bob.post(RECEIPT, room, "m.read", first).ok()
    found = bob.get("/notifications").ok()["notifications"]
    assert [one["event"]["event_id"] for one in found[:2]] == [second, first]
    assert [one["read"] for one in found[:2]] == [False, True]
    assert [one["room_id"] for one in found[:2]] == [room, room]
    assert {"set_tweak": "highlight"} in found[0]["actions"]
    assert "notify" in found[1]["actions"]
    highlighted = bob.get("/notifications", only="highlight").ok()["notifications"]
    assert [one["event"]["event_id"] for one in highlighted] == [second]


def check_pages_of_notifications(world: World) -> None:
    """Page by page each notification comes once."""
    alice, bob, room = shared_room(world)
    sent = [alice.send(room, f"Plate {number}") for number in range(3)]
    seen: list[str] = []
    token = None
    for _ in range(2):
        wish = {"limit": 2} | ({} if token is None else {"from_": token})
        answer = bob.get("/notifications", **wish).ok()
        seen += [one["event"]["event_id"] for one in answer["notifications"]]
        token = answer.get("next_token")
    assert (seen, token) == (sent[::-1], None)


def check_notifications_from_nowhere(world: World) -> None:
    """A token that the server never gave out is refused."""
    world.user().get("/notifications", from_="made-up").refused(400, "M_INVALID_PARAM")


def check_nobody_is_notified_of_what_was_before(world: World) -> None:
    """What was said before one came, or after one left, is no notification."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(preset="public_chat")
    alice.send(room, "Early")
    bob.join(room)
    event_id = alice.send(room, "Now")
    found = bob.get("/notifications").ok()["notifications"]
    assert [one["event"]["event_id"] for one in found] == [event_id]
    bob.leave(room)
    alice.send(room, "Late")
    assert bob.get("/notifications").ok()["notifications"] == []
