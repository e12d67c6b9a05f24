"""Identifiers: users, rooms, events, aliases, servers, media.

Each `parse_…` function returns its argument, typed, or raises InvalidIdentifier.
Spec: appendices/#identifier-grammar
"""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple, NewType

from chat.protocol.errors import InvalidIdentifier

UserId = NewType("UserId", str)
RoomId = NewType("RoomId", str)
EventId = NewType("EventId", str)
RoomAlias = NewType("RoomAlias", str)
DeviceId = NewType("DeviceId", str)
ServerName = NewType("ServerName", str)

MAX_ID_BYTES = 255

_NEW_LOCALPART = re.compile(r"[a-z0-9._=\-/+]+")
_FORBIDDEN_IN_LOCALPART = re.compile("[\x00\ud800-\udfff]")
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_DNS_NAME = re.compile(r"[0-9A-Za-z.\-]{1,255}")
_PORT = re.compile(r"[0-9]{1,5}")
_HASH_ID = re.compile(r"[0-9A-Za-z+/_\-]{43}")
_MEDIA_ID = re.compile(r"[0-9A-Za-z_\-]+")
_SERVER_CHARACTERS = re.compile(r"[0-9A-Za-z.:\[\]\-]{1,255}")


class Mxc(NamedTuple):
    """A `mxc://server/media_id` URI in its two parts."""

    server: ServerName
    media_id: str


def parse_user_id(text: str, *, historical: bool = True) -> UserId:
    """`@localpart:server`, at most 255 bytes.

    `historical` accepts the localparts that servers MUST accept in events: any code points but
    `:`, NUL and surrogates, and none at all. Otherwise only the characters of new user IDs.
    Spec: appendices/#user-identifiers
    """
    localpart, server = _split(text, "@", "user ID")
    if not historical and not _NEW_LOCALPART.fullmatch(localpart):
        raise InvalidIdentifier(f"User ID with characters that are not allowed: {_shown(text)}")
    if _FORBIDDEN_IN_LOCALPART.search(localpart):
        raise InvalidIdentifier(f"User ID with NUL or a surrogate: {_shown(text)}")
    parse_server_name(server)
    return UserId(text)


def is_user_id(value: object) -> bool:
    """Whether `value` is a user ID, of today's or the historical grammar."""
    if not isinstance(value, str):
        return False
    try:
        parse_user_id(value)
    except InvalidIdentifier:
        return False
    return True


def parse_new_localpart(text: str) -> str:
    """The localpart of a user who is about to register: `a-z0-9._=-/+`, at least one character."""
    if not isinstance(text, str) or not _NEW_LOCALPART.fullmatch(text):
        raise InvalidIdentifier("User names may only contain a-z, 0-9 and . _ = - / +")
    if len(text) > MAX_ID_BYTES - len("@:x"):
        raise InvalidIdentifier("User name too long")
    return text


def parse_room_id(text: str) -> RoomId:
    """`!opaque:server`, or `!` and the 43 characters of a create event's hash.

    Spec: appendices/#room-ids
    """
    _check_shape(text, "!", "room ID")
    _check_hash_or_domain(text, "room ID")
    return RoomId(text)


def parse_event_id(text: str) -> EventId:
    """`$opaque:server`, or `$` and a hash. Spec: appendices/#event-ids"""
    _check_shape(text, "$", "event ID")
    _check_hash_or_domain(text, "event ID")
    return EventId(text)


def parse_room_alias(text: str) -> RoomAlias:
    """`#localpart:server`, at most 255 bytes. Spec: appendices/#room-aliases"""
    localpart, server = _split(text, "#", "room alias")
    if not localpart or _FORBIDDEN_IN_LOCALPART.search(localpart):
        raise InvalidIdentifier(f"Not a room alias: {_shown(text)}")
    parse_server_name(server)
    return RoomAlias(text)


