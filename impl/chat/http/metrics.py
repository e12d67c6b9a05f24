"""How Prometheus reads the figures of services/metrics.py."""

import os

import gevent.monkey
from gevent.threadpool import ThreadPool
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from chat.services import metrics

CONTENT_TYPE = CONTENT_TYPE_LATEST
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_pool = ThreadPool(1)


def exposition() -> bytes:
    """All figures in Prometheus' text format, written in a thread: they are many."""
    metrics.write()
    if gevent.monkey.is_module_patched("threading"):
        text: bytes = _pool.apply(_text)
        return text
    return _text()


def _text() -> bytes:
    if FOLDER_VARIABLE not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
