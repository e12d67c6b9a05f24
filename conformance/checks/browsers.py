"""What lets web pages of any origin use the server."""

from conformance.client import User, World
from conformance.runner.exchange import Exchange

PAGE = {"Origin": "https://app.example.org"}


def is_open(answer: Exchange) -> bool:
    """Whether an answer may be read by every page."""
    headers = answer.headers
    methods = headers.get("access-control-allow-methods", "")
    allowed = headers.get("access-control-allow-headers", "").lower()
    return (
        headers.get("access-control-allow-origin") == "*"
        and all(method in methods for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"))
        and all(name in allowed for name in ("authorization", "content-type", "x-requested-with"))
    )


def from_page(user: User, method: str, path: str, *parts: str, body: object = None) -> Exchange:
    """A request as a page of another origin sends it."""
    return user.request(method, path, *parts, body=body, headers=PAGE)


def check_answers(world: World) -> None:
    """Every successful answer can be read by pages of other origins."""
    user = world.user()
    assert is_open(from_page(user, "GET", "/_matrix/client/versions"))
    assert is_open(from_page(user, "GET", "/.well-known/matrix/client"))
    assert is_open(from_page(user, "GET", "/sync"))
    assert is_open(from_page(user, "POST", "/createRoom", body={}))
    uri = user.upload(b"soup", "text/plain").removeprefix("mxc://")
    path = "/_matrix/client/v1/media/download/{}/{}"
    assert is_open(from_page(user, "GET", path, *uri.split("/")))


def check_refusals(world: World) -> None:
    """Refusals can be read by pages: of the token, of the request, and of the permission."""
    user = world.user()
    nobody = User(world.wire)
    refused = [
        (401, from_page(nobody, "GET", "/account/whoami")),
        (400, from_page(user, "POST", "/createRoom", body=b"{")),
        (403, from_page(user, "GET", "/user/{}/filter/1", "@other:example.org")),
        (404, from_page(user, "GET", "/devices/NOSUCH")),
    ]
    for status, answer in refused:
        assert answer.status == status, (status, answer.status)
        assert is_open(answer), status


def check_interactive_authentication(world: World) -> None:
    """The question for more authentication can be read by pages."""
    answer = from_page(User(world.wire), "POST", "/register", body={"username": world.name()})
    assert answer.status == 401, answer.status
    assert is_open(answer)


def check_unknown_paths(world: World) -> None:
    """The refusal of an unknown path can be read by pages."""
    answer = from_page(world.user(), "GET", "/_matrix/client/v3/lunch")
    answer.refused(404, "M_UNRECOGNIZED")
    assert is_open(answer)


def check_wrong_methods(world: World) -> None:
    """The refusal of a wrong method can be read by pages."""
    answer = from_page(world.user(), "DELETE", "/sync")
    answer.refused(405, "M_UNRECOGNIZED")
    assert is_open(answer)


def check_large_bodies(world: World) -> None:
    """The refusal of too large a body can be read by pages."""
    answer = from_page(world.user(), "POST", "/createRoom", body=b" " * 2_000_000)
    answer.refused(413, "M_TOO_LARGE")
    assert is_open(answer)


def check_preflight(world: World) -> None:
    """Every path answers OPTIONS without a token and allows what clients send."""
    paths = [
        "/_matrix/client/versions",
        "/_matrix/client/v3/sync",
        "/_matrix/client/v3/rooms/!r:example.org/send/m.room.message/t",
        "/_matrix/client/v3/lunch",
        "/_matrix/media/v3/upload",
        "/_matrix/client/v1/media/download/example.org/abc",
        "/.well-known/matrix/client",
    ]
    headers = PAGE | {
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    for path in paths:
        answer = world.stranger.request("OPTIONS", path, headers=headers)
        assert answer.status in (200, 204), (path, answer.status)
        assert is_open(answer), path


def check_preflight_does_nothing(world: World) -> None:
    """OPTIONS runs nothing of what the path stands for."""
    user = world.user()
    answer = user.request("OPTIONS", "/logout", body={})
    assert answer.status in (200, 204), answer.status
    user.get("/account/whoami").ok()
