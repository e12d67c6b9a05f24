"""Requests that are wrong, and what becomes of them: a refusal, and nothing else."""

from conformance.client import Client, World

SEND = "/rooms/{}/send/m.room.message/{}"


def check_no_json(world: World) -> None:
    """A body that is not JSON is refused."""
    user = world.user()
    for body in (b"{", b"soup", b"{'a': 1}", b'{"a": 1,}', b"\xff\xfe", b"NaN", b'{"a": NaN}'):
        user.post("/createRoom", body=body).refused(400, "M_NOT_JSON")


def check_no_object(world: World) -> None:
    """A body that is JSON and no object is refused."""
    user = world.user()
    for body in (b"[]", b'"soup"', b"7", b"null", b"true"):
        user.post("/createRoom", body=body).refused(400, "M_BAD_JSON")


def check_no_utf8(world: World) -> None:
    """A body that is not UTF-8 is refused."""
    user = world.user()
    room = user.create_room()
    body = b'{"msgtype": "m.text", "body": "\xff"}'
    user.put(SEND, room, "t", body=body).refused(400, "M_NOT_JSON")


def check_lone_surrogates(world: World) -> None:
    """Text with half a character is refused in content, names and keys."""
    user = world.user()
    room = user.create_room()
    for body in (b'{"body": "\\ud800"}', b'{"\\udfff": 1}', b'{"a": ["x\\ud800y"]}'):
        answer = user.put(SEND, room, "t", body=body)
        answer.refused(400, "M_BAD_JSON", "M_NOT_JSON")
    answer = user.post("/createRoom", body=b'{"name": "\\ud800"}')
    answer.refused(400, "M_BAD_JSON", "M_NOT_JSON")
    answer = world.stranger.post("/register", body=b'{"username": "\\ud800"}')
    answer.refused(400, "M_BAD_JSON", "M_NOT_JSON", "M_INVALID_USERNAME")


def check_nul_is_text(world: World) -> None:
    """A NUL in the content of events is kept as it is."""
    user = world.user()
    room = user.create_room()
    user.set_state(room, "m.room.name", {"name": "nul\0"})
    assert user.state(room, "m.room.name") == {"name": "nul\0"}
    user.set_state(room, "org.example.nul", {"a\0b": "c\0d"})
    assert user.state(room, "org.example.nul") == {"a\0b": "c\0d"}


def check_nul_in_paths(world: World) -> None:
    """A NUL in a path is refused or leads nowhere."""
    user = world.user()
    room = user.create_room()
    answers = [
        user.get("/rooms/{}/state", "!nul\0:" + world.server_name),
        user.get("/profile/{}", "@nul\0:" + world.server_name),
        user.get("/rooms/{}/event/{}", room, "$nul\0"),
        user.get("/devices/{}", "nul\0"),
        user.put(SEND, room, "nul\0", body={}),
        user.put("/rooms/{}/state/{}/{}", room, "org.example.nul", "nul\0", body={}),
        user.get("/user/{}/account_data/{}", user.user_id, "nul\0"),
    ]
    for answer in answers:
        assert answer.status in (200, 400, 403, 404), (answer.request.path, answer.status)


def check_deep_nesting(world: World) -> None:
    """A body that is nested without end is refused."""
    user = world.user()
    room = user.create_room()
    body = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
    answer = user.put(SEND, room, "t", body=body)
    assert answer.status in (400, 413), answer.status


def check_long_numbers(world: World) -> None:
    """A number of thousands of digits is refused where whole numbers are meant."""
    user = world.user()
    room = user.create_room()
    body = b'{"typing": true, "timeout": ' + b"9" * 5000 + b"}"
    answer = user.put("/rooms/{}/typing/{}", room, user.user_id, body=body)
    answer.refused(400, "M_BAD_JSON", "M_NOT_JSON")


def check_wrong_types(world: World) -> None:
    """Fields of the wrong type are refused."""
    user = world.user()
    room = user.create_room()
    wrong = [
        ("/login", {"type": 7}),
        ("/rooms/{}/invite", {"user_id": ["@bob:example.org"]}),
        ("/rooms/{}/ban", {"user_id": {}}),
        ("/join/{}", {"reason": 7}),
        ("/keys/claim", {"one_time_keys": []}),
        ("/delete_devices", {"devices": "ALL"}),
    ]
    for path, body in wrong:
        parts = (room,) if "{}" in path else ()
        user.post(path, *parts, body=body).refused(400, "M_BAD_JSON")


def check_missing_fields(world: World) -> None:
    """Fields that are needed and missing are named in the refusal."""
    user = world.user()
    room = user.create_room()
    missing = [
        ("/rooms/{}/kick", "user_id"),
        ("/rooms/{}/ban", "user_id"),
        ("/keys/query", "device_keys"),
        ("/account/password", "new_password"),
        ("/refresh", "refresh_token"),
    ]
    for path, field in missing:
        parts = (room,) if "{}" in path else ()
        refusal = user.post(path, *parts, body={}).refused(400, "M_MISSING_PARAM")
        assert field in refusal["error"]


