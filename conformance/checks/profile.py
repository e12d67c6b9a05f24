"""Profiles."""

import time
from typing import Any

from conformance.client import Json, User, World

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
    event = awaited_member(alice, room, bob, since)
    assert (event["content"]["membership"], event["content"]["displayname"]) == ("join", "Bobby")
    assert bob.state(room, "m.room.member", bob.user_id)["displayname"] == "Bobby"


def check_avatar_reaches_rooms(world: World) -> None:
    """A new avatar is shown in the rooms that the user is in, beside the display name."""
    alice, bob = world.user("alice"), world.user("bob")
    bob.put("/profile/{}/displayname", bob.user_id, body={"displayname": "Bobby"}).ok()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    since = alice.sync()["next_batch"]
    body = {"avatar_url": "mxc://example.org/SEsfnsuifSDFSSEF"}
    bob.put("/profile/{}/avatar_url", bob.user_id, body=body).ok()
    content = awaited_member(alice, room, bob, since)["content"]
    assert content == {"membership": "join", "displayname": "Bobby"} | body


def check_removed_name_reaches_rooms(world: World) -> None:
    """A display name that is removed is no longer shown in rooms."""
    alice, bob = world.user("alice"), world.user("bob")
    bob.put("/profile/{}/displayname", bob.user_id, body={"displayname": "Bobby"}).ok()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    since = alice.sync()["next_batch"]
    bob.delete("/profile/{}/displayname", bob.user_id).ok()
    assert "displayname" not in awaited_member(alice, room, bob, since)["content"]


def check_name_reaches_many_rooms_in_the_end(world: World) -> None:
    """A new display name reaches all rooms of a user who is in many, the newest name at last."""
    user = world.user()
    rooms = [user.create_room() for _ in range(45)]
    for name in ("First", "Second", "Third"):
        user.put("/profile/{}/displayname", user.user_id, body={"displayname": name}).ok()
    for _ in range(100):
        shown = {
            user.state(room, "m.room.member", user.user_id).get("displayname") for room in rooms
        }
        if shown == {"Third"}:
            return
        time.sleep(0.2)
    raise AssertionError(f"after 20 s there are rooms that show {shown}")


def check_other_fields_do_not_reach_rooms(world: World) -> None:
    """A field other than name and avatar changes nothing in rooms."""
    user = world.user()
    room = user.create_room()
    before = user.history(room)[0]["event_id"]
    user.put("/profile/{}/{}", user.user_id, FIELD, body={FIELD: "glad"}).ok()
    assert user.history(room)[0]["event_id"] == before


def awaited_member(watcher: User, room: str, user: User, since: str) -> Json:
    """The first membership event of a user that another one syncs after a token."""
    while True:
        answer = watcher.sync(since, timeout=20_000)
        joined = answer.get("rooms", {}).get("join", {})
        for event in joined.get(room, {}).get("timeline", {}).get("events", []):
            if event.get("state_key") == user.user_id:
                return event  # type: ignore[no-any-return]
        assert joined, "nothing came"
        since = answer["next_batch"]


# --- fields ---


def check_time_zone(world: World) -> None:
    """A time zone is set, shown to everybody and removed."""
    user = world.user()
    user.put("/profile/{}/m.tz", user.user_id, body={"m.tz": "Europe/Paris"}).ok()
    assert world.stranger.get("/profile/{}/m.tz", user.user_id).ok() == {"m.tz": "Europe/Paris"}
    user.delete("/profile/{}/m.tz", user.user_id).ok()
    assert "m.tz" not in world.stranger.get("/profile/{}", user.user_id).ok()


def check_any_json_in_a_field(world: World) -> None:
    """A field of the profile holds any JSON value."""
    user = world.user()
    values: list[Any] = [0, 1.5, True, None, "", "text", [], [1, [2]], {"a": {"b": []}}]
    for value in values:
        user.put("/profile/{}/{}", user.user_id, FIELD, body={FIELD: value}).ok()
        assert user.get("/profile/{}/{}", user.user_id, FIELD).ok() == {FIELD: value}


def check_unstable_path_of_fields(world: World) -> None:
    """The path of fields from before the specification had them still serves."""
    user = world.user()
    path = "/_matrix/client/unstable/uk.tcpip.msc4133/profile/{}/{}"
    user.put(path, user.user_id, FIELD, body={FIELD: "glad"}).ok()
    assert user.get("/profile/{}/{}", user.user_id, FIELD).ok() == {FIELD: "glad"}


def check_field_that_is_not_set_is_deleted(world: World) -> None:
    """Removing a field that is not set succeeds."""
    user = world.user()
    user.delete("/profile/{}/{}", user.user_id, FIELD).ok()


def check_unlawful_field_name(world: World) -> None:
    """The name of a field is lower-case and begins with a letter."""
    user = world.user()
    for name in ("Mood", "1mood", "mo od", "möod", "-mood"):
        answer = user.put("/profile/{}/{}", user.user_id, name, body={name: 1})
        answer.refused(400, "M_INVALID_PARAM")
        user.delete("/profile/{}/{}", user.user_id, name).refused(400, "M_INVALID_PARAM")


def check_longest_field_name(world: World) -> None:
    """The name of a field may have 255 bytes, and not one more."""
    user = world.user()
    name = "org.example." + "x" * 243
    user.put("/profile/{}/{}", user.user_id, name, body={name: 1}).ok()
    answer = user.put("/profile/{}/{}", user.user_id, name + "x", body={name + "x": 1})
    answer.refused(400, "M_KEY_TOO_LARGE")


def check_fields_share_the_limit(world: World) -> None:
    """The limit of 64 KiB is that of the whole profile, and a smaller value makes room again."""
    user = world.user()
    one, two = "org.example.one", "org.example.two"
    user.put("/profile/{}/{}", user.user_id, one, body={one: "x" * 40_000}).ok()
    answer = user.put("/profile/{}/{}", user.user_id, two, body={two: "x" * 40_000})
    answer.refused(400, "M_PROFILE_TOO_LARGE")
    user.put("/profile/{}/{}", user.user_id, one, body={one: "x"}).ok()
    user.put("/profile/{}/{}", user.user_id, two, body={two: "x" * 40_000}).ok()


def check_field_body_is_an_object(world: World) -> None:
    """A field is set by an object."""
    user = world.user()
    for body, errcode in ((b"[]", "M_BAD_JSON"), (b"7", "M_BAD_JSON"), (b"{", "M_NOT_JSON")):
        answer = user.put("/profile/{}/{}", user.user_id, FIELD, body=body)
        answer.refused(400, errcode)


def check_stranger_changes_no_profile(world: World) -> None:
    """Without a token nobody changes a profile."""
    user = world.user()
    answer = world.stranger.put("/profile/{}/{}", user.user_id, FIELD, body={FIELD: 1})
    answer.refused(401, "M_MISSING_TOKEN")
    world.stranger.delete("/profile/{}/{}", user.user_id, FIELD).refused(401, "M_MISSING_TOKEN")


def check_profile_of_no_user_id(world: World) -> None:
    """A profile is asked for by a user ID."""
    for user_id in ("alice", "#alice:example.org", "@alice"):
        world.stranger.get("/profile/{}", user_id).refused(400, "M_INVALID_PARAM")


def check_profile_capability(world: World) -> None:
    """The capabilities say that the fields of the profile can be changed."""
    capabilities = world.user().get("/capabilities").ok()["capabilities"]
    assert capabilities["m.profile_fields"] == {"enabled": True}
