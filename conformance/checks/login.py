"""Logging in, tokens and logging out."""

from dataclasses import replace

from conformance.client import PASSWORD, Client, User, World


def check_login_flows(world: World) -> None:
    """The password is among the ways to log in."""
    flows = world.stranger.get("/login").ok()["flows"]
    assert {"type": "m.login.password"} in flows


def check_login_by_user_id(world: World) -> None:
    """A user logs in with the full user ID and gets a device and a token that works."""
    user = world.user()
    device = user.new_device()
    me = device.get("/account/whoami").ok()
    assert (me["user_id"], me["device_id"]) == (user.user_id, device.device_id)


def check_login_by_localpart(world: World) -> None:
    """A user logs in with the localpart alone."""
    user = world.user()
    answer = user.login(identifier={"type": "m.id.user", "user": user.localpart}).ok()
    assert answer["user_id"] == user.user_id


def check_login_by_old_field(world: World) -> None:
    """A user logs in with the deprecated field user in place of an identifier."""
    user = world.user()
    body = {"type": "m.login.password", "user": user.localpart, "password": PASSWORD}
    assert world.stranger.post("/login", body=body).ok()["user_id"] == user.user_id


def check_wrong_password(world: World) -> None:
    """A wrong password is refused."""
    world.user().login(password="guess").refused(403, "M_FORBIDDEN")


def check_unknown_user_looks_like_wrong_password(world: World) -> None:
    """An unknown user is refused in the same words as a wrong password."""
    wrong = world.user().login(password="guess").refused(403, "M_FORBIDDEN")
    nobody = User(world.wire, user_id=f"@{world.name('nobody')}:{world.server_name}")
    assert nobody.login(password="guess").refused(403, "M_FORBIDDEN") == wrong


def check_unknown_login_type(world: World) -> None:
    """A login of a type that the server does not know is refused."""
    world.user().login(type="org.example.telepathy").refused(400, "M_UNKNOWN")


def check_unknown_identifier(world: World) -> None:
    """A login with a kind of identifier that the server does not know is refused."""
    identifier = {"type": "org.example.shoe_size", "user": "44"}
    world.user().login(identifier=identifier).refused(400, "M_UNKNOWN")


def check_login_without_type(world: World) -> None:
    """A login needs a type."""
    body = {"user": "alice", "password": PASSWORD}
    world.stranger.post("/login", body=body).refused(400, "M_MISSING_PARAM", "M_BAD_JSON")


def check_logins_make_devices(world: World) -> None:
    """Every login without a device ID makes a new device."""
    user = world.user()
    assert len({user.device_id, user.new_device().device_id, user.new_device().device_id}) == 3


def check_login_on_a_known_device(world: World) -> None:
    """A login on a device that is logged in keeps the device and ends its former session."""
    user = world.user()
    again = user.new_device(device_id=user.device_id)
    assert again.device_id == user.device_id
    user.get("/account/whoami").refused(401, "M_UNKNOWN_TOKEN")
    assert len(again.get("/devices").ok()["devices"]) == 1


def check_device_name_at_login(world: World) -> None:
    """The device name of a login is given to a new device and not to a known one."""
    user = world.user().new_device(device_id="LAMP", initial_device_display_name="Lamp")
    again = user.new_device(device_id="LAMP", initial_device_display_name="Torch")
    assert again.get("/devices/LAMP").ok()["display_name"] == "Lamp"


def check_missing_token(world: World) -> None:
    """A request without a token is refused."""
    world.stranger.get("/account/whoami").refused(401, "M_MISSING_TOKEN")


def check_unknown_token(world: World) -> None:
    """A request with a token that was never given out is refused for good."""
    answer = Client(world.wire, "made-up").get("/account/whoami")
    assert not answer.refused(401, "M_UNKNOWN_TOKEN").get("soft_logout", False)


def check_other_authorization(world: World) -> None:
    """An Authorization header of another scheme is no token."""
    headers = {"Authorization": "Basic YWxpY2U6c2VjcmV0"}
    answer = world.stranger.request("GET", "/account/whoami", headers=headers)
    answer.refused(401, "M_MISSING_TOKEN", "M_UNKNOWN_TOKEN")


def check_token_in_the_query(world: World) -> None:
    """The token is accepted in the query string as well."""
    user = world.user()
    me = world.stranger.get("/account/whoami", access_token=user.token).ok()
    assert me["user_id"] == user.user_id


def check_whoami(world: World) -> None:
    """A token's owner and device are told, and that the owner is no guest."""
    user = world.user()
    me = user.get("/account/whoami").ok()
    assert (me["user_id"], me["device_id"]) == (user.user_id, user.device_id)
    assert me.get("is_guest", False) is False


def check_refresh(world: World) -> None:
    """A refresh token yields a new token of the same device that works."""
    user = world.user()
    first = user.login(refresh_token=True).ok()
    second = user.post("/refresh", body={"refresh_token": first["refresh_token"]}).ok()
    assert second["access_token"] != first["access_token"]
    me = Client(world.wire, second["access_token"]).get("/account/whoami").ok()
    assert me["device_id"] == first["device_id"]


def check_refresh_can_be_repeated(world: World) -> None:
    """A refresh whose answer was lost can be repeated until one of the new tokens is used."""
    user = world.user()
    token = user.login(refresh_token=True).ok()["refresh_token"]
    world.stranger.post("/refresh", body={"refresh_token": token}).ok()
    second = world.stranger.post("/refresh", body={"refresh_token": token}).ok()
    Client(world.wire, second["access_token"]).get("/account/whoami").ok()


def check_used_refresh_token(world: World) -> None:
    """A refresh token is revoked once the token that it yielded is used."""
    user = world.user()
    old = user.login(refresh_token=True).ok()["refresh_token"]
    new = world.stranger.post("/refresh", body={"refresh_token": old}).ok()
    Client(world.wire, new["access_token"]).get("/account/whoami").ok()
    answer = world.stranger.post("/refresh", body={"refresh_token": old})
    answer.refused(401, "M_UNKNOWN_TOKEN")


def check_unknown_refresh_token(world: World) -> None:
    """A refresh token that was never given out is refused."""
    answer = world.stranger.post("/refresh", body={"refresh_token": "made-up"})
    answer.refused(401, "M_UNKNOWN_TOKEN")


def check_logout(world: World) -> None:
    """A logout ends its session and takes its device away, and leaves the others alone."""
    user = world.user()
    other = user.new_device()
    user.post("/logout").ok()
    user.get("/account/whoami").refused(401, "M_UNKNOWN_TOKEN")
    devices = other.get("/devices").ok()["devices"]
    assert [device["device_id"] for device in devices] == [other.device_id]


def check_logout_everywhere(world: World) -> None:
    """A logout of all devices ends every session of the user."""
    user = world.user()
    other = user.new_device()
    user.post("/logout/all").ok()
    for device in (user, other):
        device.get("/account/whoami").refused(401, "M_UNKNOWN_TOKEN")


def check_logout_of_others(world: World) -> None:
    """A logout of all devices leaves other users logged in."""
    alice, bob = world.user("alice"), world.user("bob")
    alice.post("/logout/all").ok()
    bob.get("/account/whoami").ok()


def check_logout_ends_refreshing(world: World) -> None:
    """A refresh token ends with the session of its device."""
    user = world.user()
    session = user.login(refresh_token=True).ok()
    replace(user, token=session["access_token"]).post("/logout").ok()
    answer = world.stranger.post("/refresh", body={"refresh_token": session["refresh_token"]})
    answer.refused(401, "M_UNKNOWN_TOKEN")
