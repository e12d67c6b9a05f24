"""The steps around every handler: what is refused, where, and how."""

import io
import json
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest
from chat_api.base import Operation, Parameter, RawResponse, Stream, check_open, unfilled
from flask import Flask
from msgspec import Meta, Raw, Struct
from werkzeug.test import Client

from chat.config.model import RateLimit
from chat.http.auth import Authenticators, SignedRequest
from chat.http.context import Context
from chat.http.dispatch import Dispatcher
from chat.http.pipeline import Application
from chat.http.responses import redirect
from chat.protocol.errors import Forbidden, InteractiveAuthRequired, UnknownToken
from chat.services.accounts.last_seen import LastSeen
from chat.services.caller import Caller
from chat.services.ratelimit import RateLimits

ROOM = "/_matrix/client/v3/rooms/{roomId}"
CALLERS = {
    "alice": Caller("@alice:example.org", "A"),
    "guest": Caller("@7:example.org", "G", is_guest=True),
    "admin": Caller("@admin:example.org", "R", is_admin=True),
}


class Auth(Struct, frozen=True, kw_only=True):
    session: str | None = None


class InviteBody(Struct, frozen=True, omit_defaults=True, kw_only=True):
    user_id: Annotated[str, Meta(max_length=20)]
    reason: str | None = None
    auth: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        check_open("auth", self.auth, Auth)


class OptionalBody(Struct, frozen=True, kw_only=True):
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRequest:
    room_id: Annotated[str, Meta(max_length=255)]


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteRequest:
    room_id: Annotated[str, Meta(max_length=255)]
    body: InviteBody


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    room_id: str
    dir: Literal["b", "f"]
    limit: Annotated[int, Meta(ge=0)] = 10
    full: bool = False
    via: list[str] | None = None
    agent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest:
    room_id: str
    event_type: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionalRequest:
    body: OptionalBody


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRequest:
    content_type: str = "application/octet-stream"
    body: Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    pass


ROOM_ID = Parameter("roomId", "path", "room_id")


def operation(method: str, path: str, request: type[Any], **more: Any) -> Operation:
    parameters = more.pop("parameters", (ROOM_ID,) if "{roomId}" in path else ())
    return Operation(
        id=f"{method}{path}",
        api=more.pop("api", "client-server"),
        module="test",
        method=method,
        paths=(path, *more.pop("aliases", ())),
        request=request,
        parameters=parameters,
        **more,
    )


