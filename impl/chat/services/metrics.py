"""What is counted, by Prometheus' names.

A request counts into plain lists and numbers (`Operation`); `write` brings them to
prometheus_client once a second, and before somebody reads them. With several workers
prometheus_client keeps everything in files of the folder that PROMETHEUS_MULTIPROC_DIR names
(chat.app.serving sets it before this module is imported), and any worker gives the sum, without the
last second of the others.

contrib/grafana/ has a dashboard of these names; docs/operating.md tells which to watch.
"""

import resource
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from chat.services import hub
from chat.services.hub import Work
from chat.storage.caches import CacheFigures

REQUEST_BUCKETS_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
WAKE_BUCKETS_S = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100)

_requests = Counter(
    "chat_http_requests", "Requests answered, by operation and status.", ["operation", "status"]
)
_request_seconds = Histogram(
    "chat_http_request_seconds",
    "Time from the request's arrival to its answer, by operation; long polls wait by design.",
    ["operation"],
    buckets=REQUEST_BUCKETS_S,
)
_in_flight = Gauge(
    "chat_http_requests_in_flight",
    "Requests that are being answered, waiting long polls included.",
    ["operation"],
    multiprocess_mode="livesum",
)
_busy = Counter(
    "chat_busy_seconds",
    "Time on the hub, that is CPU time where each worker has a core, by operation or job.",
    ["kind", "name"],
)
_database = Counter(
    "chat_database_seconds",
    "Time in calls of the database, waiting included, by operation or job.",
    ["kind", "name"],
)
_jobs = Counter("chat_job_runs", "Runs of background jobs.", ["name", "outcome"])
_holds = Histogram(
    "chat_hub_hold_seconds",
    "Times for which one greenlet kept the others waiting.",
    buckets=hub.BUCKETS_S,
)
_connections = Gauge(
    "chat_database_connections",
    "Database connections in use, and the most that each worker opens.",
    ["state"],
    multiprocess_mode="livesum",
)
_batches = Histogram(
    "chat_batch_size", "Pieces of work that shared a commit.", ["queue"], buckets=BATCH_BUCKETS
)
_queues = Gauge(
    "chat_queue_depth", "Pieces of work that wait for their batch.", ["queue"],
    multiprocess_mode="livesum",
)  # fmt: skip
_wakes = Histogram(
    "chat_wake_seconds",
    "Time from the news of a change at a worker until a sync that waits for it goes on.",
    buckets=WAKE_BUCKETS_S,
)
_waiting = Gauge(
    "chat_waiting_syncs", "Syncs that wait for news.", multiprocess_mode="livesum"
)  # fmt: skip
_log_position = Gauge(
    "chat_log_position", "How far each worker knows the change log.", multiprocess_mode="max"
)
_log_lag = Gauge(
    "chat_log_lag_positions",
    "How many positions of the change log the slowest worker does not know yet.",
    multiprocess_mode="livemax",
)
_cache_bytes = Gauge(
    "chat_cache_bytes", "Estimated size of a cache.", ["cache"], multiprocess_mode="livesum"
)
_cache_limit = Gauge(
    "chat_cache_limit_bytes", "Largest size of a cache.", ["cache"], multiprocess_mode="livesum"
)
_cache_entries = Gauge(
    "chat_cache_entries", "Entries of a cache.", ["cache"], multiprocess_mode="livesum"
)
_cache_reads = Counter("chat_cache_reads", "Look-ups in a cache.", ["cache", "outcome"])
_cache_evictions = Counter("chat_cache_evictions", "Entries dropped for room.", ["cache"])
_memory = Gauge("chat_resident_memory_bytes", "Memory of the workers.", multiprocess_mode="livesum")


