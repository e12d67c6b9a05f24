"""Content repository: downloads by logged-in users."""

from urllib.parse import quote

from chat_api.base import RawResponse, unfilled
from chat_api.common.schemas import MediaConfig
from chat_api.media.authed_content_repo import (
    GetConfigAuthedRequest,
    GetContentAuthedRequest,
    GetContentOverrideNameAuthedRequest,
    GetContentThumbnailAuthedRequest,
)

from chat.http.context import Context
from chat.services.media import content, thumbnails
from chat.services.media.content import Content

get_url_preview_authed = unfilled

# Spec: client-server-api/#serving-inline-content
INLINE_TYPES = frozenset(
    {
        *(f"text/{kind}" for kind in ("css", "plain", "csv")),
        *(f"application/{kind}" for kind in ("json", "ld+json")),
        *(f"image/{kind}" for kind in ("jpeg", "gif", "png", "apng", "webp", "avif")),
        *(f"video/{kind}" for kind in ("mp4", "webm", "ogg", "quicktime")),
        *(f"audio/{kind}" for kind in ("mp4", "webm", "aac", "mpeg", "ogg", "wave", "wav")),
        *(f"audio/{kind}" for kind in ("x-wav", "x-pn-wav", "flac", "x-flac")),
    }
)

# Spec: client-server-api/#content-repository
POLICY = (
    "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; "
    "style-src 'unsafe-inline'; object-src 'self';"
)


def get_content_authed(ctx: Context, request: GetContentAuthedRequest, /) -> RawResponse:
    """GET /media/download/{serverName}/{mediaId}"""
    found = content.download(ctx.server, request.server_name, request.media_id)
    return _served(found, found.name)


def get_content_override_name_authed(
    ctx: Context, request: GetContentOverrideNameAuthedRequest, /
) -> RawResponse:
    """GET /media/download/{serverName}/{mediaId}/{fileName}"""
    found = content.download(ctx.server, request.server_name, request.media_id)
    return _served(found, request.file_name)


def get_content_thumbnail_authed(
    ctx: Context, request: GetContentThumbnailAuthedRequest, /
) -> RawResponse:
    """GET /media/thumbnail/{serverName}/{mediaId}"""
    found = thumbnails.thumbnail(
        ctx.server,
        request.server_name,
        request.media_id,
        request.width,
        request.height,
        request.method,
    )
    return _served(found, found.name)


def get_config_authed(ctx: Context, _request: GetConfigAuthedRequest, /) -> MediaConfig:
    """GET /media/config"""
    return MediaConfig(m_upload_size=ctx.server.config.max_upload_size_bytes)


def _served(found: Content, name: str | None) -> RawResponse:
    headers = (
        ("Content-Type", _header_text(found.content_type)),
        ("Content-Length", str(found.size_bytes)),
        ("Content-Disposition", _disposition(found.content_type, name)),
        ("Content-Security-Policy", POLICY),
        ("Cross-Origin-Resource-Policy", "cross-origin"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "private, max-age=86400, immutable"),
    )
    return RawResponse(200, headers, found.chunks)


def _disposition(content_type: str, name: str | None) -> str:
    """inline for types that cannot run scripts, with the file name. RFC 6266, RFC 8187."""
    media_type = content_type.partition(";")[0].strip().lower()
    kind = "inline" if media_type in INLINE_TYPES else "attachment"
    if name is None:
        return kind
    encoded = quote(name.encode("utf-8", "replace"), safe="")
    plain = name.isascii() and name.isprintable() and not set(name) & set('\\"')
    return f'{kind}; filename="{name}"' if plain else f"{kind}; filename*=utf-8''{encoded}"


def _header_text(text: str) -> str:
    """Text that may stand in a header: whatever else an uploader sent is dropped."""
    return "".join(c for c in text if c.isascii() and c.isprintable())