class World:
    """A served application, what its handlers were given, and a clock that stands still."""

    def __init__(self) -> None:
        self.seen: list[tuple[Context, Any]] = []
        self.signed: list[SignedRequest] = []
        self.now = 1_000_000
        limit = {"rc_test": RateLimit(per_second=1, burst_count=2)}
        server = SimpleNamespace(
            clock=SimpleNamespace(now_ms=lambda: self.now),
            last_seen=LastSeen(),
            limits=RateLimits(limit, SimpleNamespace(now_ms=lambda: self.now)),
            config=SimpleNamespace(max_upload_size_bytes=1000),
        )
        self.flask = Flask("test")
        self.flask.add_url_rule("/page", view_func=lambda: "a page")
        self.dispatcher = Dispatcher()
        self.fill()
        checks = Authenticators(user=self.user, server=self.server_of)
        self.app = Application(self.flask, server, self.dispatcher, checks)
        self.client = Client(self.app)

    def user(self, token: str) -> Caller:
        if token not in CALLERS:
            raise UnknownToken("Logged out", soft_logout=token == "soft")
        return CALLERS[token]

    def server_of(self, request: SignedRequest) -> str:
        self.signed.append(request)
        if not request.authorization.startswith("X-Matrix"):
            raise Forbidden("Not signed")
        return "remote.example"

    def echo(self, ctx: Context, request: Any, /) -> dict[str, Any]:
        self.seen.append((ctx, request))
        return {}

    def fill(self) -> None:
        add, echo = self.dispatcher.add, self.echo
        token = {"security": "accessToken"}
        query = (
            ROOM_ID,
            Parameter("dir", "query", "dir"),
            Parameter("limit", "query", "limit"),
            Parameter("full", "query", "full"),
            Parameter("via", "query", "via", many=True),
            Parameter("X-Agent", "header", "agent"),
        )
        typed = (ROOM_ID, Parameter("eventType", "path", "event_type"))
        content_type = (Parameter("Content-Type", "header", "content_type"),)
        add(operation("GET", "/_matrix/client/versions", Nothing), echo)
        add(operation("GET", f"{ROOM}/list", ListRequest, parameters=query), echo)
        add(operation("POST", f"{ROOM}/invite", InviteRequest, body=InviteBody, **token), echo)
        add(operation("GET", f"{ROOM}/invite", RoomRequest, **token), unfilled)
        add(operation("GET", f"{ROOM}/aliases", RoomRequest, guests=True, **token), echo)
        add(
            operation(
                "PUT",
                f"{ROOM}/send/{{eventType}}",
                SendRequest,
                parameters=typed,
                body=dict[str, Any],
                max_body_bytes=100_000,
                aliases=("/_matrix/client/r0/{eventType}/in/{roomId}",),
            ),
            echo,
        )
        add(operation("GET", "/_matrix/client/v3/rooms/public/list", Nothing), echo)
        add(operation("POST", "/_matrix/client/v3/none", OptionalRequest, body=OptionalBody), echo)
        add(
            operation(
                "POST",
                "/_matrix/media/v3/upload",
                UploadRequest,
                parameters=content_type,
                body=Stream,
                api="media",
            ),
            self.upload,
        )
        add(operation("GET", "/_matrix/media/v3/raw", Nothing, api="media"), self.raw)
        add(
            operation("GET", "/_matrix/media/v3/away", Nothing),
            lambda _c, _r: redirect("https://x/"),
        )
        add(operation("GET", "/_matrix/client/v3/fail", Nothing), self.fail)
        add(operation("POST", "/_matrix/client/v3/uia", Nothing), self.uia)
        add(operation("GET", "/_matrix/client/v3/often", Nothing, rate_limit="rc_test"), echo)
        add(
            operation("GET", "/_matrix/client/v3/mine", Nothing, rate_limit="rc_test", **token),
            echo,
        )
        add(
            operation(
                "PUT",
                "/_matrix/federation/v1/send",
                OptionalRequest,
                body=OptionalBody,
                security="xMatrix",
                api="federation",
            ),
            echo,
        )

    def upload(self, _ctx: Context, request: UploadRequest, /) -> dict[str, Any]:
        parts = iter(lambda: request.body.read(64), b"")
        return {"bytes": sum(map(len, parts)), "type": request.content_type}

    def raw(self, _ctx: Context, _request: Nothing, /) -> RawResponse:
        return RawResponse(200, (("Content-Type", "text/plain"),), (b"ab", b"cd"))

    def fail(self, _ctx: Context, _request: Nothing, /) -> dict[str, Any]:
        raise RuntimeError("secret detail")

    def uia(self, _ctx: Context, _request: Nothing, /) -> dict[str, Any]:
        raise InteractiveAuthRequired(session="s", flows=[["m.login.dummy"]], completed=[])


@pytest.fixture
def world() -> World:
    return World()


def put(
    world: World, body: bytes, path: str = "/_matrix/client/v3/rooms/!r/send/m.x", **kw: Any
) -> Any:
    return world.client.put(path, data=body, **kw)


def invite(world: World, body: bytes, **kw: Any) -> Any:
    headers = {"Authorization": "Bearer alice"} | kw.pop("headers", {})
    return world.client.post("/_matrix/client/v3/rooms/!r/invite", data=body, headers=headers, **kw)


def refusal(response: Any) -> tuple[int, str]:
    body = json.loads(response.data)
    assert set(body) >= {"errcode", "error"} and isinstance(body["error"], str) and body["error"]
    assert response.headers["Content-Type"] == "application/json"
    return response.status_code, body["errcode"]


# --- routing ---


def test_percent_encoded_slashes_stay_inside_a_parameter(world):
    world.client.get("/_matrix/client/v3/rooms/%23a%2Fb%3Aexample.org/list?dir=b")
    assert world.seen[0][1].room_id == "#a/b:example.org"


def test_a_parameter_is_decoded_exactly_once(world):
    put(world, b"{}", "/_matrix/client/v3/rooms/%252F/send/a%2525b+c")
    request = world.seen[0][1]
    assert (request.room_id, request.event_type) == ("%2F", "a%25b+c")


