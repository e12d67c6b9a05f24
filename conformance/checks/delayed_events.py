"""Events that are sent later (MSC4140)."""

import time

from conformance.client import Json, User, World
from conformance.runner.exchange import Exchange

UNSTABLE = "/_matrix/client/unstable/org.matrix.msc4140"
LISTED = f"{UNSTABLE}/delayed_events"
ONE = f"{UNSTABLE}/delayed_events/{{}}"
ACTION = f"{UNSTABLE}/delayed_events/{{}}/{{}}"
SCHEDULE = f"{UNSTABLE}/rooms/{{}}/delayed_event/{{}}/{{}}"
SEND = "/rooms/{}/send/{}/{}"
STATE = "/rooms/{}/state/{}/{}"
MESSAGE = "m.room.message"
LATER = {"msgtype": "m.text", "body": "Later"}
LONG_MS = 600_000
BLOCK = {"default_action": "block"}
LATEST_S = 20  # after the time at which an event is due


def schedule(user: User, room: str, txn_id: str, delay_ms: int = LONG_MS, **more: Json) -> str:
    """Schedule a message; the delay ID."""
    body = {"delay_ms": delay_ms, "content": LATER} | more
    delay_id: str = user.put(SCHEDULE, room, MESSAGE, txn_id, body=body).ok()["delay_id"]
    return delay_id


def by_query(user: User, room: str, delay_ms: object, txn_id: str = "t1") -> Exchange:
    """Ask for a delayed message as clients did before there was a path for it."""
    path = f"{SEND}?org.matrix.msc4140.delay={delay_ms}"
    return user.put(path, room, MESSAGE, txn_id, body=LATER)


def texts(user: User, room: str) -> list[str]:
    """The texts of the room's messages."""
    return [one["content"]["body"] for one in user.history(room) if one["type"] == MESSAGE]


def awaited(user: User, delay_id: str) -> Json:
    """The delayed event once it is final."""
    for _ in range(LATEST_S * 5):
        found: Json = user.get(ONE, delay_id).ok()
        if "finalised" in found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"not sent {LATEST_S} s after its time")


def user_and_room(world: World) -> tuple[User, str]:
    """A user and a room of theirs."""
    user = world.user()
    return user, user.create_room()


def check_feature_is_announced(world: World) -> None:
    """The server says that it keeps events back, how long and how many."""
    features = world.stranger.get("/_matrix/client/versions").ok()["unstable_features"]
    assert features["org.matrix.msc4140"] is True
    limits = world.user().get("/capabilities").ok()["capabilities"]
    assert limits["org.matrix.msc4140.delayed_events"]["max_delay_ms"] >= LONG_MS
    assert limits["org.matrix.msc4140.delayed_events"]["max_scheduled"] >= 10


def check_message_is_sent_later(world: World) -> None:
    """A delayed message is sent after its delay and not before, and syncs like any other."""
    user, room = user_and_room(world)
    since = user.sync()["next_batch"]
    began = time.time()
    delay_id = schedule(user, room, "t1", 1_500)
    assert texts(user, room) == []
    event_id = awaited(user, delay_id)["finalised"]["event_id"]
    event = user.event(room, event_id)
    assert event["content"] == LATER
    assert event["origin_server_ts"] >= round((began + 1.5) * 1000) - 50
    timeline = user.sync(since)["rooms"]["join"][room]["timeline"]["events"]
    assert [one["event_id"] for one in timeline] == [event_id]
    assert timeline[0]["unsigned"]["org.matrix.msc4140.delay_id"] == delay_id


def check_message_by_query_is_sent_later(world: World) -> None:
    """A message that is sent with a delay in the query is kept back."""
    user, room = user_and_room(world)
    delay_id = by_query(user, room, 1_000).ok()["delay_id"]
    assert texts(user, room) == []
    awaited(user, delay_id)
    assert texts(user, room) == ["Later"]


