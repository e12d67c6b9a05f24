"""Making accounts."""

from conformance.client import PASSWORD, Json, User, World, authorized
from conformance.parallel import together
from conformance.runner.exchange import Exchange

DUMMY = {"type": "m.login.dummy"}


def check_registration_begins_with_a_session(world: World) -> None:
    """A registration without auth is answered with a session and the dummy stage to complete."""
    answer = world.stranger.post("/register", body={"username": world.name()})
    assert answer.status == 401, answer.status
    assert ["m.login.dummy"] in [flow["stages"] for flow in answer.json["flows"]]
    assert answer.json["session"]


def check_registration_logs_in(world: World) -> None:
    """A completed registration gives a user ID, a device and a token that works."""
    name = world.name()
    made = world.register(username=name, password=PASSWORD).ok()
    user = User(world.wire, made["access_token"])
    me = user.get("/account/whoami").ok()
    assert (me["user_id"], me["device_id"]) == (made["user_id"], made["device_id"])
    assert made["user_id"].startswith(f"@{name}:")


def check_registration_names_the_home_server(world: World) -> None:
    """The answer to a registration still has home_server for older clients."""
    made = world.register(username=world.name(), password=PASSWORD).ok()
    assert made["home_server"] == made["user_id"].partition(":")[2]


def check_inhibit_login(world: World) -> None:
    """A registration with inhibit_login makes the account and opens no session."""
    made = world.register(username=world.name(), password=PASSWORD, inhibit_login=True).ok()
    assert "access_token" not in made
    assert "device_id" not in made


def check_chosen_device(world: World) -> None:
    """A registration may choose the ID and the name of its first device."""
    made = world.register(
        username=world.name(),
        password=PASSWORD,
        device_id="KITCHEN",
        initial_device_display_name="Kitchen tablet",
    ).ok()
    device = User(world.wire, made["access_token"]).get("/devices/KITCHEN").ok()
    assert device["display_name"] == "Kitchen tablet"


def check_server_chooses_a_name(world: World) -> None:
    """A registration without a user name gets one from the server."""
    first, second = (world.register(password=PASSWORD).ok()["user_id"] for _ in range(2))
    assert first != second


def check_taken_name(world: World) -> None:
    """A name that is taken is refused before any stage of authentication."""
    user = world.user()
    body = {"username": user.localpart, "password": PASSWORD}
    world.stranger.post("/register", body=body).refused(400, "M_USER_IN_USE")


def check_name_in_other_case(world: World) -> None:
    """A name that differs from another account's in case only makes no second account."""
    user = world.user()
    answer = world.register(username=user.localpart.upper(), password=PASSWORD)
    answer.refused(400, "M_USER_IN_USE", "M_INVALID_USERNAME")


def check_invalid_name(world: World) -> None:
    """User names with characters that user IDs cannot have are refused."""
    for name in ("with space", "colon:colon", "exclaim!", "umläut", ""):
        body = {"username": name, "password": PASSWORD}
        world.stranger.post("/register", body=body).refused(400, "M_INVALID_USERNAME")
    body = {"username": "nul\0", "password": PASSWORD}
    world.stranger.post("/register", body=body).refused(400, "M_INVALID_USERNAME", "M_BAD_JSON")


def check_long_name(world: World) -> None:
    """A user name that makes the user ID longer than 255 bytes is refused."""
    answer = world.stranger.post("/register", body={"username": "a" * 250, "password": PASSWORD})
    answer.refused(400, "M_INVALID_USERNAME")


def check_available_name(world: World) -> None:
    """A free name is said to be available."""
    assert world.stranger.get("/register/available", username=world.name()).ok() == {
        "available": True
    }


def check_unavailable_names(world: World) -> None:
    """Names that are taken or invalid are said to be so."""
    taken = world.user().localpart
    ask = world.stranger.get
    ask("/register/available", username=taken).refused(400, "M_USER_IN_USE")
    ask("/register/available", username="not valid").refused(400, "M_INVALID_USERNAME")


def check_available_needs_a_name(world: World) -> None:
    """The question for an available name needs the name."""
    world.stranger.get("/register/available").refused(400, "M_MISSING_PARAM")


def check_unknown_kind(world: World) -> None:
    """An account can be of kind user or guest and of no other."""
    answer = world.stranger.post("/register", body={"username": world.name()}, kind="robot")
    answer.refused(400, "M_INVALID_PARAM")