def test_a_parameter_is_tried_where_the_literal_leads_nowhere(world):
    assert world.client.get("/_matrix/client/v3/rooms/public/list").status_code == 200
    assert put(world, b"{}", "/_matrix/client/v3/rooms/public/send/m.x").status_code == 200
    assert [type(request) for _, request in world.seen] == [Nothing, SendRequest]


def test_an_old_path_may_order_its_parameters_differently(world):
    put(world, b"{}", "/_matrix/client/r0/m.x/in/!r")
    assert (world.seen[0][1].room_id, world.seen[0][1].event_type) == ("!r", "m.x")


def test_utf8_in_the_path_needs_no_escape(world):
    raw = "/_matrix/client/v3/rooms/!ü/list".encode().decode("latin-1")
    world.client.get(
        "/", query_string="dir=b", environ_overrides={"REQUEST_URI": raw, "RAW_URI": raw}
    )
    assert world.seen[0][1].room_id == "!ü"


def test_an_absolute_request_target_is_understood(world):
    uri = "http://example.org/_matrix/client/versions?x=1"
    response = world.client.get("/", environ_overrides={"RAW_URI": uri})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "path", ["/nowhere", "/", "/_matrix/client/v3/rooms", "/" * 5000, "/static/nothing", "*"]
)
def test_unknown_paths_are_unrecognized(world, path):
    response = world.client.get(path, environ_overrides={"RAW_URI": path})
    assert refusal(response) == (404, "M_UNRECOGNIZED")


def test_an_unfilled_operation_is_unrecognized(world):
    assert refusal(world.client.get("/_matrix/client/v3/rooms/!r/invite")) == (
        404,
        "M_UNRECOGNIZED",
    )


def test_a_wrong_method_is_refused_with_the_right_ones(world):
    response = world.client.delete("/_matrix/client/v3/rooms/!r/invite")
    assert refusal(response) == (405, "M_UNRECOGNIZED")
    assert response.headers["Allow"] == "GET, POST"


def test_head_is_answered_like_get_without_its_body(world):
    response = world.client.head("/_matrix/client/versions")
    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["Content-Length"] == "2"


def test_two_operations_cannot_share_a_path(world):
    with pytest.raises(ValueError, match="the same path"):
        world.dispatcher.add(operation("GET", "/_matrix/client/versions", Nothing), world.echo)


class Plain(Struct, frozen=True):
    """A body with one field."""

    user_id: str


class Special(Struct, frozen=True):
    """A body of an operation on the same path."""

    medium: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainRequest:
    """A request of the one."""

    body: Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialRequest:
    """A request of the other."""

    body: Special


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b'{"user_id":"@a:b"}', PlainRequest(body=Plain("@a:b"))),
        (b'{"medium":"email","user_id":"x"}', SpecialRequest(body=Special("email"))),
        (b"{}", (400, "M_MISSING_PARAM")),
        (b"[]", (400, "M_BAD_JSON")),
        (b"{", (400, "M_NOT_JSON")),
    ],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_field_of_the_body_selects_between_operations_on_one_path(world, body, seen, reverse):
    plain = operation("POST", "/shared", PlainRequest, body=Plain)
    special = operation(
        "POST", "/shared", SpecialRequest, body=Special, selected_by=("body", "medium")
    )
    for one in (special, plain) if reverse else (plain, special):
        world.dispatcher.add(one, world.echo)
    response = world.client.post("/shared", data=body)
    assert (world.seen[0][1] if world.seen else refusal(response)) == seen


@pytest.mark.parametrize(("query", "status"), [("?room_id=!r:a", 404), ("", 200)])
def test_a_field_of_the_query_selects_and_what_is_unfilled_is_unknown(world, query, status):
    world.dispatcher.add(operation("GET", "/shared", Nothing), world.echo)
    special = operation("GET", "/shared", Nothing, selected_by=("query", "room_id"))
    world.dispatcher.add(special, None)
    assert world.client.get(f"/shared{query}").status_code == status


