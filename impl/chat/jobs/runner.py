"""Runs jobs at intervals, each in a greenlet of its own."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do every `interval_s` seconds."""

    name: str
    interval_s: float
    run: Callable[[], None]


class Runner:
    """Runs jobs until it is stopped. A job that fails is logged and runs again at its next time."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin; each job first runs after its interval."""
        for job in self._jobs:
            thread = threading.Thread(target=self._repeat, args=(job,), name=job.name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Run every job a last time, so that nothing noted is lost, and end."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, job: Job) -> None:
        while not self._stopping.wait(job.interval_s):
            _attempt(job)
        _attempt(job)


def _attempt(job: Job) -> None:
    try:
        job.run()
    except Exception:
        log.exception("Job failed", extra={"job": job.name})