class Tally:
    """A histogram's observations since the last `take`; adding one costs next to nothing."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def move_to(self, histogram: Any) -> None:
        """Add everything to a histogram of prometheus_client, and begin anew."""
        # Its own way in is one observation at a time; these are the parts that `observe` adds to.
        for bucket, count in zip(histogram._buckets, self.counts, strict=True):
            if count:
                bucket.inc(count)
        if self.total:
            histogram._sum.inc(self.total)
        self.counts = [0] * len(self.counts)
        self.total = 0.0


class Operation:
    """What is counted of one operation of the API, since the last time it was written."""

    __slots__ = ("busy_s", "database_s", "in_flight", "name", "shown", "statuses", "times")

    def __init__(self, name: str) -> None:
        self.name = name
        self.in_flight = 0
        self.shown = 0  # what was written of `in_flight`
        self.statuses: dict[int, int] = {}
        self.times = Tally(REQUEST_BUCKETS_S)
        self.busy_s = 0.0
        self.database_s = 0.0

    def write(self) -> None:
        """Bring everything to prometheus_client."""
        if not self.statuses and self.in_flight == self.shown:
            return
        for status, count in self.statuses.items():
            _requests.labels(self.name, str(status)).inc(count)
        self.statuses.clear()
        self.times.move_to(_request_seconds.labels(self.name))
        _in_flight.labels(self.name).set(self.in_flight)
        self.shown = self.in_flight
        _busy.labels("request", self.name).inc(self.busy_s)
        _database.labels("request", self.name).inc(self.database_s)
        self.busy_s = self.database_s = 0.0


@cache  # operations are few
def operation(name: str) -> Operation:
    """The counts of an operation, by its operationId, or `none`."""
    made = Operation(name)
    _operations.append(made)
    return made


_operations: list[Operation] = []
_readers: list[Callable[[], None]] = []
_wake_tally = Tally(WAKE_BUCKETS_S)
_batch_tallies: dict[str, Tally] = {}


def count_request(of: Operation, status: int, took_s: float, work: Work) -> None:
    """Count one answered request, which was in flight."""
    of.in_flight -= 1
    of.statuses[status] = of.statuses.get(status, 0) + 1
    of.times.add(took_s)
    of.busy_s += work.busy_s
    of.database_s += work.database_s


note_wake = _wake_tally.add


def batch_tally(queue: str) -> Callable[[int], None]:
    """What is to be called with the size of each batch of a queue."""
    return _batch_tallies.setdefault(queue, Tally(BATCH_BUCKETS)).add


@contextmanager
def job(name: str) -> Iterator[None]:
    """Count a run of a background job; it fails when the block raises."""
    work, outcome = hub.begin(name), "failed"
    try:
        yield
        outcome = "done"
    finally:
        hub.end(work)
        _jobs.labels(name, outcome).inc()
        _busy.labels("job", name).inc(work.busy_s)
        _database.labels("job", name).inc(work.database_s)


def read_from(reader: Callable[[], None]) -> None:
    """Call `reader` before every `write`; it sets gauges by the functions below."""
    _readers.append(reader)


def set_connections(in_use: int, most: int) -> None:
    """How the pool of connections is used."""
    _connections.labels("in use").set(in_use)
    _connections.labels("most").set(most)


def set_queue(queue: str, depth: int) -> None:
    """How many wait for their batch."""
    _queues.labels(queue).set(depth)


def set_log(position: int, lag: int, waiting: int) -> None:
    """How far this worker knows the change log, and how many syncs wait for more of it."""
    _log_position.set(position)
    _log_lag.set(lag)
    _waiting.set(waiting)


_cache_counts: dict[str, tuple[int, int, int]] = {}


def set_caches(caches: Iterable[CacheFigures]) -> None:
    """What caches hold, and how they were used."""
    for one in caches:
        _cache_bytes.labels(one.name).set(one.size_bytes)
        _cache_limit.labels(one.name).set(one.limit_bytes)
        _cache_entries.labels(one.name).set(one.entries)
        hits, misses, evictions = _cache_counts.get(one.name, (0, 0, 0))
        _cache_reads.labels(one.name, "hit").inc(one.hits - hits)
        _cache_reads.labels(one.name, "miss").inc(one.misses - misses)
        _cache_evictions.labels(one.name).inc(one.evictions - evictions)
        _cache_counts[one.name] = one.hits, one.misses, one.evictions


def write() -> None:
    """Bring what was counted to prometheus_client."""
    for one in list(_operations):
        one.write()
    watch = hub.watch()
    holds = Tally(hub.BUCKETS_S)
    holds.counts, watch.counts = watch.counts, [0] * len(watch.counts)
    holds.total, watch.total_s = watch.total_s, 0.0
    holds.move_to(_holds)
    _wake_tally.move_to(_wakes)
    for queue, tally in _batch_tallies.items():
        tally.move_to(_batches.labels(queue))
    for reader in _readers:
        reader()
    _memory.set(resident_bytes())


PAGE_BYTES = resource.getpagesize()


def resident_bytes() -> int:
    """This process's resident memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
