"""Supported versions."""

from chat_api.client_server.versions import GetVersionsRequest, GetVersionsResponse

from chat.http.context import Context

# Up to 1.11, which brought the media paths that clients need today. What later versions added is
# announced when it is there.
VERSIONS = [f"v1.{minor}" for minor in range(1, 12)]


def get_versions(_ctx: Context, _request: GetVersionsRequest, /) -> GetVersionsResponse:
    """GET /versions"""
    return GetVersionsResponse(versions=VERSIONS)