def check_unknown_fields(world: World) -> None:
    """Fields that the server does not know are ignored."""
    user = world.user()
    assert user.create_room(**{"org.example.colour": "red", "colour": ["red"]})


def check_long_ids(world: World) -> None:
    """IDs of more than 255 bytes are refused."""
    user = world.user()
    room = user.create_room()
    long = "x" * 300
    answers = [
        user.get("/rooms/{}/state", f"!{long}:{world.server_name}"),
        user.get("/rooms/{}/event/{}", room, f"${long}"),
        user.get("/profile/{}", f"@{long}:{world.server_name}"),
        user.get("/directory/room/{}", f"#{long}:{world.server_name}"),
        user.put("/rooms/{}/state/{}/{}", room, "org.example.seat", long, body={}),
        user.post("/rooms/{}/invite", room, body={"user_id": f"@{long}:{world.server_name}"}),
    ]
    for answer in answers:
        answer.refused(400, "M_INVALID_PARAM", "M_BAD_JSON")


def check_large_body(world: World) -> None:
    """A body beyond the limit is refused before it is read."""
    headers = {"Content-Length": str(10**9)}
    answer = world.user().request("POST", "/createRoom", body=b"", headers=headers)
    answer.refused(413, "M_TOO_LARGE")


def check_large_body_of_a_stranger(world: World) -> None:
    """A body beyond the limit is refused to callers without a token too."""
    body = b'{"a": "' + b"x" * 2_000_000 + b'"}'
    world.stranger.post("/login", body=body).refused(413, "M_TOO_LARGE")


def check_long_request_line(world: World) -> None:
    """A request line of more than 64 KiB is refused."""
    answer = world.user().get("/sync", filter="x" * 70_000)
    answer.refused(414, "M_TOO_LARGE")


def check_unknown_path(world: World) -> None:
    """An unknown path is refused, with and without a token."""
    for client in (world.stranger, world.user()):
        for path in ("/lunch", "/_matrix/lunch", "/_matrix/client/v9/sync", "/_matrix/client/v3/"):
            client.get(path).refused(404, "M_UNRECOGNIZED")


def check_wrong_method(world: World) -> None:
    """A wrong method on a known path is refused, and those that are right are named."""
    answer = world.user().delete("/rooms/{}/messages", "!r:example.org")
    answer.refused(405, "M_UNRECOGNIZED")
    assert "GET" in answer.headers.get("allow", "GET")


def check_malformed_ids(world: World) -> None:
    """What is no room ID leads to no room."""
    user = world.user()
    for room in ("kitchen", "#kitchen:example.org", "@alice:example.org", "!", "%"):
        for answer in (user.get("/rooms/{}/state", room), user.put(SEND, room, "t", body={})):
            assert answer.status in (400, 403, 404), answer.status


def check_repeated_keys(world: World) -> None:
    """Of a key that stands twice in a body one value counts, and the room agrees on it."""
    user = world.user()
    room = user.create_room()
    body = b'{"body": "first", "body": "second"}'
    answer = user.put(SEND, room, "t", body=body)
    if answer.status == 200:
        content = user.event(room, answer.json["event_id"])["content"]
        assert content in ({"body": "first"}, {"body": "second"})
    else:
        answer.refused(400, "M_BAD_JSON", "M_NOT_JSON")


def check_bad_query_values(world: World) -> None:
    """Query parameters of the wrong form are refused."""
    user = world.user()
    room = user.create_room()
    user.get("/rooms/{}/messages", room, dir="b", limit="many").refused(400, "M_INVALID_PARAM")
    user.get("/sync", full_state="perhaps").refused(400, "M_INVALID_PARAM")
    user.get("/publicRooms", limit="x").refused(400, "M_INVALID_PARAM")


def check_tokens_are_not_echoed(world: World) -> None:
    """A refusal does not repeat the token."""
    answer = Client(world.wire, "secret-token-of-mine").get("/sync")
    assert b"secret-token-of-mine" not in answer.content


def check_no_traces(world: World) -> None:
    """A refusal shows nothing of the inside of the server."""
    user = world.user()
    answers = [
        user.post("/createRoom", body=b'{"initial_state": [{"type": {}, "content": 1}]}'),
        user.get("/sync", since="\0", filter="{"),
        user.put(SEND, "!\0", "t", body=b"\xff"),
    ]
    for answer in answers:
        assert 400 <= answer.status < 500, answer.status
        for trace in (b"Traceback", b'File "', b"sqlite", b"psycopg"):
            assert trace not in answer.content


def check_refused_requests_write_nothing(world: World) -> None:
    """A refused request leaves the room as it was."""
    user = world.user()
    room = user.create_room()
    before = user.history(room)
    user.put(SEND, room, "t", body=b'{"n": 1.5}').refused(400, "M_BAD_JSON", "M_NOT_JSON")
    user.put(SEND, room, "t", body={"x": "y" * 70_000}).refused(413, "M_TOO_LARGE")
    user.put("/rooms/{}/state/m.room.name", room, body=b"[]").refused(400, "M_BAD_JSON")
    after = user.history(room)
    assert [event["event_id"] for event in after] == [event["event_id"] for event in before]
