"""Supported versions."""

from chat_api.client_server.versions import GetVersionsRequest, GetVersionsResponse

from chat.http.context import Context
from chat.services import delayed_events

# Up to 1.11, which brought the media paths that clients need today. What later versions added is
# announced when it is there.
VERSIONS = [f"v1.{minor}" for minor in range(1, 12)]


def get_versions(ctx: Context, _request: GetVersionsRequest, /) -> GetVersionsResponse:
    """GET /versions"""
    features = {
        "org.matrix.msc4140": delayed_events.longest_delay_ms(ctx.server) > 0,
        "org.matrix.simplified_msc3575": True,  # sliding sync
    }
    return GetVersionsResponse(versions=VERSIONS, unstable_features=features)
