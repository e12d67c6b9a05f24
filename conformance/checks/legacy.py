"""Older paths that clients still use."""

from conformance.client import PASSWORD, World

R0 = "/_matrix/client/r0"


def check_login_and_whoami(world: World) -> None:
    """Login and whoami answer on their older paths, and login has home_server."""
    user = world.user()
    body = {"type": "m.login.password", "user": user.localpart, "password": PASSWORD}
    answer = world.stranger.post(f"{R0}/login", body=body).ok()
    assert answer["user_id"] == user.user_id
    assert user.get(f"{R0}/account/whoami").ok()["user_id"] == user.user_id


def check_registration(world: World) -> None:
    """Registration answers on its older path."""
    body = {"username": world.name(), "password": PASSWORD}
    session = world.stranger.post(f"{R0}/register", body=body).json["session"]
    auth = {"type": "m.login.dummy", "session": session}
    answer = world.stranger.post(f"{R0}/register", body=body | {"auth": auth}).ok()
    assert answer["home_server"] == answer["user_id"].partition(":")[2]


def check_rooms(world: World) -> None:
    """Rooms are made, joined, written to and read on the older paths."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.post(f"{R0}/createRoom", body={"preset": "public_chat"}).ok()["room_id"]
    bob.post(f"{R0}/rooms/{{}}/join", room).ok()
    path = R0 + "/rooms/{}/send/m.room.message/{}"
    event_id = bob.put(path, room, "t", body={"msgtype": "m.text", "body": "Hi"}).ok()["event_id"]
    chunk = alice.get(R0 + "/rooms/{}/messages", room, dir="b").ok()["chunk"]
    assert chunk[0]["event_id"] == event_id


def check_sync(world: World) -> None:
    """Sync answers on its older path."""
    user = world.user()
    room = user.create_room()
    assert room in user.get(f"{R0}/sync").ok()["rooms"]["join"]


def check_media(world: World) -> None:
    """Uploads and the media configuration answer on their older paths."""
    user = world.user()
    headers = {"Content-Type": "text/plain"}
    path = "/_matrix/media/r0/upload"
    assert user.request("POST", path, body=b"soup", headers=headers).ok()["content_uri"]
    assert user.get("/_matrix/media/r0/config").ok() == user.get("/_matrix/media/v3/config").ok()


def check_wrong_method(world: World) -> None:
    """An older path refuses a wrong method as today's path does."""
    world.user().put(f"{R0}/sync", body={}).refused(405, "M_UNRECOGNIZED")
