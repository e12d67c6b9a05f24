"""Presence: who is there, and who is shown it."""

import time

from conformance.client import Json, User, World

STATUS = "/presence/{}/status"
TOLD_WITHIN_S = 45  # a server may gather changes for half a minute


def show(user: User, state: str, **more: str) -> None:
    """Choose a presence."""
    user.put(STATUS, user.user_id, body={"presence": state} | more).ok()


def seen(reader: User, user: User) -> Json:
    """The presence of a user, as asked for."""
    found: Json = reader.get(STATUS, user.user_id).ok()
    return found


def told(answer: Json) -> dict[str, Json]:
    """Of whom a sync tells, with the contents."""
    events = answer.get("presence", {}).get("events", [])
    assert all(event["type"] == "m.presence" for event in events)
    return {event["sender"]: event["content"] for event in events}


def pair(world: World) -> tuple[User, User, str]:
    """Two users who share a room."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    return alice, bob, room


def check_presence_is_seen_at_once(world: World) -> None:
    """What a user chooses is seen at once, by themselves and by those who share a room."""
    alice, bob, _ = pair(world)
    for state in ("unavailable", "online", "offline"):
        show(alice, state, status_msg=f"Now {state}")
        for reader in (alice, bob):
            found = seen(reader, alice)
            assert (found["presence"], found["status_msg"]) == (state, f"Now {state}")


def check_status_message_is_removed(world: World) -> None:
    """Who chooses a presence without a status message has none."""
    alice, bob, _ = pair(world)
    show(alice, "online", status_msg="Reading")
    show(alice, "online")
    assert "status_msg" not in seen(bob, alice)


def check_last_active_ago(world: World) -> None:
    """Who has just come online was active just now, and the time since then grows."""
    alice, bob, _ = pair(world)
    show(alice, "online")
    first = seen(bob, alice)
    assert first["currently_active"] is True
    assert first["last_active_ago"] < 10_000
    time.sleep(0.05)
    assert seen(bob, alice)["last_active_ago"] > first["last_active_ago"]


def check_never_there_is_offline(world: World) -> None:
    """A user who has never been there is offline."""
    alice, bob, _ = pair(world)
    assert seen(alice, bob)["presence"] == "offline"


def check_presence_of_strangers_is_hidden(world: World) -> None:
    """Who shares no room with a user, or no longer does, is not shown their presence."""
    alice, bob, room = pair(world)
    carol = world.user("carol")
    dave = world.user("dave")
    alice.invite(room, dave)
    show(alice, "online")
    bob.leave(room)
    for reader in (bob, carol, dave):
        reader.get(STATUS, alice.user_id).refused(403, "M_FORBIDDEN")
        assert alice.user_id not in told(reader.sync())
    banned = world.user("banned")
    banned.join(room)
    assert seen(banned, alice)["presence"] == "online"
    alice.ban(room, banned)
    banned.get(STATUS, alice.user_id).refused(403, "M_FORBIDDEN")


def check_presence_of_nobody(world: World) -> None:
    """A user who does not exist has no presence."""
    nobody = f"@{world.name('nobody')}:{world.server_name}"
    world.user().get(STATUS, nobody).refused(404, "M_NOT_FOUND")


def check_presence_of_others_is_theirs(world: World) -> None:
    """Nobody sets the presence of another user, not even of one with whom they share a room."""
    alice, bob, _ = pair(world)
    body = {"presence": "online"}
    bob.put(STATUS, alice.user_id, body=body).refused(403, "M_FORBIDDEN")
    assert seen(bob, alice)["presence"] == "offline"


def check_presence_needs_a_login(world: World) -> None:
    """Without an access token presence is neither shown nor set."""
    user = world.user()
    world.stranger.get(STATUS, user.user_id).refused(401, "M_MISSING_TOKEN")
    body = {"presence": "online"}
    world.stranger.put(STATUS, user.user_id, body=body).refused(401, "M_MISSING_TOKEN")


def check_presence_of_guests(world: World) -> None:
    """Guests set no presence."""
    guest = world.guest()
    guest.put(STATUS, guest.user_id, body={"presence": "online"}).refused(
        403, "M_GUEST_ACCESS_FORBIDDEN"
    )


def check_wrong_presence_is_refused(world: World) -> None:
    """A presence that there is not, or none, or a status message that is no text, is refused."""
    user = world.user()
    for body in (
        {"presence": "asleep"},
        {"presence": None},
        {},
        {"presence": "online", "status_msg": 7},
        {"presence": "online", "status_msg": "\0"},
        {"presence": "online", "status_msg": "x" * 4097},
    ):
        user.put(STATUS, user.user_id, body=body).refused(
            400, "M_BAD_JSON", "M_INVALID_PARAM", "M_MISSING_PARAM"
        )


def check_first_sync_tells_who_is_there(world: World) -> None:
    """A first sync tells of those who share a room and are there, and of no others."""
    alice, bob, room = pair(world)
    carol, stranger = world.user("carol"), world.user("stranger")
    carol.join(room)
    show(alice, "online", status_msg="Reading")
    show(bob, "unavailable")
    show(stranger, "online")
    found = told(carol.sync(set_presence="offline"))
    assert found[alice.user_id]["presence"] == "online"
    assert found[alice.user_id]["status_msg"] == "Reading"
    assert found[bob.user_id]["presence"] == "unavailable"
    assert stranger.user_id not in found


def check_sync_filter_of_presence(world: World) -> None:
    """A filter chooses of whom a sync tells."""
    alice, bob, room = pair(world)
    carol = world.user("carol")
    carol.join(room)
    show(alice, "online")
    show(bob, "online")
    for wanted, expected in (
        ({"types": []}, set()),
        ({"not_types": ["m.presence"]}, set()),
        ({"senders": [alice.user_id]}, {alice.user_id}),
        ({"not_senders": [alice.user_id]}, {bob.user_id}),
    ):
        answer = carol.sync(filter={"presence": wanted}, set_presence="offline")
        assert set(told(answer)) == expected, wanted
    answer = carol.sync(filter={"presence": {"limit": 1}}, set_presence="offline")
    assert len(told(answer)) == 1


def check_waiting_sync_is_told_of_presence(world: World) -> None:
    """A sync that waits is told within a while of those who share a room, and of no others."""
    alice, bob, _ = pair(world)
    stranger = world.user("stranger")
    since = bob.sync(set_presence="offline")["next_batch"]
    show(stranger, "online")
    show(alice, "unavailable", status_msg="At lunch")
    until, found = time.monotonic() + TOLD_WITHIN_S, dict[str, Json]()
    while alice.user_id not in found and time.monotonic() < until:
        answer = bob.sync(since, timeout=10_000, set_presence="offline")
        since, found = answer["next_batch"], found | told(answer)
    assert found[alice.user_id]["status_msg"] == "At lunch"
    assert stranger.user_id not in found


def check_syncing_shows_presence(world: World) -> None:
    """A sync shows its user in the state that it comes with; by offline it does not count."""
    alice, bob, _ = pair(world)
    alice.sync(set_presence="offline")
    assert seen(bob, alice)["presence"] == "offline"
    for state in ("unavailable", "online"):
        alice.sync(set_presence=state)
        until = time.monotonic() + 5
        while seen(bob, alice)["presence"] != state:
            assert time.monotonic() < until, state
            time.sleep(0.05)


def check_devices_are_taken_together(world: World) -> None:
    """A user is as much there as the one of their devices that is most."""
    alice, bob, _ = pair(world)
    phone = alice.new_device()
    show(phone, "online")
    show(alice, "unavailable")
    assert seen(bob, alice)["presence"] == "online"
    show(phone, "offline")
    assert seen(bob, alice)["presence"] == "unavailable"


def check_what_was_chosen_outlives_syncs(world: World) -> None:
    """A presence chosen at a device is kept while it syncs."""
    alice, bob, _ = pair(world)
    show(alice, "unavailable")
    for _ in range(3):
        alice.sync()
        time.sleep(0.1)
    assert seen(bob, alice)["presence"] == "unavailable"