def check_state_is_set_later(world: World) -> None:
    """State is set later, by the path of delayed events and by a delay in the query."""
    user, room = user_and_room(world)
    body = {"delay_ms": 500, "state_key": "a", "content": {"n": 1}}
    first = user.put(SCHEDULE, room, "org.example.seat", "t1", body=body).ok()["delay_id"]
    path = f"{STATE}?org.matrix.msc4140.delay=500"
    second = user.put(path, room, "org.example.seat", "b", body={"n": 2}).ok()["delay_id"]
    third = user.put(path, room, "org.example.seat", "", body={"n": 3}).ok()["delay_id"]
    path = "/rooms/{}/state/{}?org.matrix.msc4140.delay=500"
    fourth = user.put(path, room, "org.example.chair", body={"n": 4}).ok()["delay_id"]
    user.get(STATE, room, "org.example.seat", "").refused(404, "M_NOT_FOUND")
    for delay_id in (first, second, third, fourth):
        awaited(user, delay_id)
    seats = [user.state(room, "org.example.seat", key)["n"] for key in ("a", "b", "")]
    assert (seats, user.state(room, "org.example.chair")["n"]) == ([1, 2, 3], 4)


def check_delayed_events_are_listed(world: World) -> None:
    """Events that wait are listed with all that was said of them, those due first at first."""
    user, room = user_and_room(world)
    second = schedule(user, room, "t1", LONG_MS)
    first = schedule(user, room, "t2", LONG_MS - 1_000, state_key="")  # type: ignore[arg-type]
    found = user.get(LISTED).ok()["delayed_events"]
    assert [one["delay_id"] for one in found] == [first, second]
    assert found[0]["state_key"] == ""
    assert "state_key" not in found[1]
    expected = {"room_id": room, "type": MESSAGE, "content": LATER, "delay_ms": LONG_MS}
    assert {key: found[1][key] for key in expected} == expected
    assert user.get(ONE, second).ok() == found[1]


def check_cancelled_event_is_not_sent(world: World) -> None:
    """A cancelled event is never sent, and cancelling may be repeated."""
    user, room = user_and_room(world)
    delay_id = schedule(user, room, "t1", 1_500)
    for _ in range(2):
        user.post(ACTION, delay_id, "cancel").ok()
    time.sleep(3)
    assert texts(user, room) == []
    assert user.get(LISTED).ok()["delayed_events"] == []
    assert user.get(ONE, delay_id).ok()["finalised"].keys() == {"finalised_ts"}
    for action in ("send", "restart"):
        user.post(ACTION, delay_id, action).refused(409, "M_UNKNOWN")


def check_event_is_sent_at_once(world: World) -> None:
    """An event that waits is sent at once when its user says so, and only once."""
    user, room = user_and_room(world)
    delay_id = schedule(user, room, "t1")
    for _ in range(2):
        user.post(ACTION, delay_id, "send").ok()
    assert texts(user, room) == ["Later"]
    for action in ("cancel", "restart"):
        user.post(ACTION, delay_id, action).refused(409, "M_UNKNOWN")


def check_restarted_event_waits_anew(world: World) -> None:
    """An event that is restarted in time is not sent, and then after its whole delay."""
    user, room = user_and_room(world)
    delay_id = schedule(user, room, "t1", 2_500)
    for _ in range(3):
        time.sleep(1.2)
        user.post(ACTION, delay_id, "restart").ok()
    assert texts(user, room) == []
    awaited(user, delay_id)
    assert texts(user, room) == ["Later"]


def check_action_in_the_body(world: World) -> None:
    """The action may stand in the body instead of the path."""
    user, room = user_and_room(world)
    delay_id = schedule(user, room, "t1")
    for action in ("restart", "send"):
        user.post(ONE, delay_id, body={"action": action}).ok()
    assert texts(user, room) == ["Later"]
    user.post(ONE, delay_id, body={"action": "cancel"}).refused(409, "M_UNKNOWN")
    user.post(ONE, "dly_none", body={"action": "send"}).refused(404, "M_NOT_FOUND")
    user.post(ONE, delay_id, body={"action": "stop"}).refused(400, "M_BAD_JSON")
    user.post(ONE, delay_id, body={}).refused(400, "M_MISSING_PARAM")


def check_repeated_request_schedules_once(world: World) -> None:
    """A repeated request gives the same delay ID; another device's request gives another."""
    user, room = user_and_room(world)
    first = schedule(user, room, "t1")
    assert schedule(user, room, "t1") == first
    assert schedule(user.new_device(), room, "t1") != first
    assert len(user.get(LISTED).ok()["delayed_events"]) == 2


