"""Room upgrades."""

from conformance.client import User, World

UPGRADE = "/rooms/{}/upgrade"


def upgraded(user: User, room: str, version: str = "11") -> str:
    """Upgrade a room; the ID of its successor."""
    successor: str = user.post(UPGRADE, room, body={"new_version": version}).ok()[
        "replacement_room"
    ]
    return successor


def check_upgrade(world: World) -> None:
    """An upgrade leaves a tombstone that leads on, and a successor that leads back."""
    user = world.user()
    room = user.create_room(room_version="10", name="Kitchen", topic="Soup")
    successor = upgraded(user, room)
    assert user.state(room, "m.room.tombstone")["replacement_room"] == successor
    created = user.state(successor, "m.room.create")
    assert created["predecessor"]["room_id"] == room and created["room_version"] == "11"
    assert user.state(successor, "m.room.name") == {"name": "Kitchen"}
    assert user.state(successor, "m.room.topic")["topic"] == "Soup"


def check_upgrade_to_each_version(world: World) -> None:
    """A room is upgraded to each version that the server announces."""
    user = world.user()
    versions = user.get("/capabilities").ok()["capabilities"]["m.room_versions"]["available"]
    for version in versions:
        successor = upgraded(user, user.create_room(room_version="10"), version)
        created = user.state(successor, "m.room.create")
        assert created.get("room_version", "1") == version


def check_upgrade_moves_aliases(world: World) -> None:
    """Aliases lead to the successor after an upgrade."""
    user = world.user()
    name = world.name()
    room = user.create_room(room_version="10", room_alias_name=name)
    successor = upgraded(user, room)
    alias = f"#{name}:{world.server_name}"
    assert user.get("/directory/room/{}", alias).ok()["room_id"] == successor
    assert user.state(successor, "m.room.canonical_alias")["alias"] == alias


def check_upgrade_keeps_bans(world: World) -> None:
    """Who was banned is banned from the successor."""
    owner, user = world.user(), world.user()
    room = owner.create_room(room_version="10", preset="public_chat")
    owner.ban(room, user)
    successor = upgraded(owner, room)
    user.post("/rooms/{}/join", successor).refused(403, "M_FORBIDDEN")


def check_upgrade_keeps_power(world: World) -> None:
    """Power levels go along with an upgrade."""
    owner, helper = world.user(), world.user()
    room = owner.create_room(room_version="10", preset="public_chat")
    levels = owner.state(room, "m.room.power_levels")
    levels["users"][helper.user_id] = 50
    owner.set_state(room, "m.room.power_levels", levels)
    successor = upgraded(owner, room)
    assert owner.state(successor, "m.room.power_levels")["users"][helper.user_id] == 50


def check_upgrade_closes_the_old_room(world: World) -> None:
    """Ordinary members say nothing more in a room that was upgraded."""
    owner, user = world.user(), world.user()
    room = owner.create_room(room_version="10", preset="public_chat")
    user.join(room)
    upgraded(owner, room)
    path = "/rooms/{}/send/{}/{}"
    body = {"msgtype": "m.text", "body": "Too late"}
    user.put(path, room, "m.room.message", "t", body=body).refused(403, "M_FORBIDDEN")
    levels = owner.state(room, "m.room.power_levels")
    assert levels["events_default"] >= 50 and levels["invite"] >= 50


def check_tags_follow_an_upgrade(world: World) -> None:
    """A member's tags are those of the successor when they have joined it."""
    owner, user = world.user(), world.user()
    room = owner.create_room(room_version="10", preset="public_chat")
    user.join(room)
    path = "/user/{}/rooms/{}/tags/{}"
    user.put(path, user.user_id, room, "m.favourite", body={"order": 0.5}).ok()
    successor = upgraded(owner, room)
    user.join(successor)
    tags = user.get("/user/{}/rooms/{}/tags", user.user_id, successor).ok()["tags"]
    assert tags == {"m.favourite": {"order": 0.5}}


def check_upgrade_to_no_version(world: World) -> None:
    """An upgrade to a version that nobody knows is refused and changes nothing."""
    user = world.user()
    room = user.create_room(room_version="10")
    answer = user.post(UPGRADE, room, body={"new_version": "soup"})
    answer.refused(400, "M_UNSUPPORTED_ROOM_VERSION")
    user.get("/rooms/{}/state/m.room.tombstone/", room).refused(404, "M_NOT_FOUND")


def check_upgrade_needs_power(world: World) -> None:
    """Who may not send a tombstone does not upgrade a room, and strangers neither."""
    owner, member, stranger = world.user(), world.user(), world.user()
    room = owner.create_room(room_version="10", preset="public_chat")
    member.join(room)
    for user in (member, stranger):
        answer = user.post(UPGRADE, room, body={"new_version": "11"})
        answer.refused(403, "M_FORBIDDEN")


def check_upgrade_of_nothing(world: World) -> None:
    """A room that nobody made is not upgraded."""
    user = world.user()
    room = f"!{world.name()}:{world.server_name}"
    answer = user.post(UPGRADE, room, body={"new_version": "11"})
    answer.refused(404, "M_NOT_FOUND")
