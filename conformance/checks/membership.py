"""Joining, inviting, leaving, removing, banning and forgetting."""

from conformance.client import User, World


def public_room(world: World) -> tuple[User, User, str]:
    """Alice, her public room, and Bob, who is outside."""
    alice, bob = world.user("alice"), world.user("bob")
    return alice, bob, alice.create_room(preset="public_chat", name="Kitchen")


def private_room(world: World) -> tuple[User, User, str]:
    """Alice, her room for the invited, and Bob, who is outside."""
    alice, bob = world.user("alice"), world.user("bob")
    return alice, bob, alice.create_room(preset="private_chat", name="Kitchen")


def check_join_by_id(world: World) -> None:
    """Anybody joins a public room by its ID, on either path."""
    alice, bob, room = public_room(world)
    carol = world.user("carol")
    assert bob.post("/join/{}", room).ok() == {"room_id": room}
    assert carol.post("/rooms/{}/join", room).ok() == {"room_id": room}
    assert set(alice.members(room).values()) == {"join"}
    assert alice.members(room).keys() == {alice.user_id, bob.user_id, carol.user_id}


def check_join_by_alias(world: World) -> None:
    """Anybody joins a public room by its alias."""
    alice, bob = world.user("alice"), world.user("bob")
    name = world.name("kitchen")
    room = alice.create_room(preset="public_chat", room_alias_name=name)
    answer = bob.post("/join/{}", f"#{name}:{world.server_name}")
    assert answer.ok() == {"room_id": room}


def check_join_twice(world: World) -> None:
    """Joining a room again changes nothing."""
    _, bob, room = public_room(world)
    bob.join(room)
    before = bob.history(room)[0]["event_id"]
    bob.join(room)
    assert bob.history(room)[0]["event_id"] == before


def check_join_reason(world: World) -> None:
    """The reason for joining stands in the membership event."""
    _, bob, room = public_room(world)
    bob.post("/rooms/{}/join", room, body={"reason": "Hungry"}).ok()
    assert bob.state(room, "m.room.member", bob.user_id)["reason"] == "Hungry"


def check_joined_rooms(world: World) -> None:
    """The joined rooms are listed, and a room that was left is not."""
    alice, bob, room = public_room(world)
    other = alice.create_room(preset="public_chat")
    bob.join(room)
    bob.join(other)
    bob.leave(other)
    assert bob.get("/joined_rooms").ok() == {"joined_rooms": [room]}


def check_private_room_needs_an_invite(world: World) -> None:
    """Nobody joins a room for the invited without an invite."""
    _, bob, room = private_room(world)
    bob.post("/join/{}", room).refused(403, "M_FORBIDDEN")


def check_join_unknown_room(world: World) -> None:
    """A room that does not exist cannot be joined."""
    user = world.user()
    user.post("/join/{}", f"!nowhere:{world.server_name}").refused(404, "M_NOT_FOUND")
    user.post("/join/{}", f"#nowhere:{world.server_name}").refused(404, "M_NOT_FOUND")


def check_join_what_is_no_room(world: World) -> None:
    """What is neither a room ID nor an alias cannot be joined."""
    world.user().post("/join/{}", "kitchen").refused(400, "M_INVALID_PARAM")


def check_invite_and_join(world: World) -> None:
    """An invited user joins a room for the invited."""
    alice, bob, room = private_room(world)
    alice.invite(room, bob)
    assert alice.members(room)[bob.user_id] == "invite"
    bob.join(room)
    assert alice.members(room)[bob.user_id] == "join"


def check_invite_shows_the_room(world: World) -> None:
    """An invite arrives with what the room is: its creation, join rule, name, and the invite."""
    alice, bob, room = private_room(world)
    alice.invite(room, bob)
    events = bob.sync()["rooms"]["invite"][room]["invite_state"]["events"]
    shown = {(event["type"], event["state_key"]): event["content"] for event in events}
    assert shown["m.room.name", ""] == {"name": "Kitchen"}
    assert shown["m.room.join_rules", ""]["join_rule"] == "invite"
    assert ("m.room.create", "") in shown
    assert shown["m.room.member", bob.user_id]["membership"] == "invite"


def check_invite_reason(world: World) -> None:
    """The reason for an invite stands in the membership event."""
    alice, bob, room = private_room(world)
    body = {"user_id": bob.user_id, "reason": "Dinner"}
    alice.post("/rooms/{}/invite", room, body=body).ok()
    assert alice.state(room, "m.room.member", bob.user_id)["reason"] == "Dinner"


def check_outsiders_invite_nobody(world: World) -> None:
    """Who is not in the room invites nobody."""
    _, bob, room = private_room(world)
    body = {"user_id": world.user("carol").user_id}
    bob.post("/rooms/{}/invite", room, body=body).refused(403, "M_FORBIDDEN")


