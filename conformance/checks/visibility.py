"""Who may read what of a room: every kind of user against every history visibility."""

from conformance.client import User, World

HIDDEN = ("shared", "invited", "joined")


def room_with(world: World, visibility: str) -> tuple[User, str]:
    """Alice and a public room of hers in which history is visible as told."""
    alice = world.user("alice")
    content = {"history_visibility": visibility}
    state = [{"type": "m.room.history_visibility", "content": content}]
    return alice, alice.create_room(preset="public_chat", initial_state=state)


def sees(user: User, room: str, event_id: str) -> bool:
    """Whether a user may see an event; all ways to read it must agree."""
    alone = user.get("/rooms/{}/event/{}", room, event_id).status == 200
    around = user.get("/rooms/{}/context/{}", room, event_id).status == 200
    page = user.get("/rooms/{}/messages", room, dir="b", limit=100)
    listed = page.status == 200 and event_id in [e["event_id"] for e in page.json["chunk"]]
    assert alone == around == listed, (alone, around, listed)
    return alone


def check_strangers(world: World) -> None:
    """Without a token no room is read, not even one that is open to the world."""
    alice, room = room_with(world, "world_readable")
    event_id = alice.send(room, "Open")
    ask = world.stranger.get
    ask("/rooms/{}/event/{}", room, event_id).refused(401, "M_MISSING_TOKEN")
    ask("/rooms/{}/messages", room, dir="b").refused(401, "M_MISSING_TOKEN")
    ask("/rooms/{}/state", room).refused(401, "M_MISSING_TOKEN")
    ask("/rooms/{}/members", room).refused(401, "M_MISSING_TOKEN")


def check_world_readable(world: World) -> None:
    """A world-readable room is read by every user, state and members included."""
    alice, room = room_with(world, "world_readable")
    event_id = alice.send(room, "Open")
    user = world.user()
    assert sees(user, room, event_id)
    assert user.state(room, "m.room.create")
    assert user.members(room) == {alice.user_id: "join"}


def check_outsiders(world: World) -> None:
    """Who was never in a room reads nothing of it, unless it is world-readable."""
    for visibility in HIDDEN:
        alice, room = room_with(world, visibility)
        event_id = alice.send(room, "Hidden")
        user = world.user()
        assert not sees(user, room, event_id)
        user.get("/rooms/{}/messages", room, dir="b").refused(403, "M_FORBIDDEN")
        user.get("/rooms/{}/state", room).refused(403, "M_FORBIDDEN")
        user.get("/rooms/{}/state/m.room.create", room).refused(403, "M_FORBIDDEN")
        user.get("/rooms/{}/members", room).refused(403, "M_FORBIDDEN")


def check_invited_users(world: World) -> None:
    """Who is invited and has not joined reads nothing of the room."""
    for visibility in HIDDEN:
        alice, room = room_with(world, visibility)
        user = world.user()
        alice.invite(room, user)
        event_id = alice.send(room, "Hidden")
        answer = user.get("/rooms/{}/messages", room, dir="b")
        assert answer.status == 403 or event_id not in [e["event_id"] for e in answer.ok()["chunk"]]
        user.get("/rooms/{}/state", room).refused(403, "M_FORBIDDEN")


def check_shared(world: World) -> None:
    """With shared history a new member sees what was said before."""
    alice, room = room_with(world, "shared")
    event_id = alice.send(room, "Before")
    user = world.user()
    user.join(room)
    assert sees(user, room, event_id)


def check_invited_history(world: World) -> None:
    """With history for the invited a new member sees it from the invite on."""
    alice, room = room_with(world, "invited")
    user = world.user()
    before = alice.send(room, "Before the invite")
    alice.invite(room, user)
    after = alice.send(room, "After the invite")
    user.join(room)
    assert not sees(user, room, before)
    assert sees(user, room, after)


def check_joined_history(world: World) -> None:
    """With history for the joined a new member sees it from the join on."""
    alice, room = room_with(world, "joined")
    user = world.user()
    alice.invite(room, user)
    before = alice.send(room, "Before the join")
    user.join(room)
    after = alice.send(room, "After the join")
    assert not sees(user, room, before)
    assert sees(user, room, after)


def check_former_members(world: World) -> None:
    """Who has left still sees what they could see, and nothing that came later."""
    for visibility in HIDDEN:
        alice, room = room_with(world, visibility)
        user = world.user()
        user.join(room)
        before = alice.send(room, "With you")
        user.leave(room)
        after = alice.send(room, "Without you")
        assert sees(user, room, before)
        assert not sees(user, room, after)


def check_removed_members(world: World) -> None:
    """Who was kicked or banned sees nothing that came later."""
    alice, room = room_with(world, "shared")
    kicked, banned = world.user(), world.user()
    for user in (kicked, banned):
        user.join(room)
    before = alice.send(room, "With you")
    alice.kick(room, kicked)
    alice.ban(room, banned)
    after = alice.send(room, "Without you")
    for user in (kicked, banned):
        assert sees(user, room, before)
        assert not sees(user, room, after)


def check_visibility_holds_at_the_event(world: World) -> None:
    """A change of the visibility shows or hides nothing that was sent before."""
    alice, room = room_with(world, "joined")
    before = alice.send(room, "Members only")
    alice.set_state(room, "m.room.history_visibility", {"history_visibility": "shared"})
    after = alice.send(room, "For all members to come")
    user = world.user()
    user.join(room)
    assert not sees(user, room, before)
    assert sees(user, room, after)


def check_the_time_between(world: World) -> None:
    """With history for the joined a member does not see what was said while they were away."""
    alice, room = room_with(world, "joined")
    user = world.user()
    user.join(room)
    first = alice.send(room, "With you")
    user.leave(room)
    away = alice.send(room, "Without you")
    user.join(room)
    last = alice.send(room, "With you again")
    assert [sees(user, room, event_id) for event_id in (first, away, last)] == [True, False, True]


def check_sync_hides_what_is_hidden(world: World) -> None:
    """The first sync after a join shows no event that the member may not see."""
    alice, room = room_with(world, "joined")
    hidden = alice.send(room, "Before the join")
    user = world.user()
    user.join(room)
    shown = alice.send(room, "After the join")
    events = user.sync()["rooms"]["join"][room]["timeline"]["events"]
    assert shown in [event["event_id"] for event in events]
    assert hidden not in [event["event_id"] for event in events]


def check_members_need_membership_for_marks(world: World) -> None:
    """Outsiders neither type in a room nor mark its events as read."""
    alice, room = room_with(world, "world_readable")
    event_id = alice.send(room, "Open")
    user = world.user()
    typing = {"typing": True, "timeout": 1000}
    answer = user.put("/rooms/{}/typing/{}", room, user.user_id, body=typing)
    answer.refused(403, "M_FORBIDDEN")
    user.post("/rooms/{}/receipt/m.read/{}", room, event_id).refused(403, "M_FORBIDDEN")
    answer = user.post("/rooms/{}/read_markers", room, body={"m.read": event_id})
    answer.refused(403, "M_FORBIDDEN")
