"""Rooms from outside: summaries, spaces and their rooms, rooms in common."""

from typing import Any

from conformance.client import Json, User, World

HIERARCHY = "/_matrix/client/v1/rooms/{}/hierarchy"
SUMMARY = "/_matrix/client/v1/room_summary/{}"
MUTUAL = "/_matrix/client/v1/mutual_rooms"


def space(user: User, *children: str, **more: Any) -> str:
    """A space with rooms in it."""
    room = user.create_room(creation_content={"type": "m.space"}, preset="public_chat", **more)
    for child in children:
        link(user, room, child)
    return room


def link(user: User, parent: str, child: str, **more: Any) -> None:
    """Put a room into a space."""
    via = [user.user_id.partition(":")[2]]
    user.set_state(parent, "m.space.child", {"via": via} | more, child)


def walked(user: User, root: str, **query: Any) -> list[str]:
    """The rooms of a space, in order."""
    rooms: list[Json] = user.get(HIERARCHY, root, **query).ok()["rooms"]
    return [room["room_id"] for room in rooms]


def check_space(world: World) -> None:
    """A space shows itself first, then the rooms in it, with its links to them."""
    user = world.user()
    first, second = user.create_room(name="First"), user.create_room(name="Second")
    root = space(user)
    link(user, root, second, order="b")
    link(user, root, first, order="a")
    rooms = user.get(HIERARCHY, root).ok()["rooms"]
    assert [room["room_id"] for room in rooms] == [root, first, second]
    assert rooms[0]["room_type"] == "m.space"
    assert [one["state_key"] for one in rooms[0]["children_state"]] == [first, second]
    assert rooms[1]["name"] == "First" and rooms[1]["children_state"] == []


def check_space_in_a_space(world: World) -> None:
    """Spaces in spaces are walked depth first, and no deeper than is asked for."""
    user = world.user()
    leaf, beside = user.create_room(), user.create_room()
    inner = space(user, leaf)
    root = space(user)
    link(user, root, inner, order="a")
    link(user, root, beside, order="b")
    assert walked(user, root) == [root, inner, leaf, beside]
    assert walked(user, root, max_depth=1) == [root, inner, beside]
    assert walked(user, root, max_depth=0) == [root]


def check_circle_of_spaces(world: World) -> None:
    """Spaces that contain each other are listed once each."""
    user = world.user()
    root, other = space(user), space(user)
    link(user, root, other)
    link(user, other, root)
    assert walked(user, root) == [root, other]


def check_suggested_only(world: World) -> None:
    """Only suggested rooms are listed where only they are asked for."""
    user = world.user()
    plain, suggested = user.create_room(), user.create_room()
    root = space(user, plain)
    link(user, root, suggested, suggested=True)
    assert walked(user, root, suggested_only=True) == [root, suggested]


def check_link_without_via(world: World) -> None:
    """A room whose link says no server to go through is not in the space."""
    user = world.user()
    room = user.create_room()
    root = space(user, room)
    user.set_state(root, "m.space.child", {}, room)
    assert walked(user, root) == [root]


def check_pages_of_a_space(world: World) -> None:
    """A space is read page by page, each room once."""
    user = world.user()
    children = [user.create_room() for _ in range(5)]
    root = space(user, *children)
    page = user.get(HIERARCHY, root, limit=2).ok()
    found = [room["room_id"] for room in page["rooms"]]
    while "next_batch" in page:
        page = user.get(HIERARCHY, root, limit=2, from_=page["next_batch"]).ok()
        found += [room["room_id"] for room in page["rooms"]]
    assert len(found) == 6 and set(found) == {root, *children}


def check_pages_stay_the_same_walk(world: World) -> None:
    """A page token is refused with another depth, another choice, or when it is none."""
    user = world.user()
    root = space(user, user.create_room(), user.create_room())
    token = user.get(HIERARCHY, root, limit=1, max_depth=3).ok()["next_batch"]
    for query in ({"max_depth": 2}, {"max_depth": 3, "suggested_only": True}):
        answer = user.get(HIERARCHY, root, limit=1, from_=token, **query)
        answer.refused(400, "M_INVALID_PARAM")
    user.get(HIERARCHY, root, from_="soup").refused(400, "M_INVALID_PARAM")