def check_refresh_token_at_registration(world: World) -> None:
    """A registration that can refresh gets a refresh token and a token that expires."""
    made = world.register(username=world.name(), password=PASSWORD, refresh_token=True).ok()
    assert made["refresh_token"]
    assert made["expires_in_ms"] > 0


def check_session_is_bound_to_the_name(world: World) -> None:
    """A registration session does not make an account of another name than it began with."""
    began = world.stranger.post("/register", body={"username": world.name(), "password": PASSWORD})
    other = world.name("other")
    auth = DUMMY | {"session": began.json["session"]}
    answer = world.stranger.post(
        "/register", body={"username": other, "password": PASSWORD, "auth": auth}
    )
    assert answer.status in (401, 403), answer.status
    world.stranger.get("/register/available", username=other).ok()


def check_session_works_once(world: World) -> None:
    """A registration session makes one account only."""
    began = world.stranger.post("/register", body={"password": PASSWORD})
    body = {"password": PASSWORD, "auth": DUMMY | {"session": began.json["session"]}}
    world.stranger.post("/register", body=body).ok()
    assert world.stranger.post("/register", body=body).status in (401, 403)


def check_unknown_stage(world: World) -> None:
    """A stage that no flow has completes nothing."""
    body = {"username": world.name(), "password": PASSWORD}
    session = world.stranger.post("/register", body=body).json["session"]
    auth = {"type": "org.example.magic", "session": session}
    answer = world.stranger.post("/register", body=body | {"auth": auth})
    assert answer.status == 401, answer.status
    assert "org.example.magic" not in answer.json.get("completed", [])


def check_race_for_a_name(world: World) -> None:
    """Of several who register one name at the same time exactly one gets it."""
    name = world.name("raced")
    spellings = [name, name.upper(), name, name]
    answers = together(
        *(lambda one=one: world.register(username=one, password=PASSWORD) for one in spellings)
    )
    assert [answer.status for answer in answers].count(200) == 1
    for answer in answers:
        if answer.status != 200:
            answer.refused(400, "M_USER_IN_USE", "M_INVALID_USERNAME")


def check_nonces_differ(world: World) -> None:
    """Every shared-secret registration gets a nonce of its own."""
    ask = world.stranger.get
    first, second = (ask("/_synapse/admin/v1/register").ok()["nonce"] for _ in range(2))
    assert first != second


def check_shared_secret(world: World) -> None:
    """Whoever knows the shared secret makes an account with a session."""
    made = world.register_by_secret(world.name()).ok()
    me = User(world.wire, made["access_token"]).get("/account/whoami").ok()
    assert (me["user_id"], me["device_id"]) == (made["user_id"], made["device_id"])
    assert made["home_server"] == made["user_id"].partition(":")[2]


def check_wrong_mac(world: World) -> None:
    """A mac that was made with another secret is refused."""
    name = world.name()
    world.register_by_secret(name, mac="0" * 40).refused(403, "M_FORBIDDEN")
    world.stranger.get("/register/available", username=name).ok()


def check_mac_covers_the_role(world: World) -> None:
    """A mac that was made for an ordinary user makes no administrator."""
    world.register_by_secret(world.name(), admin=True).refused(403, "M_FORBIDDEN")


def check_nonce_works_once(world: World) -> None:
    """A nonce is good for one registration."""
    done = world.register_by_secret(world.name())
    done.ok()
    again = world.stranger.post("/_synapse/admin/v1/register", body=done.request.json())
    again.refused(400, "M_UNKNOWN")


def check_invented_nonce(world: World) -> None:
    """A nonce that the server never gave out is refused."""
    world.register_by_secret(world.name(), nonce="0" * 64).refused(400, "M_UNKNOWN")


def check_shared_secret_keeps_the_rules_for_names(world: World) -> None:
    """The shared secret makes no account of a taken or invalid name."""
    taken = world.user().localpart
    world.register_by_secret(taken).refused(400, "M_USER_IN_USE")
    world.register_by_secret("not valid").refused(400, "M_INVALID_USERNAME")


def check_weak_password(world: World) -> None:
    """A password that breaks the server's rules is refused, at first and when it is changed."""
    answer = world.register(username=world.name(), password="soup")
    answer.refused(400, "M_WEAK_PASSWORD")
    user = world.user()

    def change(body: Json) -> Exchange:
        return user.post("/account/password", body={"new_password": "soup"} | body)

    authorized(user, change, {}).refused(400, "M_WEAK_PASSWORD")
    assert user.login().status == 200
