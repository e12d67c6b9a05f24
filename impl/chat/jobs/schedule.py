"""Which jobs run in each worker, and how often."""

from functools import partial

from chat.jobs.runner import Job
from chat.services import typing
from chat.services.server import Server

LAST_SEEN_INTERVAL_S = 15
TYPING_INTERVAL_S = 30  # for notices whose worker is gone; others end by a timer, on time


def jobs_of(server: Server) -> list[Job]:
    """The jobs of one worker."""
    return [
        Job("write last seen", LAST_SEEN_INTERVAL_S, partial(server.last_seen.write, server.store)),
        Job("end typing notices", TYPING_INTERVAL_S, partial(typing.end_expired, server)),
    ]
