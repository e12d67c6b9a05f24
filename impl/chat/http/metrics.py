"""What is counted about requests, and how Prometheus reads it.

With several workers, prometheus_client keeps the figures in files of the folder that the
environment variable PROMETHEUS_MULTIPROC_DIR names (chat.app.serving sets it before this module is
imported), and any worker gives the sum.
"""

import os
from functools import cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_requests = Counter(
    "chat_http_requests", "Requests answered, by operation and status.", ["operation", "status"]
)
_seconds = Histogram(
    "chat_http_request_seconds",
    "Time from the request's arrival to its answer, by operation; long polls wait by design.",
    ["operation"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)


def count_request(operation: str, status: int, took_s: float) -> None:
    """Count one answered request of the operation `operation` (its operationId, or `none`)."""
    requests, seconds = _figures(operation, status)
    requests.inc()
    seconds.observe(took_s)


@cache  # operations and statuses are few
def _figures(operation: str, status: int) -> tuple[Counter, Histogram]:
    return _requests.labels(operation, str(status)), _seconds.labels(operation)


def exposition() -> bytes:
    """All figures in Prometheus' text format."""
    if FOLDER_VARIABLE not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
