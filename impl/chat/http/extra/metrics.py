"""Figures for Prometheus. Fills spec/extra/metrics.yaml."""

from chat_api.base import RawResponse
from chat_api.extra.metrics import GetMetricsRequest

from chat.http import metrics
from chat.http.context import Context
from chat.protocol.errors import Unrecognized


def get_metrics(ctx: Context, _request: GetMetricsRequest, /) -> RawResponse:
    """The figures of all workers together, where there are several. Raises Unrecognized."""
    if not ctx.server.config.enable_metrics:
        raise Unrecognized("This server gives no figures")
    return RawResponse(200, (("Content-Type", metrics.CONTENT_TYPE),), (metrics.exposition(),))