def check_delayed_event_of_another(world: World) -> None:
    """Nobody sees, sends, restarts or cancels the delayed event of another user."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    delay_id = schedule(alice, room, "t1")
    bob.get(ONE, delay_id).refused(404, "M_NOT_FOUND")
    assert bob.get(LISTED).ok()["delayed_events"] == []
    for action in ("send", "restart", "cancel"):
        bob.post(ACTION, delay_id, action).refused(404, "M_NOT_FOUND")
    assert len(alice.get(LISTED).ok()["delayed_events"]) == 1
    assert texts(alice, room) == []


def check_stranger_and_delayed_events(world: World) -> None:
    """Without a token nothing is scheduled, seen or changed, though one knows the ID."""
    user, room = user_and_room(world)
    delay_id = schedule(user, room, "t1")
    stranger = world.stranger
    body = {"delay_ms": 1, "content": LATER}
    stranger.put(SCHEDULE, room, MESSAGE, "t", body=body).refused(401, "M_MISSING_TOKEN")
    stranger.get(LISTED).refused(401, "M_MISSING_TOKEN")
    stranger.get(ONE, delay_id).refused(401, "M_MISSING_TOKEN")
    stranger.post(ACTION, delay_id, "send").refused(401, "M_MISSING_TOKEN")
    stranger.post(ONE, delay_id, body={"action": "send"}).refused(401, "M_MISSING_TOKEN")
    path = f"{SEND}?org.matrix.msc4140.delay=1000"
    stranger.put(path, room, MESSAGE, "t", body=LATER).refused(401, "M_MISSING_TOKEN")
    path = f"{STATE}?org.matrix.msc4140.delay=1000"
    stranger.put(path, room, "m.room.name", "", body={}).refused(401, "M_MISSING_TOKEN")
    path = "/rooms/{}/state/{}?org.matrix.msc4140.delay=1000"
    stranger.put(path, room, "m.room.name", body={}).refused(401, "M_MISSING_TOKEN")


def check_power_is_asked_for_when_sending(world: World) -> None:
    """Whoever may not send when the time has come does not, and is told why."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    delay_id = schedule(bob, room, "t1", 1_500)
    alice.kick(room, bob)
    bob.post(ACTION, delay_id, "send").refused(403, "M_FORBIDDEN")
    assert "finalised" not in bob.get(ONE, delay_id).ok()
    assert awaited(bob, delay_id)["finalised"]["error"]["errcode"] == "M_FORBIDDEN"
    assert texts(alice, room) == []


def check_never_member_sends_nothing_later(world: World) -> None:
    """Whoever was never in a room sends nothing into it later; who is banned does not either."""
    alice, outsider, banned = world.user("alice"), world.user(), world.user()
    room = alice.create_room()
    alice.ban(room, banned)
    for user in (outsider, banned):
        delay_id = schedule(user, room, "t1", 500)
        assert awaited(user, delay_id)["finalised"]["error"]["errcode"] == "M_FORBIDDEN"
    assert texts(alice, room) == []


def check_longest_delay(world: World) -> None:
    """A delay longer than allowed is refused, in the words that each way of asking knows."""
    user, room = user_and_room(world)
    capabilities = user.get("/capabilities").ok()["capabilities"]
    longest_ms = capabilities["org.matrix.msc4140.delayed_events"]["max_delay_ms"]
    body = {"delay_ms": longest_ms + 1, "content": LATER}
    user.put(SCHEDULE, room, MESSAGE, "t1", body=body).refused(403, "M_FORBIDDEN")
    error = by_query(user, room, longest_ms + 1).refused(400, "M_UNKNOWN")
    assert error["org.matrix.msc4140.errcode"] == "M_MAX_DELAY_EXCEEDED"
    assert error["org.matrix.msc4140.max_delay"] == longest_ms
    for path in (STATE, "/rooms/{}/state/{}/"):
        parts = (room, "m.room.name", "")[: path.count("{}")]
        too_long = f"{path}?org.matrix.msc4140.delay={longest_ms + 1}"
        user.put(too_long, *parts, body={}).refused(400, "M_UNKNOWN")
    schedule(user, room, "t2", longest_ms)


