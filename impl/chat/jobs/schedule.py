"""Which jobs run in each worker, and how often."""

from functools import partial

from chat.jobs.runner import Job
from chat.services.server import Server

LAST_SEEN_INTERVAL_S = 15


def jobs_of(server: Server) -> list[Job]:
    """The jobs of one worker."""
    return [
        Job("write last seen", LAST_SEEN_INTERVAL_S, partial(server.last_seen.write, server.store))
    ]
