"""Who holds the hub, and for how long.

Under gevent one greenlet runs until it waits for something; meanwhile nobody else does anything. So
each time between two switches is measured, counted for the work that the greenlet does (a request,
a run of a job), and told, with a stack, when it is longer than `HOLD_LIMIT_S`. The stack is
taken while the hold lasts, by a thread that looks every `LOOK_S`.

From the same measure loops know when to let others run (storage/cooperation.py).
"""

import logging
import sys
import traceback
from bisect import bisect_left
from collections import deque
from time import perf_counter
from typing import Any

import gevent
import gevent.monkey
import greenlet

from chat.storage.cooperation import turn

log = logging.getLogger(__name__)

HOLD_LIMIT_S = 0.05
LOOK_S = 0.025
BUCKETS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
STACK_FRAMES = 12
REMEMBERED = 100  # long holds that wait for being told


class Work:
    """What a greenlet does, and what that takes."""

    __slots__ = ("busy_s", "database_s", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.busy_s = 0.0  # on the hub: CPU time, as long as the machine has a core for it
        self.database_s = 0.0  # in calls of the store, waiting for others included


def begin(name: str) -> Work:
    """Count what this greenlet does from now on, and switches until `end`, for a new work."""
    work = Work(name)
    _watch.charge(None)
    greenlet.getcurrent().work = work
    return work


def end(work: Work) -> None:
    """Count no more for `work`."""
    _watch.charge(work)
    greenlet.getcurrent().work = None


def note_database(took_s: float) -> None:
    """Count a call of the store for the work of this greenlet."""
    work = getattr(greenlet.getcurrent(), "work", None)
    if work is not None:
        work.database_s += took_s


class Hold:
    """A time in which one greenlet kept all others waiting for too long."""

    __slots__ = ("name", "stack", "took_s")

    def __init__(self, name: str, took_s: float, stack: str) -> None:
        self.name = name
        self.took_s = took_s
        self.stack = stack


class Watch:
    """Measures the time between switches of one thread's greenlets."""

    def __init__(self) -> None:
        self.turn = turn  # since the last switch
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.total_s = 0.0
        self.long: deque[Hold] = deque(maxlen=REMEMBERED)
        self._charged = perf_counter()  # until when the running greenlet's work was charged
        self._running: Any = None
        self._seen: tuple[float, str] = (0.0, "")  # a look at a hold, by its start
        self._ended: tuple[float, str] = (0.0, "")  # work that came to its end in this hold
        self._thread_id = 0
        self._hub: Any = None

    def start(self) -> None:
        """Begin, in the thread whose hub serves requests."""
        self._hub = gevent.get_hub()
        self._thread_id = gevent.monkey.get_original("_thread", "get_ident")()
        self._running = greenlet.getcurrent()
        self.turn.since = self._charged = perf_counter()
        self.turn.watched = True
        greenlet.settrace(self._switched)
        gevent.monkey.get_original("_thread", "start_new_thread")(self._look, ())

    def stop(self) -> None:
        """End."""
        self.turn.watched = False
        greenlet.settrace(None)

    def charge(self, work: Work | None) -> None:
        """Count the time since the last switch, or the last charge, for `work`."""
        now = perf_counter()
        if work is not None and self.turn.watched:
            work.busy_s += now - self._charged
            self._ended = self.turn.since, work.name
        self._charged = now

    def _switched(self, _event: str, who: tuple[Any, Any]) -> None:
        """The tracer: called at each switch, so it does as little as it can."""
        now = perf_counter()
        origin, self._running = who
        if origin is not self._hub:
            work = getattr(origin, "work", None)
            if work is not None:
                work.busy_s += now - self._charged
            held_s = now - self.turn.since
            self.total_s += held_s
            if held_s > BUCKETS_S[0]:
                self._note(work, held_s)
            else:
                self.counts[0] += 1
        self.turn.since = self._charged = now

    def _note(self, work: Work | None, held_s: float) -> None:
        self.counts[bisect_left(BUCKETS_S, held_s)] += 1
        if held_s > HOLD_LIMIT_S:
            start, stack = self._seen
            name = self._ended[1] if self._ended[0] == self.turn.since else "none"
            name = name if work is None else work.name
            self.long.append(Hold(name, held_s, stack if start == self.turn.since else ""))

    def _look(self) -> None:
        """The thread beside: remember where a hold is that has lasted for a while."""
        sleep = gevent.monkey.get_original("time", "sleep")
        while self.turn.watched:
            sleep(LOOK_S)
            since = self.turn.since
            if self._running is self._hub or perf_counter() - since < LOOK_S:
                continue
            frame = sys._current_frames().get(self._thread_id)
            if frame is not None:
                self._seen = since, _told(traceback.extract_stack(frame))

    def tell(self) -> None:
        """Log the long holds since the last time."""
        while self.long:
            hold = self.long.popleft()
            facts = {"operation": hold.name, "ms": round(hold.took_s * 1000), "stack": hold.stack}
            log.warning("the hub was held", extra=facts)


def _told(stack: traceback.StackSummary) -> str:
    """The innermost frames, outermost of them first, on one line."""
    frames = stack[-STACK_FRAMES:]
    return " > ".join(
        f"{one.filename.rpartition('/')[2]}:{one.lineno} {one.name}" for one in frames
    )


_watch = Watch()
start, stop, tell = _watch.start, _watch.stop, _watch.tell


def watch() -> Watch:
    """The one of this process."""
    return _watch