def check_private_rooms_in_a_space(world: World) -> None:
    """A private room of a space is shown to its members and to those who are invited."""
    owner, member, stranger = world.user(), world.user(), world.user()
    hidden = owner.create_room(preset="private_chat", name="Hidden")
    root = space(owner, hidden)
    owner.invite(hidden, member)
    assert walked(member, root) == [root, hidden]
    assert walked(stranger, root) == [root]


def check_restricted_rooms_in_a_space(world: World) -> None:
    """A restricted room of a space is shown to those whose membership lets them in."""
    owner, member, stranger = world.user(), world.user(), world.user()
    root = space(owner)
    allow = [{"type": "m.room_membership", "room_id": root}]
    rule = {"join_rule": "restricted", "allow": allow}
    room = owner.create_room(initial_state=[{"type": "m.room.join_rules", "content": rule}])
    link(owner, root, room)
    member.join(root)
    (_, found) = member.get(HIERARCHY, root).ok()["rooms"]
    assert found["room_id"] == room and found["allowed_room_ids"] == [root]
    assert walked(stranger, root) == [root]


def check_space_that_one_cannot_see(world: World) -> None:
    """A private space is refused to strangers, as is one that nobody made."""
    owner, stranger = world.user(), world.user()
    root = owner.create_room(creation_content={"type": "m.space"})
    stranger.get(HIERARCHY, root).refused(403, "M_FORBIDDEN")
    unknown = f"!{world.name()}:{world.server_name}"
    stranger.get(HIERARCHY, unknown).refused(403, "M_FORBIDDEN")


def check_summary(world: World) -> None:
    """A summary of a public room is for everybody, by ID and by alias."""
    owner, stranger = world.user(), world.user()
    name = world.name()
    room = owner.create_room(
        preset="public_chat", name="Kitchen", topic="Soup", room_alias_name=name
    )
    for named in (room, f"#{name}:{world.server_name}"):
        found = stranger.get(SUMMARY, named).ok()
        assert found["room_id"] == room and found["name"] == "Kitchen"
        assert found["topic"] == "Soup" and found["num_joined_members"] == 1
        assert found["join_rule"] == "public" and "membership" not in found
    assert owner.get(SUMMARY, room).ok()["membership"] == "join"


def check_summary_of_a_private_room(world: World) -> None:
    """A private room has no summary for strangers, and one for who is invited."""
    owner, user = world.user(), world.user()
    room = owner.create_room()
    user.get(SUMMARY, room).refused(404, "M_NOT_FOUND")
    owner.invite(room, user)
    assert user.get(SUMMARY, room).ok()["membership"] == "invite"


def check_summary_of_nothing(world: World) -> None:
    """Neither unknown rooms nor unknown aliases have a summary; what is no name is refused."""
    user = world.user()
    for sigil in "!#":
        answer = user.get(SUMMARY, f"{sigil}{world.name()}:{world.server_name}")
        answer.refused(404, "M_NOT_FOUND")
    user.get(SUMMARY, "kitchen").refused(400, "M_INVALID_PARAM")


def check_rooms_in_common(world: World) -> None:
    """Rooms in common are those in which both are joined now."""
    alice, bob = world.user("alice"), world.user("bob")
    both, left, invited = (alice.create_room(preset="public_chat") for _ in range(3))
    alice.create_room()
    bob.join(both)
    bob.join(left)
    bob.leave(left)
    alice.invite(invited, bob)
    found = alice.get(MUTUAL, user_id=bob.user_id).ok()
    assert found["joined"] == [both] and found["count"] == 1
    assert bob.get(MUTUAL, user_id=alice.user_id).ok()["joined"] == [both]


def check_rooms_in_common_with_oneself(world: World) -> None:
    """Nobody asks for rooms in common with themselves, nor with what is no user."""
    user = world.user()
    user.get(MUTUAL, user_id=user.user_id).refused(400, "M_INVALID_PARAM")
    user.get(MUTUAL, user_id="alice").refused(400, "M_INVALID_PARAM")
    user.get(MUTUAL, user_id=world.user().user_id, from_="soup").refused(400, "M_INVALID_PARAM")


def check_rooms_in_common_with_a_stranger(world: World) -> None:
    """With a stranger, known or not, no room is in common."""
    user = world.user()
    for other in (world.user().user_id, f"@{world.name()}:{world.server_name}"):
        found = user.get(MUTUAL, user_id=other).ok()
        assert found["joined"] == [] and found["count"] == 0