def parse_server_name(text: str) -> ServerName:
    """`hostname[:port]`: DNS name, IPv4 address or IPv6 address in brackets.

    Spec: appendices/#server-name
    """
    if not isinstance(text, str) or not _SERVER_CHARACTERS.fullmatch(text):
        raise InvalidIdentifier(f"Not a server name: {_shown(text)}")
    host, port = _split_port(text)
    if port is not None and not _PORT.fullmatch(port):
        raise InvalidIdentifier(f"Server name with a bad port: {_shown(text)}")
    if host.startswith("["):
        _check_ipv6(host)
    elif not _DNS_NAME.fullmatch(host):
        raise InvalidIdentifier(f"Not a server name: {_shown(text)}")
    elif _IPV4.fullmatch(host) and any(int(part) > 255 for part in host.split(".")):
        raise InvalidIdentifier(f"IPv4 address out of range: {_shown(text)}")
    return ServerName(text)


def parse_mxc(text: str) -> Mxc:
    """`mxc://server/media_id` in its parts; the media ID is made of `A-Za-z0-9_-`.

    Spec: client-server-api/#matrix-content-mxc-uris
    """
    if not isinstance(text, str) or not text.startswith("mxc://"):
        raise InvalidIdentifier(f"Not an mxc URI: {_shown(text)}")
    server, _, media_id = text.removeprefix("mxc://").partition("/")
    if not _MEDIA_ID.fullmatch(media_id) or len(media_id) > MAX_ID_BYTES:
        raise InvalidIdentifier(f"Not an mxc URI: {_shown(text)}")
    return Mxc(parse_server_name(server), media_id)


def server_of(identifier: str) -> ServerName:
    """The server part of a user ID, alias, or room or event ID that has one; not validated.

    Raises InvalidIdentifier where there is none.
    """
    _, colon, server = identifier.partition(":")
    if not colon:
        raise InvalidIdentifier(f"Identifier without a server: {_shown(identifier)}")
    return ServerName(server)


def localpart_of(identifier: str) -> str:
    """What stands between the sigil and the first colon; not validated."""
    return identifier[1:].partition(":")[0]


def _split(text: str, sigil: str, what: str) -> tuple[str, str]:
    _check_shape(text, sigil, what)
    localpart, colon, server = text[1:].partition(":")
    if not colon:
        raise InvalidIdentifier(f"Not a {what}, the server is missing: {_shown(text)}")
    return localpart, server


def _check_shape(text: str, sigil: str, what: str) -> None:
    if not isinstance(text, str) or not text.startswith(sigil):
        raise InvalidIdentifier(f"Not a {what}: {_shown(text)}")
    if len(text) > MAX_ID_BYTES or len(text.encode(errors="surrogatepass")) > MAX_ID_BYTES:
        raise InvalidIdentifier(f"A {what} has at most {MAX_ID_BYTES} bytes")


def _check_hash_or_domain(text: str, what: str) -> None:
    opaque, colon, server = text[1:].partition(":")
    if colon:
        if not opaque or _FORBIDDEN_IN_LOCALPART.search(opaque):
            raise InvalidIdentifier(f"Not a {what}: {_shown(text)}")
        parse_server_name(server)
    elif not _HASH_ID.fullmatch(opaque):
        raise InvalidIdentifier(f"Not a {what}: {_shown(text)}")


def _split_port(text: str) -> tuple[str, str | None]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text, None
    return host, port


def _check_ipv6(host: str) -> None:
    try:
        IPv6Address(host.removeprefix("[").removesuffix("]"))
    except AddressValueError:
        raise InvalidIdentifier(f"Not an IPv6 address: {_shown(host)}") from None
    if not host.endswith("]"):
        raise InvalidIdentifier(f"Not an IPv6 address: {_shown(host)}")


def _shown(text: object) -> str:
    """A refused value for the sentence of the refusal: short, and printable whatever it is."""
    return ascii(text[:80]) if isinstance(text, str) else type(text).__name__
