"""The signatures of requests between servers: the X-Matrix authorisation header.

Spec: server-server-api/#request-authentication
"""

import re
from typing import Any, Final, NamedTuple

from nacl.signing import VerifyKey

from chat.protocol.errors import InvalidIdentifier, SignatureInvalid, Unauthorized
from chat.protocol.identifiers import ServerName, parse_server_name
from chat.protocol.signatures import SigningKey, sign_json, verify_json

NO_CONTENT: Final = object()  # the request has no body

MAX_HEADER_CHARACTERS = 4096

_SCHEME = re.compile(r"x-matrix +", re.IGNORECASE)
# Unquoted values may hold colons and the characters of base64, for compatibility.
_PARAMETER = re.compile(
    r"[ \t]*(?P<name>[A-Za-z0-9!#$%&'*+.^_`|~-]+)="
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^",\s]*))'
    r"[ \t]*(?:,|$)"
)
_ESCAPED = re.compile(r"\\(.)")


class XMatrix(NamedTuple):
    """What an X-Matrix header says; `destination` is None when an older server left it out."""

    origin: ServerName
    destination: ServerName | None
    key_id: str
    signature: str


def parse_header(header: str) -> XMatrix:
    """The parameters of an Authorization header; raises Unauthorized."""
    parameters = _parameters(header)
    try:
        destination = parameters.get("destination")
        return XMatrix(
            parse_server_name(parameters["origin"]),
            None if destination is None else parse_server_name(destination),
            parameters["key"],
            parameters["sig"],
        )
    except KeyError as missing:
        raise Unauthorized(f"X-Matrix header without {missing}") from None
    except InvalidIdentifier as error:
        raise Unauthorized(error.message) from None


def build_header(x_matrix: XMatrix) -> str:
    """The Authorization header, in the form that older servers read too."""
    destination = "" if x_matrix.destination is None else f'destination="{x_matrix.destination}",'
    return (
        f'X-Matrix origin="{x_matrix.origin}",{destination}'
        f'key="{x_matrix.key_id}",sig="{x_matrix.signature}"'
    )


def request_object(
    method: str, uri: str, origin: str, destination: str, content: Any = NO_CONTENT
) -> dict[str, Any]:
    """The object that stands for a request when it is signed.

    `uri` is the target from `/_matrix` on, with its query; `content` the decoded body.
    """
    obj = {"method": method, "uri": uri, "origin": origin, "destination": destination}
    return obj if content is NO_CONTENT else {**obj, "content": content}


def sign_request(
    method: str,
    uri: str,
    origin: str,
    destination: str,
    key: SigningKey,
    content: Any = NO_CONTENT,
) -> str:
    """The Authorization header for a request of ours."""
    obj = request_object(method, uri, origin, destination, content)
    signature = sign_json(obj, origin, key)["signatures"][origin][key.key_id]
    return build_header(XMatrix(ServerName(origin), ServerName(destination), key.key_id, signature))


def verify_request(
    x_matrix: XMatrix,
    method: str,
    uri: str,
    own_name: str,
    verify_key: VerifyKey,
    content: Any = NO_CONTENT,
) -> None:
    """Raises Unauthorized if the request is for another server or the signature is wrong.

    `verify_key` is the origin's key of that ID, still valid now.
    """
    if x_matrix.destination not in (None, own_name):
        raise Unauthorized("The request is addressed to another server")
    obj = request_object(method, uri, x_matrix.origin, own_name, content)
    signed = {**obj, "signatures": {x_matrix.origin: {x_matrix.key_id: x_matrix.signature}}}
    try:
        verify_json(signed, x_matrix.origin, x_matrix.key_id, verify_key)
    except SignatureInvalid as error:
        raise Unauthorized(error.message) from None


def _parameters(header: str) -> dict[str, str]:
    """Names in lower case and unescaped values; of a repeated name the first."""
    scheme = _SCHEME.match(header)
    if scheme is None or len(header) > MAX_HEADER_CHARACTERS:
        raise Unauthorized("Not an X-Matrix header")
    parameters: dict[str, str] = {}
    position = scheme.end()
    while position < len(header):
        match = _PARAMETER.match(header, position)
        if match is None:
            raise Unauthorized("Malformed X-Matrix header")
        quoted = match["quoted"]
        value = match["token"] if quoted is None else _ESCAPED.sub(r"\1", quoted)
        parameters.setdefault(match["name"].lower(), value)
        position = match.end()
    return parameters