def test_flask_answers_what_no_operation_has(world):
    response = world.client.get("/page")
    assert (response.status_code, response.data) == (200, b"a page")
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_a_listener_answers_only_what_it_serves(world):
    listener = SimpleNamespace(serves=frozenset({"federation", "media"}))
    with_it = {"chat.listener": listener}
    response = world.client.get("/_matrix/client/versions", environ_overrides=with_it)
    assert refusal(response) == (404, "M_UNRECOGNIZED")
    assert world.client.get("/_matrix/media/v3/raw", environ_overrides=with_it).status_code == 200


# --- parameters ---


@pytest.mark.parametrize(
    ("query", "errcode", "named"),
    [
        ("", "M_MISSING_PARAM", "dir"),
        ("dir=x", "M_INVALID_PARAM", "dir"),
        ("dir=b&limit=x", "M_INVALID_PARAM", "limit"),
        ("dir=b&limit=-1", "M_INVALID_PARAM", "limit"),
        ("dir=b&limit=", "M_INVALID_PARAM", "limit"),
        ("dir=b&full=maybe", "M_INVALID_PARAM", "full"),
        ("dir=b&via=%00", "M_INVALID_PARAM", "via"),
        ("dir=%FF", "M_INVALID_PARAM", "query"),
        ("dir=b" + "&a=1" * 2000, "M_INVALID_PARAM", "query"),
    ],
)
def test_wrong_query_parameters_are_named(world, query, errcode, named):
    response = world.client.get(f"/_matrix/client/v3/rooms/!r/list?{query}")
    assert refusal(response) == (400, errcode)
    assert named in response.json["error"]
    assert not world.seen


def test_parameters_have_the_types_of_the_spec(world):
    headers = {"X-Agent": "a1"}
    world.client.get(
        "/_matrix/client/v3/rooms/!r/list?dir=f&limit=5&full=true&via=a&via=b+c&other=1",
        headers=headers,
    )
    assert world.seen[0][1] == ListRequest(
        room_id="!r", dir="f", limit=5, full=True, via=["a", "b c"], agent="a1"
    )


def test_an_absent_parameter_has_its_default(world):
    world.client.get("/_matrix/client/v3/rooms/!r/list?dir=f")
    assert world.seen[0][1] == ListRequest(room_id="!r", dir="f")


@pytest.mark.parametrize("room", ["%00", "a%00b", "%FF", "r" * 256])
def test_wrong_path_parameters_are_refused(world, room):
    response = world.client.get(
        f"/_matrix/client/v3/rooms/{room}/aliases", headers={"Authorization": "Bearer alice"}
    )
    assert refusal(response) == (400, "M_INVALID_PARAM")


# --- bodies ---


@pytest.mark.parametrize(
    ("body", "errcode", "named"),
    [
        (b'{"reason": "x"}', "M_MISSING_PARAM", "user_id"),
        (b'{"user_id": 5}', "M_BAD_JSON", "user_id"),
        (b'{"user_id": null}', "M_BAD_JSON", "user_id"),
        (b'{"user_id": "%s"}' % (b"a" * 21), "M_BAD_JSON", "user_id"),
        (b'{"user_id": "@b", "reason": []}', "M_BAD_JSON", "reason"),
        (b'{"user_id": "@b", "auth": {"session": 1}}', "M_BAD_JSON", "session"),
        (b'{"user_id": "@b", "auth": []}', "M_BAD_JSON", "auth"),
        (b'{"user_id": "@b\\u0000"}', "M_BAD_JSON", "NUL"),
        (b'{"user_id": "@b", "auth": {"session": "\\u0000"}}', "M_BAD_JSON", "NUL"),
        (b"[]", "M_BAD_JSON", "object"),
        (b'"x"', "M_BAD_JSON", "object"),
        (b"", "M_NOT_JSON", "empty"),
        (b"{", "M_NOT_JSON", "JSON"),
        (b'{"user_id": 5', "M_NOT_JSON", "JSON"),
        (b'{"user_id": "@b"} x', "M_NOT_JSON", "JSON"),
        (b'{"user_id": NaN}', "M_NOT_JSON", "JSON"),
        (b'{"user_id": "\xff"}', "M_NOT_JSON", "JSON"),
        (b'{"user_id": "\\ud800"}', "M_NOT_JSON", "JSON"),
        (b'{"user_id": "\x00"}', "M_NOT_JSON", "JSON"),
    ],
)
def test_wrong_bodies_are_refused(world, body, errcode, named):
    response = invite(world, body)
    assert refusal(response) == (400, errcode)
    assert named in response.json["error"]
    assert not world.seen


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_refused(world, opening):
    for path in ("/_matrix/client/v3/rooms/!r/send/m.x", "/_matrix/client/v3/none"):
        response = world.client.open(
            path, method="PUT" if "send" in path else "POST", data=opening * 10_000
        )
        assert refusal(response) == (400, "M_NOT_JSON")