def check_most_delayed_events(world: World) -> None:
    """Only so many events of a user wait; then it is said when there will be room."""
    user, room = user_and_room(world)
    capabilities = user.get("/capabilities").ok()["capabilities"]
    most = capabilities["org.matrix.msc4140.delayed_events"]["max_scheduled"]
    for number in range(most):
        schedule(user, room, f"t{number}")
    body = {"delay_ms": LONG_MS, "content": LATER}
    answer = user.put(SCHEDULE, room, MESSAGE, "more", body=body)
    answer.refused(429, "M_LIMIT_EXCEEDED")
    assert 0 < int(answer.headers["retry-after"]) <= LONG_MS // 1000 + 1
    by_query(user, room, LONG_MS, "more").refused(429, "M_LIMIT_EXCEEDED")


def check_malformed_delays(world: World) -> None:
    """A delay is a number of milliseconds above zero."""
    user, room = user_and_room(world)
    for delay in ("0", "-1", "soon", "", "1.5"):
        by_query(user, room, delay).refused(400, "M_INVALID_PARAM")
    for delay_ms in (0, -1, "1", 1.5, True, None):
        body = {"delay_ms": delay_ms, "content": LATER}
        answer = user.put(SCHEDULE, room, MESSAGE, "t1", body=body)
        answer.refused(400, "M_BAD_JSON", "M_INVALID_PARAM")
    user.put(SCHEDULE, room, MESSAGE, "t1", body={"delay_ms": 9}).refused(400, "M_MISSING_PARAM")
    assert user.get(LISTED).ok()["delayed_events"] == []
    assert texts(user, room) == []


def check_delayed_event_in_no_room(world: World) -> None:
    """Nothing is scheduled for a room that is not known, or for what is no room."""
    user = world.user()
    body = {"delay_ms": LONG_MS, "content": LATER}
    unknown = f"!{world.name()}:{world.server_name}"
    user.put(SCHEDULE, unknown, MESSAGE, "t1", body=body).refused(404, "M_NOT_FOUND")
    by_query(user, unknown, LONG_MS).refused(404, "M_NOT_FOUND")
    user.put(SCHEDULE, "kitchen", MESSAGE, "t1", body=body).refused(400, "M_INVALID_PARAM")


def check_large_delayed_event(world: World) -> None:
    """What would be too large to be sent is refused when it is scheduled."""
    user, room = user_and_room(world)
    body = {"delay_ms": LONG_MS, "content": {"body": "x" * 65_536}}
    user.put(SCHEDULE, room, MESSAGE, "t1", body=body).refused(413, "M_TOO_LARGE")


def check_unknown_delay_id(world: World) -> None:
    """A delay ID that nobody got leads nowhere, and an unknown action is none."""
    user, room = user_and_room(world)
    user.get(ONE, "dly_none").refused(404, "M_NOT_FOUND")
    for action in ("send", "restart", "cancel"):
        user.post(ACTION, "dly_none", action).refused(404, "M_NOT_FOUND")
    user.post(ACTION, schedule(user, room, "t1"), "stop").refused(400, "M_INVALID_PARAM")


def check_delayed_event_of_who_may_not(world: World) -> None:
    """A delayed event that cannot be sent when it is to be sent at once says why, and waits on."""
    owner, user, guest = world.user(), world.user(), world.guest()
    room = owner.create_room(preset="public_chat")
    user.join(room)
    gone = schedule(user, room, "t1")
    user.leave(room)
    user.put("/user/{}/account_data/m.invite_permission_config", user.user_id, body=BLOCK).ok()
    body = {"delay_ms": LONG_MS, "state_key": user.user_id, "content": {"membership": "invite"}}
    path = SCHEDULE.format("{}", "m.room.member", "{}")
    inviting = owner.put(path, room, "t2", body=body).ok()["delay_id"]
    body = {"delay_ms": LONG_MS, "state_key": guest.user_id, "content": {"membership": "join"}}
    joining = guest.put(path, room, "t3", body=body).ok()["delay_id"]
    for who, delay_id, errcode in (
        (user, gone, "M_FORBIDDEN"),
        (owner, inviting, "M_INVITE_BLOCKED"),
        (guest, joining, "M_GUEST_ACCESS_FORBIDDEN"),
    ):
        who.post(ACTION, delay_id, "send").refused(403, errcode)
        who.post(ONE, delay_id, body={"action": "send"}).refused(403, errcode)
        assert "finalised" not in who.get(ONE, delay_id).ok()