def check_members_need_power_to_invite(world: World) -> None:
    """A member without the power to invite invites nobody."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(preset="public_chat", power_level_content_override={"invite": 50})
    bob.join(room)
    body = {"user_id": world.user("carol").user_id}
    bob.post("/rooms/{}/invite", room, body=body).refused(403, "M_FORBIDDEN")


def check_members_are_not_invited(world: World) -> None:
    """Who is in the room already is not invited."""
    alice, bob, room = public_room(world)
    bob.join(room)
    answer = alice.post("/rooms/{}/invite", room, body={"user_id": bob.user_id})
    answer.refused(403, "M_FORBIDDEN")


def check_invite_of_no_user(world: World) -> None:
    """What is no user ID cannot be invited."""
    alice, _, room = private_room(world)
    answer = alice.post("/rooms/{}/invite", room, body={"user_id": "bob"})
    answer.refused(400, "M_INVALID_PARAM")


def check_invite_before_registration(world: World) -> None:
    """A user may be invited before they register, and finds the invite then."""
    alice, _, room = private_room(world)
    name = world.name("later")
    later = f"@{name}:{world.server_name}"
    alice.post("/rooms/{}/invite", room, body={"user_id": later}).ok()
    token = world.register_by_secret(name).ok()["access_token"]
    answer = world.stranger.get("/sync", access_token=token).ok()
    assert room in answer["rooms"]["invite"]


def check_invite_to_unknown_room(world: World) -> None:
    """Nobody is invited to a room that does not exist."""
    alice, bob = world.user("alice"), world.user("bob")
    room = f"!nowhere:{world.server_name}"
    answer = alice.post("/rooms/{}/invite", room, body={"user_id": bob.user_id})
    answer.refused(404, "M_NOT_FOUND")


def check_declining(world: World) -> None:
    """An invited user declines by leaving, and then needs another invite."""
    alice, bob, room = private_room(world)
    alice.invite(room, bob)
    bob.leave(room)
    assert alice.members(room)[bob.user_id] == "leave"
    bob.post("/join/{}", room).refused(403, "M_FORBIDDEN")


def check_leaving(world: World) -> None:
    """A member leaves, with a reason, and may do so again without effect."""
    alice, bob, room = public_room(world)
    bob.join(room)
    bob.post("/rooms/{}/leave", room, body={"reason": "Tired"}).ok()
    member = alice.state(room, "m.room.member", bob.user_id)
    assert (member["membership"], member["reason"]) == ("leave", "Tired")
    bob.leave(room)


def check_leaving_a_strange_room(world: World) -> None:
    """Who was never in a room cannot leave it."""
    _, bob, room = public_room(world)
    bob.post("/rooms/{}/leave", room).refused(403, "M_FORBIDDEN")


def check_leaving_unknown_room(world: World) -> None:
    """A room that does not exist cannot be left."""
    answer = world.user().post("/rooms/{}/leave", f"!nowhere:{world.server_name}")
    answer.refused(404, "M_NOT_FOUND")


def check_kicking(world: World) -> None:
    """A kicked user is out, is told the reason, and may join a public room again."""
    alice, bob, room = public_room(world)
    bob.join(room)
    body = {"user_id": bob.user_id, "reason": "Sleep first"}
    alice.post("/rooms/{}/kick", room, body=body).ok()
    member = alice.state(room, "m.room.member", bob.user_id)
    assert (member["membership"], member["reason"]) == ("leave", "Sleep first")
    bob.join(room)


def check_kick_takes_an_invite_back(world: World) -> None:
    """A kick takes back an invite."""
    alice, bob, room = private_room(world)
    alice.invite(room, bob)
    alice.kick(room, bob)
    bob.post("/join/{}", room).refused(403, "M_FORBIDDEN")


def check_kick_needs_power(world: World) -> None:
    """A member without the power to kick removes nobody."""
    alice, bob, room = public_room(world)
    bob.join(room)
    answer = bob.post("/rooms/{}/kick", room, body={"user_id": alice.user_id})
    answer.refused(403, "M_FORBIDDEN")


def check_kick_of_equals(world: World) -> None:
    """Nobody removes a user who has as much power."""
    alice, bob = world.user("alice"), world.user("bob")
    carol = world.user("carol")
    levels = {"users": {alice.user_id: 100, bob.user_id: 50, carol.user_id: 50}}
    room = alice.create_room(
        preset="public_chat", room_version="11", power_level_content_override=levels
    )
    bob.join(room)
    carol.join(room)
    answer = bob.post("/rooms/{}/kick", room, body={"user_id": carol.user_id})
    answer.refused(403, "M_FORBIDDEN")


def check_kick_of_an_outsider(world: World) -> None:
    """Who is not in the room cannot be kicked."""
    alice, bob, room = public_room(world)
    answer = alice.post("/rooms/{}/kick", room, body={"user_id": bob.user_id})
    answer.refused(403, "M_FORBIDDEN")


def check_ban(world: World) -> None:
    """A banned user is out and can neither join nor be invited."""
    alice, bob, room = public_room(world)
    bob.join(room)
    alice.ban(room, bob)
    assert alice.members(room)[bob.user_id] == "ban"
    bob.post("/join/{}", room).refused(403, "M_FORBIDDEN")
    answer = alice.post("/rooms/{}/invite", room, body={"user_id": bob.user_id})
    answer.refused(403, "M_FORBIDDEN")


def check_ban_of_an_outsider(world: World) -> None:
    """A user who was never in the room can be banned from it."""
    alice, bob, room = public_room(world)
    alice.ban(room, bob)
    bob.post("/join/{}", room).refused(403, "M_FORBIDDEN")


def check_ban_cannot_be_left(world: World) -> None:
    """A banned user does not lift the ban by leaving."""
    alice, bob, room = public_room(world)
    bob.join(room)
    alice.ban(room, bob)
    bob.post("/rooms/{}/leave", room).refused(403, "M_FORBIDDEN")


def check_ban_needs_power(world: World) -> None:
    """A member without the power to ban bans nobody."""
    alice, bob, room = public_room(world)
    bob.join(room)
    answer = bob.post("/rooms/{}/ban", room, body={"user_id": alice.user_id})
    answer.refused(403, "M_FORBIDDEN")


def check_unban(world: World) -> None:
    """After the ban is lifted the user is outside and may join again."""
    alice, bob, room = public_room(world)
    alice.ban(room, bob)
    alice.post("/rooms/{}/unban", room, body={"user_id": bob.user_id}).ok()
    assert alice.members(room)[bob.user_id] == "leave"
    bob.join(room)


def check_unban_without_ban(world: World) -> None:
    """A ban that is not there cannot be lifted."""
    alice, bob, room = public_room(world)
    bob.join(room)
    answer = alice.post("/rooms/{}/unban", room, body={"user_id": bob.user_id})
    answer.refused(403, "M_BAD_STATE", "M_FORBIDDEN")
    assert alice.members(room)[bob.user_id] == "join"


def check_unban_needs_power(world: World) -> None:
    """A member without the power to ban lifts no ban."""
    alice, bob, room = public_room(world)
    carol = world.user("carol")
    carol.join(room)
    alice.ban(room, bob)
    answer = carol.post("/rooms/{}/unban", room, body={"user_id": bob.user_id})
    answer.refused(403, "M_FORBIDDEN")


def check_membership_by_state(world: World) -> None:
    """Memberships can be changed as state as well."""
    alice, bob, room = public_room(world)
    member = {"membership": "invite"}
    alice.set_state(room, "m.room.member", member, bob.user_id)
    assert room in bob.sync()["rooms"]["invite"]
    alice.set_state(room, "m.room.member", {"membership": "ban"}, bob.user_id)
    bob.post("/join/{}", room).refused(403, "M_FORBIDDEN")


def check_nobody_joins_for_another(world: World) -> None:
    """Nobody makes another user join."""
    alice, bob, room = public_room(world)
    answer = alice.put(
        "/rooms/{}/state/m.room.member/{}", room, bob.user_id, body={"membership": "join"}
    )
    answer.refused(403, "M_FORBIDDEN")


def check_forgetting(world: World) -> None:
    """A forgotten room can no longer be read and does not come back in a sync."""
    _, bob, room = public_room(world)
    bob.join(room)
    bob.leave(room)
    bob.get("/rooms/{}/messages", room, dir="b").ok()
    bob.post("/rooms/{}/forget", room).ok()
    bob.get("/rooms/{}/messages", room, dir="b").refused(403, "M_FORBIDDEN")
    answer = bob.sync(filter={"room": {"include_leave": True}})
    assert room not in answer.get("rooms", {}).get("leave", {})


def check_forgetting_a_joined_room(world: World) -> None:
    """A room cannot be forgotten by who is in it."""
    alice, _, room = public_room(world)
    alice.post("/rooms/{}/forget", room).refused(400, "M_UNKNOWN")


def check_return_after_forgetting(world: World) -> None:
    """Who has forgotten a room may join it again and see its history."""
    alice, bob, room = public_room(world)
    bob.join(room)
    event_id = alice.send(room, "Soup is ready")
    bob.leave(room)
    bob.post("/rooms/{}/forget", room).ok()
    bob.join(room)
    assert event_id in [event["event_id"] for event in bob.history(room)]


BLOCK = {"default_action": "block"}


def check_blocked_invites(world: World) -> None:
    """Who blocks invites gets none: by invite, by room creation, by state."""
    owner, user = world.user(), world.user()
    path = "/user/{}/account_data/m.invite_permission_config"
    user.put(path, user.user_id, body=BLOCK).ok()
    room = owner.create_room()
    invited = {"membership": "invite"}
    answers = [
        owner.post("/rooms/{}/invite", room, body={"user_id": user.user_id}),
        owner.post("/createRoom", body={"invite": [user.user_id]}),
        owner.put("/rooms/{}/state/m.room.member/{}", room, user.user_id, body=invited),
    ]
    for answer in answers:
        answer.refused(403, "M_INVITE_BLOCKED")
    assert "invite" not in user.sync().get("rooms", {})
    user.put(path, user.user_id, body={}).ok()
    owner.invite(room, user)


def check_guests_join_where_they_are_let_in(world: World) -> None:
    """A guest joins a room that takes guests and no other, in whichever way."""
    owner, guest = world.user(), world.guest()
    closed = owner.create_room(preset="public_chat")
    joined = {"membership": "join"}
    answers = [
        guest.post("/join/{}", closed),
        guest.post("/rooms/{}/join", closed),
        guest.put("/rooms/{}/state/m.room.member/{}", closed, guest.user_id, body=joined),
    ]
    for answer in answers:
        answer.refused(403, "M_GUEST_ACCESS_FORBIDDEN")
    owner.set_state(closed, "m.room.guest_access", {"guest_access": "can_join"})
    guest.join(closed)
    assert owner.members(closed)[guest.user_id] == "join"


def check_power_to_kick_lifts_no_ban(world: World) -> None:
    """Who may kick and not ban does not lift a ban, by unban nor by state."""
    owner, helper, banned = world.user(), world.user(), world.user()
    room = owner.create_room(preset="public_chat")
    helper.join(room)
    levels = owner.state(room, "m.room.power_levels")
    levels |= {"kick": 50, "ban": 75, "users": levels.get("users", {}) | {helper.user_id: 50}}
    owner.set_state(room, "m.room.power_levels", levels)
    owner.ban(room, banned)
    answer = helper.post("/rooms/{}/unban", room, body={"user_id": banned.user_id})
    answer.refused(403, "M_FORBIDDEN")
    path = "/rooms/{}/state/m.room.member/{}"
    answer = helper.put(path, room, banned.user_id, body={"membership": "leave"})
    answer.refused(403, "M_FORBIDDEN")
    assert owner.members(room)[banned.user_id] == "ban"


def check_blocked_invites_are_not_told(world: World) -> None:
    """An invite from before the user blocked invites is told by no sync until they are wanted."""
    owner, user = world.user(), world.user()
    path = "/user/{}/account_data/m.invite_permission_config"
    room = owner.create_room(invite=[user.user_id])
    user.put(path, user.user_id, body=BLOCK).ok()
    since = user.sync()
    assert "invite" not in since.get("rooms", {})
    assert owner.members(room)[user.user_id] == "invite"
    user.put(path, user.user_id, body={}).ok()
    assert room in user.sync()["rooms"]["invite"]


def check_guests_have_to_leave(world: World) -> None:
    """When a room takes guests no longer, those in it are out, and others stay."""
    access = "m.room.guest_access"
    for way in ("state", "redaction"):
        owner, guest, user = world.user("owner"), world.guest(), world.user()
        room = owner.create_room(preset="public_chat")
        welcome = owner.set_state(room, access, {"guest_access": "can_join"})
        for one in (guest, user):
            one.post("/rooms/{}/join", room).ok()
        if way == "state":
            owner.set_state(room, access, {"guest_access": "forbidden"})
        else:
            owner.put("/rooms/{}/redact/{}/{}", room, welcome, "t", body={}).ok()
        members = owner.members(room)
        assert (members[guest.user_id], members[user.user_id]) == ("leave", "join")
        guest.post("/rooms/{}/join", room).refused(403, "M_GUEST_ACCESS_FORBIDDEN")


def check_outsiders_learn_of_no_ban(world: World) -> None:
    """Who is outside does not learn from an unban whether somebody is banned."""
    alice, bob, room = public_room(world)
    banned = world.user("banned")
    alice.ban(room, banned)
    for user in (banned, alice):
        answer = bob.post("/rooms/{}/unban", room, body={"user_id": user.user_id})
        answer.refused(403, "M_FORBIDDEN")
