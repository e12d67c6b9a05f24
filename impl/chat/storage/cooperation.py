"""Loops that may be long let others run.

Under gevent a loop keeps the whole process waiting. `cooperate`, called in it, lets others run
when this greenlet has had its time; services/hub.py tells when it began.
"""

from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import TypeVar

import gevent

T = TypeVar("T")

SLICE_S = 0.005  # what a loop may take before it lets others run
YIELD_S = 0.0001  # not 0, which lets run what is ready and looks at no socket and no timer


class Turn:
    """Since when the running greenlet runs; `watched` where somebody keeps that right."""

    __slots__ = ("since", "watched")

    def __init__(self) -> None:
        self.since = 0.0
        self.watched = False


turn = Turn()  # of the thread whose hub serves requests


def cooperate() -> None:
    """Let others run if this greenlet has run for `SLICE_S`; else nearly free."""
    if turn.watched and perf_counter() - turn.since > SLICE_S:
        gevent.sleep(YIELD_S)


def in_turns(items: Iterable[T]) -> Iterator[T]:
    """The items, with `cooperate` before each."""
    for item in items:
        cooperate()
        yield item
