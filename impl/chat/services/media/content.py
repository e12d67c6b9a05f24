"""Uploading and downloading. Spec: client-server-api/#content-repository"""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chat.protocol.errors import NotFound, TooLarge
from chat.protocol.identifiers import parse_mxc
from chat.services.server import Server
from chat.storage import media
from chat.storage.media import Media

MEDIA_ID_BYTES = 18
MAX_CONTENT_TYPE_LENGTH = 255
DEFAULT_CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes to serve, with their type, name and length."""

    content_type: str
    name: str | None
    size_bytes: int
    chunks: Iterator[bytes]


def upload(
    server: Server,
    uploader: str,
    content_type: str | None,
    name: str | None,
    chunks: Iterable[bytes],
) -> str:
    """Store a file and return its mxc URI; the file and its entry are durable then.

    Raises TooLarge when it grows beyond max_upload_size; nothing is kept then.
    """
    media_id = secrets.token_urlsafe(MEDIA_ID_BYTES)
    limit = server.config.max_upload_size_bytes
    path = server.media.content_path(media_id)
    size = server.media.write(path, _capped(chunks, limit))
    kind = (content_type or DEFAULT_CONTENT_TYPE)[:MAX_CONTENT_TYPE_LENGTH]
    entry = Media(media_id, uploader, kind, name, size, server.clock.now_ms())
    server.store.write(lambda tx: media.insert(tx, entry))
    return f"mxc://{server.name}/{media_id}"


def _capped(chunks: Iterable[bytes], limit_bytes: int) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limit_bytes:
            raise TooLarge(f"The upload is larger than {limit_bytes} bytes")
        yield chunk


def download(server: Server, server_name: str, media_id: str) -> Content:
    """The bytes of an mxc URI. Raises NotFound."""
    entry = find(server, server_name, media_id)
    return Content(
        entry.content_type,
        entry.name,
        entry.size_bytes,
        open_file(server, media_path(server, entry)),
    )


def find(server: Server, server_name: str, media_id: str) -> Media:
    """The entry of an mxc URI. Raises InvalidIdentifier, and NotFound for other servers' too."""
    parse_mxc(f"mxc://{server_name}/{media_id}")
    entry = None
    if server_name == server.name:
        entry = server.store.read(lambda tx: media.find(tx, media_id))
    if entry is None:
        raise NotFound("There is no such content")
    return entry


def media_path(server: Server, entry: Media) -> Path:
    """Where the bytes of an entry lie."""
    return server.media.content_path(entry.media_id)


def open_file(server: Server, path: Path) -> Iterator[bytes]:
    """The bytes of a file. Raises NotFound where it is gone."""
    try:
        return server.media.read(path)
    except FileNotFoundError as error:
        raise NotFound("There is no such content") from error
