"""Group commit: jobs that come while others are under way wait, and are then done together.

Whoever comes first leads: runs every job that waits, wakes who waited for one of them, and hands
over to the first of those who came meanwhile. So a single job waits for nobody, and under load one
commit serves many. Works with threads and with greenlets.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

J = TypeVar("J")


class _Entry(Generic[J]):
    """A waiting job; `wake` is released when it is done, or when its turn to lead has come."""

    __slots__ = ("done", "error", "job", "wake")

    def __init__(self, job: J) -> None:
        self.job = job
        self.done = False
        self.error: Exception | None = None
        self.wake = threading.Lock()
        self.wake.acquire()


class Gathering(Generic[J]):
    """`run` does a group of at most `limit` jobs, and leaves each outcome with its job. What it
    raises all the same is raised for each of them. `observe` is called with the size of each group.
    """

    def __init__(self, run: Callable[[list[J]], None], limit: int) -> None:
        self._run = run
        self._limit = limit
        self.observe: Callable[[int], None] | None = None
        self._guard = threading.Lock()  # of the two below; never held while waiting
        self._waiting: list[_Entry[J]] = []
        self._led = False  # somebody runs a group, or was woken to do so

    @property
    def waiting(self) -> int:
        """How many jobs wait for their group."""
        return len(self._waiting)

    def do(self, job: J) -> None:
        """Return when `job` was run, alone or with others. Raises what its group's run raised.

        What is thrown at this greenlet meanwhile is raised only then: others depend on it.
        """
        entry = _Entry(job)
        with self._guard:
            self._waiting.append(entry)
            leads, self._led = not self._led, True
        interruption = None if leads else uninterrupted(entry.wake.acquire)
        if not entry.done:
            self._lead()
        if interruption is not None:
            raise interruption
        if entry.error is not None:
            raise entry.error

    def _lead(self) -> None:
        with self._guard:
            group, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
        if self.observe is not None:
            self.observe(len(group))
        try:
            self._run([entry.job for entry in group])
        except Exception as error:  # nobody whose job this was may take it for done
            for entry in group:
                entry.error = error
        finally:
            with self._guard:
                next_leader = self._waiting[0] if self._waiting else None
                self._led = next_leader is not None
            for entry in group:
                entry.done = True
                entry.wake.release()
            if next_leader is not None:
                next_leader.wake.release()


def uninterrupted(wait: Callable[[], object]) -> BaseException | None:
    """Wait to the end whatever is thrown at this greenlet; what was thrown is returned."""
    interruption = None
    while True:
        try:
            wait()
        except BaseException as error:  # the work is under way, and others wait for it
            interruption = error
        else:
            return interruption
