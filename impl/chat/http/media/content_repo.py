"""Content repository: uploads. Downloads without login are frozen and not served."""

from collections.abc import Iterator

from chat_api.base import Stream, unfilled
from chat_api.common.schemas import MediaConfig
from chat_api.media.content_repo import (
    GetConfigRequest,
    UploadContentRequest,
    UploadContentResponse,
)

from chat.http.context import Context
from chat.services.media import content
from chat.services.media.files import WRITE_BYTES

upload_content_to_mxc = unfilled
create_content = unfilled
get_content = unfilled
get_content_override_name = unfilled
get_content_thumbnail = unfilled
get_url_preview = unfilled


def upload_content(ctx: Context, request: UploadContentRequest, /) -> UploadContentResponse:
    """POST /upload"""
    uri = content.upload(
        ctx.server,
        ctx.user.user_id,
        request.content_type,
        request.filename,
        _pieces(request.body),
    )
    return UploadContentResponse(content_uri=uri)


def _pieces(body: Stream) -> Iterator[bytes]:
    while piece := body.read(WRITE_BYTES):
        yield piece


def get_config(ctx: Context, _request: GetConfigRequest, /) -> MediaConfig:
    """GET /config"""
    return MediaConfig(m_upload_size=ctx.server.config.max_upload_size_bytes)
