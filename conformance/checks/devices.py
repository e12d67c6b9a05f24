"""Devices, the password, and the user-interactive authentication that guards them."""

from collections.abc import Callable
from dataclasses import replace

from conformance.client import Json, User, World, authorized
from conformance.runner.exchange import Exchange

Step = Callable[[Json], Exchange]


def delete(user: User, *device_ids: str) -> Step:
    """The step that asks to delete devices."""
    if len(device_ids) == 1:
        return lambda body: user.delete("/devices/{}", *device_ids, body=body)
    return lambda body: user.post("/delete_devices", body=body | {"devices": device_ids})


def change_password(user: User) -> Step:
    """The step that asks for another password."""
    return lambda body: user.post("/account/password", body=body)


def check_devices_are_listed(world: World) -> None:
    """A user sees all of their devices."""
    user = world.user()
    other = user.new_device(initial_device_display_name="Radio")
    devices = {one["device_id"]: one for one in user.get("/devices").ok()["devices"]}
    assert devices.keys() == {user.device_id, other.device_id}
    assert devices[other.device_id]["display_name"] == "Radio"


def check_one_device(world: World) -> None:
    """A user sees one of their devices by its ID."""
    user = world.user()
    assert user.get("/devices/{}", user.device_id).ok()["device_id"] == user.device_id


def check_unknown_device(world: World) -> None:
    """A device that a user does not have is not found, even where another user has it."""
    user, other = world.user(), world.user()
    user.get("/devices/{}", "NOSUCH").refused(404, "M_NOT_FOUND")
    user.get("/devices/{}", other.device_id).refused(404, "M_NOT_FOUND")


def check_devices_are_renamed(world: World) -> None:
    """A user renames a device."""
    user = world.user()
    user.put("/devices/{}", user.device_id, body={"display_name": "Toaster"}).ok()
    assert user.get("/devices/{}", user.device_id).ok()["display_name"] == "Toaster"


def check_unknown_device_is_not_renamed(world: World) -> None:
    """A device that does not exist is not renamed into being."""
    answer = world.user().put("/devices/{}", "NOSUCH", body={"display_name": "Ghost"})
    answer.refused(404, "M_NOT_FOUND")


def check_deletion_asks_for_the_password(world: World) -> None:
    """Deleting a device asks for the password and changes nothing before."""
    user = world.user()
    other = user.new_device()
    answer = user.delete("/devices/{}", other.device_id)
    assert answer.status == 401, answer.status
    assert ["m.login.password"] in [flow["stages"] for flow in answer.json["flows"]]
    other.get("/account/whoami").ok()


def check_device_deletion(world: World) -> None:
    """With the password a device is deleted and its session ended."""
    user = world.user()
    other = user.new_device()
    authorized(user, delete(user, other.device_id), {}).ok()
    other.get("/account/whoami").refused(401, "M_UNKNOWN_TOKEN")
    user.get("/devices/{}", other.device_id).refused(404, "M_NOT_FOUND")


def check_wrong_password_deletes_nothing(world: World) -> None:
    """With a wrong password nothing is deleted, and another try may follow in the session."""
    user = world.user()
    other = user.new_device()
    answer = authorized(replace(user, password="guess"), delete(user, other.device_id), {})
    answer.refused(401, "M_FORBIDDEN")
    other.get("/account/whoami").ok()
    auth = user.password_auth(answer.json["session"])
    user.delete("/devices/{}", other.device_id, body={"auth": auth}).ok()


def check_several_devices_are_deleted(world: World) -> None:
    """Several devices are deleted at once."""
    user = world.user()
    others = [user.new_device(), user.new_device()]
    authorized(user, delete(user, *(other.device_id for other in others)), {}).ok()
    for other in others:
        other.get("/account/whoami").refused(401, "M_UNKNOWN_TOKEN")


def check_session_of_another_user(world: World) -> None:
    """A user cannot use an authentication session that belongs to another user."""
    alice, bob = world.user("alice"), world.user("bob")
    theirs, mine = alice.new_device(), bob.new_device()
    session = alice.delete("/devices/{}", theirs.device_id).json["session"]
    auth = bob.password_auth(session)
    answer = bob.delete("/devices/{}", mine.device_id, body={"auth": auth})
    assert answer.status in (401, 403), answer.status
    mine.get("/account/whoami").ok()


def check_password_of_another_user(world: World) -> None:
    """The name and password of another user authorize nothing."""
    alice, bob = world.user("alice"), world.user("bob")
    device = alice.new_device()
    session = alice.delete("/devices/{}", device.device_id).json["session"]
    auth = bob.password_auth(session)
    answer = alice.delete("/devices/{}", device.device_id, body={"auth": auth})
    assert answer.status in (401, 403), answer.status
    device.get("/account/whoami").ok()


def check_session_is_bound_to_the_operation(world: World) -> None:
    """An authentication session for one operation does not authorize another."""
    user = world.user()
    device = user.new_device()
    session = user.delete("/devices/{}", device.device_id).json["session"]
    body = {"new_password": "something else", "auth": user.password_auth(session)}
    answer = user.post("/account/password", body=body)
    assert answer.status in (401, 403), answer.status
    user.login().ok()


def check_session_is_bound_to_the_body(world: World) -> None:
    """An authentication session for one list of devices does not authorize another list."""
    user = world.user()
    meant, other = user.new_device(), user.new_device()
    began = user.post("/delete_devices", body={"devices": [meant.device_id]})
    auth = user.password_auth(began.json["session"])
    answer = user.post("/delete_devices", body={"devices": [other.device_id], "auth": auth})
    assert answer.status in (401, 403), answer.status
    other.get("/account/whoami").ok()


def check_session_is_bound_to_the_path(world: World) -> None:
    """An authentication session for one device does not authorize deleting another."""
    user = world.user()
    meant, other = user.new_device(), user.new_device()
    session = user.delete("/devices/{}", meant.device_id).json["session"]
    auth = user.password_auth(session)
    answer = user.delete("/devices/{}", other.device_id, body={"auth": auth})
    assert answer.status in (401, 403), answer.status
    other.get("/account/whoami").ok()


def check_password_change(world: World) -> None:
    """After a change of the password the new one logs in and the old one does not."""
    user = world.user()
    authorized(user, change_password(user), {"new_password": "fresh-Paint-3"}).ok()
    user.login(password="fresh-Paint-3").ok()
    user.login().refused(403, "M_FORBIDDEN")


def check_password_change_ends_other_sessions(world: World) -> None:
    """A change of the password ends the other sessions and keeps the one that asked."""
    user = world.user()
    other = user.new_device()
    authorized(user, change_password(user), {"new_password": "fresh-Paint-3"}).ok()
    user.get("/account/whoami").ok()
    other.get("/account/whoami").refused(401, "M_UNKNOWN_TOKEN")


def check_password_change_can_keep_sessions(world: World) -> None:
    """A change of the password keeps the other sessions when asked to."""
    user = world.user()
    other = user.new_device()
    body = {"new_password": "fresh-Paint-3", "logout_devices": False}
    authorized(user, change_password(user), body).ok()
    other.get("/account/whoami").ok()


def check_password_change_needs_the_password(world: World) -> None:
    """A change of the password with a wrong present one changes nothing."""
    user = world.user()
    guess = replace(user, password="guess")
    body = {"new_password": "fresh-Paint-3"}
    authorized(guess, change_password(user), body).refused(401, "M_FORBIDDEN")
    user.login().ok()
