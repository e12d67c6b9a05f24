"""Runs jobs at intervals, each in a greenlet of its own.

There are two sorts. A `Job` runs in every worker. A `LeasedJob` runs in one worker of all nodes,
the owner of its lease; a run should be short, and leave what is left to do for its next time.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chat.services import metrics
from chat.services.leases import BEAT_S, Leases
from chat.storage.leases import Lease, LeaseLost

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Something that every worker does every `interval_s` seconds."""

    name: str
    interval_s: float
    run: Callable[[], None]


@dataclass(frozen=True, slots=True)
class LeasedJob:
    """Something that one worker does every `interval_s` seconds; `name` is also the lease's.

    Each transaction of `run` is guarded by the lease that it is handed.
    """

    name: str
    interval_s: float
    run: Callable[[Lease], object]


class Runner:
    """Runs jobs until it is stopped. A job that fails is logged and runs again at its next time."""

    def __init__(
        self,
        jobs: Sequence[Job],
        leased: Sequence[LeasedJob] = (),
        leases: Leases | None = None,
    ) -> None:
        self._jobs = jobs
        self._leased = leased
        self._leases = leases
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        if leases is not None:
            leases.take_part([job.name for job in leased])

    def start(self) -> None:
        """Begin; each job first runs after its interval."""
        if self._leases is not None:
            self._spawn("renew leases", self._renew, self._leases)
            for leased in self._leased:
                self._spawn(leased.name, self._repeat_leased, leased, self._leases)
        for job in self._jobs:
            self._spawn(job.name, self._repeat, job)

    def stop(self) -> None:
        """Run every worker's own jobs a last time, so that nothing noted is lost, and end."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if self._leases is not None:
            _attempt("resign leases", self._leases.resign)

    def _spawn(self, name: str, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _repeat(self, job: Job) -> None:
        while not self._stopping.wait(job.interval_s):
            _attempt(job.name, job.run)
        _attempt(job.name, job.run)

    def _renew(self, leases: Leases) -> None:
        _attempt("renew leases", leases.renew)
        while not leases.settled and not self._stopping.wait(BEAT_S):
            _attempt("renew leases", leases.renew)

    def _repeat_leased(self, job: LeasedJob, leases: Leases) -> None:
        while not self._stopping.wait(job.interval_s):
            lease = leases.held(job.name)
            if lease is not None:
                _attempt_leased(job, lease)


def _attempt(name: str, run: Callable[[], None]) -> None:
    try:
        with metrics.job(name):
            run()
    except Exception:
        log.exception("Job failed", extra={"job": name})


def _attempt_leased(job: LeasedJob, lease: Lease) -> None:
    try:
        with metrics.job(job.name):
            job.run(lease)
    except LeaseLost:
        log.info("Lease lost", extra={"job": job.name, "generation": lease.generation})
    except Exception:
        log.exception("Job failed", extra={"job": job.name})
