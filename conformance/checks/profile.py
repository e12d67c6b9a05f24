"""Profiles."""

from conformance.client import World

FIELD = "org.example.mood"


def check_display_name(world: World) -> None:
    """A display name is set, and shown to everybody."""
    user = world.user()
    user.put("/profile/{}/displayname", user.user_id, body={"displayname": "Alice A."}).ok()
    answer = world.stranger.get("/profile/{}/displayname", user.user_id)
    assert answer.ok() == {"displayname": "Alice A."}


def check_avatar(world: World) -> None:
    """An avatar is set, and shown to everybody."""
    user = world.user()
    body = {"avatar_url": "mxc://example.org/SEsfnsuifSDFSSEF"}
    user.put("/profile/{}/avatar_url", user.user_id, body=body).ok()
    assert world.stranger.get("/profile/{}/avatar_url", user.user_id).ok() == body


def check_whole_profile(world: World) -> None:
    """The whole profile holds every field that was set."""
    user = world.user()
    user.put("/profile/{}/displayname", user.user_id, body={"displayname": "Alice"}).ok()
    user.put("/profile/{}/{}", user.user_id, FIELD, body={FIELD: {"now": ["glad"]}}).ok()
    profile = world.user().get("/profile/{}", user.user_id).ok()
    assert profile["displayname"] == "Alice"
    assert profile[FIELD] == {"now": ["glad"]}


def check_field_is_deleted(world: World) -> None:
    """A field of the profile is deleted."""
    user = world.user()
    user.put("/profile/{}/{}", user.user_id, FIELD, body={FIELD: "glad"}).ok()
    user.delete("/profile/{}/{}", user.user_id, FIELD).ok()
    user.get("/profile/{}/{}", user.user_id, FIELD).refused(404, "M_NOT_FOUND")


def check_profile_of_another(world: World) -> None:
    """Nobody changes the profile of another user."""
    alice, mallory = world.user("alice"), world.user("mallory")
    body = {"displayname": "Fool"}
    answer = mallory.put("/profile/{}/displayname", alice.user_id, body=body)
    answer.refused(403, "M_FORBIDDEN")
    mallory.delete("/profile/{}/displayname", alice.user_id).refused(403, "M_FORBIDDEN")


def check_unknown_profile(world: World) -> None:
    """A user who does not exist has no profile."""
    nobody = f"@{world.name('nobody')}:{world.server_name}"
    world.stranger.get("/profile/{}", nobody).refused(404, "M_NOT_FOUND")
    world.stranger.get("/profile/{}/displayname", nobody).refused(404, "M_NOT_FOUND")


def check_field_is_named_in_the_body(world: World) -> None:
    """A change of a field needs the field in the body."""
    user = world.user()
    answer = user.put("/profile/{}/displayname", user.user_id, body={"name": "Alice"})
    answer.refused(400, "M_MISSING_PARAM")


def check_display_name_is_text(world: World) -> None:
    """A display name is text."""
    user = world.user()
    answer = user.put("/profile/{}/displayname", user.user_id, body={"displayname": 7})
    answer.refused(400, "M_INVALID_PARAM", "M_BAD_JSON")


def check_profile_has_a_limit(world: World) -> None:
    """A profile does not grow beyond 64 KiB."""
    user = world.user()
    answer = user.put("/profile/{}/{}", user.user_id, FIELD, body={FIELD: "x" * 65_536})
    answer.refused(400, "M_PROFILE_TOO_LARGE")


def check_long_field_name(world: World) -> None:
    """A field of the profile has a name of at most 255 bytes."""
    user = world.user()
    name = "org.example." + "x" * 250
    answer = user.put("/profile/{}/{}", user.user_id, name, body={name: 1})
    answer.refused(400, "M_KEY_TOO_LARGE")


def check_display_name_reaches_rooms(world: World) -> None:
    """A new display name is shown in the rooms that the user is in."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    since = alice.sync()["next_batch"]
    bob.put("/profile/{}/displayname", bob.user_id, body={"displayname": "Bobby"}).ok()
    member = bob.state(room, "m.room.member", bob.user_id)
    assert (member["membership"], member["displayname"]) == ("join", "Bobby")
    events = alice.sync(since)["rooms"]["join"][room]["timeline"]["events"]
    assert events[-1]["content"]["displayname"] == "Bobby"