def test_balanced_deep_nesting_is_refused(world):
    body = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
    assert refusal(put(world, body)) == (400, "M_NOT_JSON")


@pytest.mark.parametrize("body", [b'{"body": "a\\u0000b"}', b'{"a": {"\\u0000": 1}}'])
def test_open_content_may_hold_nul(world, body):
    assert put(world, body).status_code == 200
    assert world.seen[0][1].body == json.loads(body)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_is_json_whatever_its_type_says(world, content_type):
    assert put(world, b'{"a": 1}', content_type=content_type).status_code == 200
    assert world.seen[0][1].body == {"a": 1}


def test_an_empty_body_is_an_object_where_nothing_is_required(world):
    assert world.client.post("/_matrix/client/v3/none").status_code == 200
    assert put(world, b"").status_code == 200
    assert [request.body for _, request in world.seen] == [OptionalBody(), {}]


def test_null_counts_as_absent_in_an_optional_field(world):
    assert invite(world, b'{"user_id": "@b", "reason": null, "auth": null}').status_code == 200
    assert world.seen[0][1].body == InviteBody(user_id="@b")


# --- sizes ---


class Untouched(io.RawIOBase):
    """A body that fails the test when it is read."""

    def read(self, size: int = -1, /) -> bytes:
        raise AssertionError("the body was read")


class Endless(io.RawIOBase):
    """A body without end that counts what was taken from it."""

    taken = 0

    def read(self, size: int = -1, /) -> bytes:
        assert size > 0, "an endless body was read without a limit"
        self.taken += size
        return b" " * size


def test_a_declared_size_over_the_cap_is_refused_unread(world):
    response = put(
        world, b"", environ_overrides={"CONTENT_LENGTH": "100001", "wsgi.input": Untouched()}
    )
    assert refusal(response) == (413, "M_TOO_LARGE")


def test_a_chunked_body_is_read_no_further_than_the_cap(world):
    body = Endless()
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": body}
    response = put(world, b"", environ_overrides=chunked | {"CONTENT_LENGTH": ""})
    assert refusal(response) == (413, "M_TOO_LARGE")
    assert body.taken == 100_001


def test_a_chunked_body_within_the_cap_is_taken(world):
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(b'{"a": 2}')}
    response = put(world, b"", environ_overrides=chunked | {"CONTENT_LENGTH": ""})
    assert response.status_code == 200
    assert world.seen[0][1].body == {"a": 2}


def test_a_body_of_exactly_the_cap_is_taken(world):
    assert put(world, b"{" + b" " * 99_998 + b"}").status_code == 200


def test_a_body_shorter_than_declared_is_refused(world):
    response = put(
        world, b"", environ_overrides={"CONTENT_LENGTH": "9", "wsgi.input": io.BytesIO(b"{}")}
    )
    assert refusal(response) == (400, "M_UNKNOWN")


def test_a_body_that_breaks_off_is_no_error_of_ours(world, caplog):
    class Broken(io.RawIOBase):
        def read(self, size: int = -1, /) -> bytes:
            raise ConnectionResetError

    response = put(world, b"", environ_overrides={"CONTENT_LENGTH": "9", "wsgi.input": Broken()})
    assert refusal(response) == (400, "M_UNKNOWN")
    assert not caplog.records


def test_the_size_is_checked_before_the_token(world):
    response = world.client.post(
        "/_matrix/client/v3/rooms/!r/invite",
        environ_overrides={"CONTENT_LENGTH": "1048577", "wsgi.input": Untouched()},
    )
    assert refusal(response) == (413, "M_TOO_LARGE")


