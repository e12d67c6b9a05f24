"""What of a server is shown to operators: connects its parts with services/metrics.py."""

from functools import partial

from chat.services import hub, metrics
from chat.services.server import Server
from chat.storage import streams
from chat.storage.engine import DATABASE_ERRORS


def watch(server: Server) -> None:
    """Count what this process's server does, from now on."""
    server.store.timed = hub.note_database
    server.store.observe_groups(metrics.batch_tally("commit"))
    server.writer.observe_batches(metrics.batch_tally("events"))
    metrics.read_from(partial(_read, server))


def _read(server: Server) -> None:
    """Set what is not counted, but looked at."""
    metrics.set_connections(*server.store.connections)
    metrics.set_queue("commit", server.store.waiting)
    metrics.set_queue("events", server.writer.waiting)
    position = server.notifier.position
    metrics.set_caches(server.caches.figures())
    metrics.set_log(position, max(0, _head(server) - position), server.notifier.waiting)


def _head(server: Server) -> int:
    """The newest position; where other processes write too, the database has to be asked."""
    if server.store.exclusive:
        return server.notifier.position
    try:
        return server.store.read(streams.head, snapshot=False)
    except DATABASE_ERRORS:
        return server.notifier.position  # the outage shows elsewhere


def write() -> None:
    """Bring what was counted to where Prometheus reads it, and log long holds of the hub."""
    metrics.write()
    hub.tell()
