"""A sign of life for load balancers. Fills spec/extra/health.yaml."""

from chat_api.base import RawResponse
from chat_api.extra.health import GetHealthRequest

from chat.http.context import Context

_OK = RawResponse(200, (("Content-Type", "text/plain"),), (b"OK",))


def get_health(_ctx: Context, _request: GetHealthRequest, /) -> RawResponse:
    """200 from every worker that takes requests; a stopping one has closed its listeners."""
    return _OK