def test_uploads_are_streams_capped_by_the_configuration(world):
    path = "/_matrix/media/v3/upload"
    good = world.client.post(path, data=b"x" * 1000, content_type="image/png")
    assert good.json == {"bytes": 1000, "type": "image/png"}
    assert refusal(world.client.post(path, data=b"x" * 1001)) == (413, "M_TOO_LARGE")
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "", "wsgi.input": Endless()}
    response = world.client.post(path, environ_overrides=chunked)
    assert refusal(response) == (413, "M_TOO_LARGE")


# --- authentication and limits ---

ALIASES = "/_matrix/client/v3/rooms/!r/aliases"


@pytest.mark.parametrize(
    ("query", "header"),
    [
        ("", "Bearer alice"),
        ("", "bearer alice"),
        ("?access_token=alice", None),
        ("?a=b&access_token=alice", None),
        ("?access_token=nobody", "Bearer alice"),
    ],
)
def test_a_token_comes_by_header_or_by_query(world, query, header):
    headers = {"Authorization": header} if header else {}
    assert world.client.get(ALIASES + query, headers=headers).status_code == 200
    assert world.seen[0][0].user.user_id == "@alice:example.org"


@pytest.mark.parametrize(
    ("headers", "errcode"),
    [
        ({}, "M_MISSING_TOKEN"),
        ({"Authorization": "Basic YTpi"}, "M_MISSING_TOKEN"),
        ({"Authorization": "Bearer nobody"}, "M_UNKNOWN_TOKEN"),
        ({"Authorization": "Bearer "}, "M_UNKNOWN_TOKEN"),
        ({"Authorization": "Bearer \u00e4"}, "M_UNKNOWN_TOKEN"),
    ],
)
def test_without_a_good_token_nothing_is_read_or_done(world, headers, errcode):
    response = world.client.get(ALIASES, headers=headers)
    assert refusal(response) == (401, errcode)
    assert not world.seen


def test_a_soft_logout_is_told(world):
    response = world.client.get(ALIASES, headers={"Authorization": "Bearer soft"})
    assert response.json["soft_logout"] is True


def test_the_token_is_checked_before_the_body(world):
    response = world.client.post("/_matrix/client/v3/rooms/!r/invite", data=b"{")
    assert refusal(response) == (401, "M_MISSING_TOKEN")


def test_guests_are_let_in_only_where_the_spec_says_so(world):
    guest = {"Authorization": "Bearer guest"}
    assert world.client.get(ALIASES, headers=guest).status_code == 200
    response = world.client.post("/_matrix/client/v3/rooms/!r/invite", headers=guest)
    assert refusal(response) == (403, "M_GUEST_ACCESS_FORBIDDEN")


def test_another_server_is_known_by_its_signature_over_the_decoded_body(world):
    path = "/_matrix/federation/v1/send?a=%2F"
    signed = {"Authorization": "X-Matrix origin=remote.example"}
    assert world.client.put(path, data=b'{"limit": 3}', headers=signed).status_code == 200
    assert world.seen[0][0].origin == "remote.example"
    assert world.signed[0] == SignedRequest(signed["Authorization"], "PUT", path, {"limit": 3})
    assert refusal(world.client.put(path, data=b"{", headers=signed)) == (400, "M_NOT_JSON")
    assert refusal(world.client.put(path, data=b"{}")) == (403, "M_FORBIDDEN")


def test_an_address_is_limited_where_there_is_no_user(world):
    def often(address: str) -> Any:
        return world.client.get(
            "/_matrix/client/v3/often", environ_overrides={"REMOTE_ADDR": address}
        )

    assert [often("1.2.3.4").status_code for _ in range(3)] == [200, 200, 429]
    assert often("5.6.7.8").status_code == 200
    world.now += 1000
    assert [often("1.2.3.4").status_code for _ in range(2)] == [200, 429]


def test_a_limit_says_when_to_come_back(world):
    for _ in range(2):
        world.client.get("/_matrix/client/v3/often")
    response = world.client.get("/_matrix/client/v3/often")
    assert refusal(response) == (429, "M_LIMIT_EXCEEDED")
    assert response.json["retry_after_ms"] == 1000
    assert response.headers["Retry-After"] == "1"


