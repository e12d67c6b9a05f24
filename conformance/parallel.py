"""Steps that happen at the same time."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TypeVar

T = TypeVar("T")
HEAD_START_S = 0.3


def together(*steps: Callable[[], T]) -> list[T]:
    """Take all steps at once; what each returned, in their order. Raises what a step raises."""
    barrier = Barrier(len(steps))

    def begin(step: Callable[[], T]) -> T:
        barrier.wait()
        return step()

    with ThreadPoolExecutor(len(steps)) as pool:
        return list(pool.map(begin, steps))


@contextmanager
def meanwhile(step: Callable[[], T]) -> Iterator["Future[T]"]:
    """Begin a step that waits, give it a head start, and wait for it after the block."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(step)
        time.sleep(HEAD_START_S)
        yield future
