"""Faults that tests have to find, or to survive: events acknowledged before they are durable, and
disorder in the change log (storage/faults.py).

They are on only where the environment says so, and then every start says so in the log.
"""

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import gevent
from gevent.event import AsyncResult

from chat.storage import faults
from chat.storage.engine import PostgresStore, Store, Transaction

T = TypeVar("T")
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
VARIABLE = "CHAT_TEST_ACKNOWLEDGE_BEFORE_COMMIT"
NAME_VARIABLE = "CHAT_TEST_NAME_WORKERS"
WORKER_HEADER = "X-Chat-Worker"
LOG_VARIABLE = "CHAT_TEST_LOG_FAULTS"  # their names, with commas
COMMIT_TAKES_S = 0.05

log = logging.getLogger(__name__)


class _Hasty:
    """What the writer uses of a store; its writes do not wait for their commits."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.read = store.read
        self.exclusive = store.exclusive

    def write(self, work: Callable[[Transaction], T]) -> T:
        outcome = AsyncResult()

        def slowly(tx: Transaction) -> None:
            outcome.set(work(tx))
            gevent.sleep(COMMIT_TAKES_S)

        gevent.spawn(self._store.write, slowly).link_exception(
            lambda failed: outcome.set_exception(failed.exception)
        )
        result: T = outcome.get()
        return result


def for_writer(store: Store) -> Store:
    """The store itself, or where a test asks for it one that acknowledges too early."""
    if not os.environ.get(VARIABLE):
        return store
    log.critical("events are acknowledged before they are durable", extra={"because": VARIABLE})
    return cast(Store, _Hasty(store))


def name_worker(wsgi: Wsgi) -> Wsgi:
    """The application itself, or where a test asks for it one whose answers name their worker."""
    if not os.environ.get(NAME_VARIABLE):
        return wsgi
    log.critical("answers name their worker", extra={"because": NAME_VARIABLE})
    name = (WORKER_HEADER, str(os.getpid()))

    def named(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return wsgi(
            environ,
            lambda status, headers, *more: start_response(status, [*headers, name], *more),
        )

    return named


def spoil_log(store: Store) -> None:
    """Make the faults of the change log that a test asks for; none otherwise."""
    wished = os.environ.get(LOG_VARIABLE)
    if wished and isinstance(store, PostgresStore):
        log.critical("the change log is faulty", extra={"because": LOG_VARIABLE, "how": wished})
        faults.install(store, wished.split(","))