def test_users_are_limited_each_and_administrators_are_not(world):
    def mine(token: str) -> list[int]:
        headers = {"Authorization": f"Bearer {token}"}
        get = world.client.get
        return [get("/_matrix/client/v3/mine", headers=headers).status_code for _ in range(3)]

    assert mine("alice") == [200, 200, 429]
    assert mine("admin") == [200, 200, 200]


# --- answers ---


def test_raw_answers_pass_as_they_are(world):
    response = world.client.get("/_matrix/media/v3/raw")
    assert (response.data, response.headers["Content-Type"]) == (b"abcd", "text/plain")
    assert response.headers["Content-Length"] == "4"


def test_encoded_json_is_joined_and_not_encoded_again(world):
    class Page(Struct, omit_defaults=True):
        chunk: list[Raw]
        end: str | None = None

    page = Page([Raw(b'{"a": 1}'), Raw(b"2")])
    world.dispatcher.add(operation("GET", "/page2", Nothing), lambda _c, _r: page)
    assert world.client.get("/page2").data == b'{"chunk":[{"a": 1},2]}'


def test_interactive_authentication_has_a_body_of_its_own(world):
    response = world.client.post("/_matrix/client/v3/uia")
    assert response.status_code == 401
    assert response.json == {"session": "s", "flows": [{"stages": ["m.login.dummy"]}], "params": {}}


def test_a_bug_is_told_to_the_log_and_not_to_the_client(world, caplog):
    response = world.client.get("/_matrix/client/v3/fail")
    assert refusal(response) == (500, "M_UNKNOWN")
    assert b"secret" not in response.data
    failures = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(failures) == 1 and failures[0].exc_info


def test_a_database_that_is_full_is_told_to_both(world, monkeypatch, caplog):
    def full(*_):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr(Application, "_run", full)
    response = world.client.get("/_matrix/client/v3/fail")
    assert refusal(response) == (503, "M_UNKNOWN")
    assert int(response.headers["Retry-After"]) > 0
    (failure,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert failure.error == "database or disk is full"


def test_each_request_is_logged_without_its_query(world, caplog):
    caplog.set_level(logging.DEBUG)
    world.client.get(ALIASES + "?access_token=alice")
    received, processed = caplog.records
    assert (received.msg, processed.msg) == ("Received request", "Processed request")
    assert received.request == processed.request
    assert (processed.path, processed.status, processed.sender) == (
        ALIASES,
        200,
        "@alice:example.org",
    )
    assert not any("access_token" in str(vars(record)) for record in caplog.records)


CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "X-Requested-With, Content-Type, Authorization",
}


def every_kind_of_answer(world: World) -> Iterator[tuple[int, Any]]:
    get = world.client.get
    yield 200, get("/_matrix/client/versions")
    yield 307, get("/_matrix/media/v3/away")
    yield 400, get("/_matrix/client/v3/rooms/!r/list")
    yield 401, get(ALIASES)
    yield 401, world.client.post("/_matrix/client/v3/uia")
    yield 403, invite(world, b"{}", headers={"Authorization": "Bearer guest"})
    yield 404, get("/_matrix/client/v3/nowhere")
    yield 404, get("/.well-known/matrix/client")
    yield 405, world.client.delete("/_matrix/client/versions")
    yield 413, put(world, b" " * 100_001)
    yield 500, get("/_matrix/client/v3/fail")
    for _ in range(2):
        get("/_matrix/client/v3/often")
    yield 429, get("/_matrix/client/v3/often")
    yield 204, world.client.options("/_matrix/identity/v2/nowhere")


def test_every_kind_of_answer_carries_cors(world):
    for status, response in every_kind_of_answer(world):
        assert response.status_code == status
        for name, value in CORS.items():
            assert response.headers.getlist(name) == [value], (status, name)


def test_options_runs_no_handler_and_asks_for_no_token(world):
    for path in (ALIASES, "/_matrix/client/v3/fail", "/_matrix/client/v3/often", "/nowhere"):
        assert world.client.options(path).status_code == 204
    assert not world.seen


def test_what_servers_say_to_each_other_is_not_for_pages(world):
    response = world.client.put("/_matrix/federation/v1/send")
    assert "Access-Control-Allow-Origin" not in response.headers
