"""Who makes a request: the step between the size cap and the rate limit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from chat_api.base import Operation

from chat.protocol.errors import GuestAccessForbidden, MissingToken, UnknownToken
from chat.services.caller import Caller

BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request of another server, as its signature covers it. `content` is None without a body."""

    authorization: str
    method: str
    target: str
    content: Any


@dataclass(frozen=True, slots=True)
class Authenticators:
    """How each kind of credential is checked. All raise a ChatError of status 401 or 403.

    `user` takes an access token of the client-server API, `identity` one of the identity service,
    `server` gives the name of the server that signed a request; None where the API is not served.
    """

    user: Callable[[str], Caller]
    identity: Callable[[str], Caller] | None = None
    server: Callable[[SignedRequest], str] | None = None


def token_of(environ: Mapping[str, Any]) -> str | None:
    """The token in the Authorization header or, deprecated, in the query as `access_token`.

    Spec: client-server-api/#using-access-tokens
    """
    header: str = environ.get("HTTP_AUTHORIZATION", "")
    if header[:7].lower() == BEARER:
        return header[7:].strip()
    query: str = environ.get("QUERY_STRING", "")
    if "access_token=" not in query:
        return None
    given = parse_qs(query, keep_blank_values=True, max_num_fields=1000).get("access_token")
    return given[0] if given else None


def user_of(
    operation: Operation, token: str | None, check: Callable[[str], Caller]
) -> Caller | None:
    """The caller of an operation that takes tokens, None where it may be called without.

    Raises MissingToken, UnknownToken, GuestAccessForbidden and whatever `check` raises.
    """
    if token is None:
        if operation.auth_optional:
            return None
        raise MissingToken("Missing access token")
    if not token or not token.isascii():
        raise UnknownToken
    caller = check(token)
    if caller.is_guest and not operation.guests:
        raise GuestAccessForbidden("Guests may not do this")
    return caller
