"""A sign of life for load balancers. Fills spec/extra/health.yaml."""

from chat_api.base import RawResponse
from chat_api.extra.health import GetHealthRequest

from chat.http.context import Context
from chat.http.responses import json_response

_OK = RawResponse(200, (("Content-Type", "text/plain"),), (b"OK",))
_STOPPING = json_response(
    {"errcode": "M_UNKNOWN", "error": "The worker no longer takes new requests"}, 503
)


def get_health(ctx: Context, _request: GetHealthRequest, /) -> RawResponse:
    """200 while this worker takes requests, 503 once it is stopping."""
    return _STOPPING if ctx.server.notifier.closed else _OK
