"""Which jobs run, and how often: in each worker, and in one worker of all nodes."""

from functools import partial

from chat.jobs.runner import Job, LeasedJob
from chat.services import (
    delayed_events,
    expiry,
    log_trim,
    monitoring,
    presence,
    purge,
    search,
    typing,
)
from chat.services.accounts import profile_carry
from chat.services.background_updates import BackgroundUpdates
from chat.services.memory import MemoryKeeper
from chat.services.server import Server
from chat.services.sync.sliding import connections

FIGURES_INTERVAL_S = 1
MEMORY_INTERVAL_S = 1
LAST_SEEN_INTERVAL_S = 15
TYPING_INTERVAL_S = 30  # for notices whose worker is gone; others end by a timer, on time
LOG_INTERVAL_S = 60
REQUESTS_INTERVAL_S = 10
SESSIONS_INTERVAL_S = 300
CONNECTIONS_INTERVAL_S = 3_600
UPDATES_INTERVAL_S = 1
DELAYED_EVENTS_INTERVAL_S = 1
OLD_DELAYED_EVENTS_INTERVAL_S = 3_600
PRESENCE_INTERVAL_S = 2
PURGE_INTERVAL_S = 2  # so, with purge.STEP_S, a tenth of a core at most
EXPIRY_INTERVAL_S = 30
SEARCH_INTERVAL_S = 1
PROFILES_INTERVAL_S = 10  # for those whose worker is gone


def jobs_of(server: Server) -> list[Job]:
    """The jobs of every worker."""
    keeper = MemoryKeeper(server.caches, server.config.caches.cache_autotuning)
    return [
        Job("write figures", FIGURES_INTERVAL_S, monitoring.write),
        Job("keep memory", MEMORY_INTERVAL_S, keeper.keep),
        Job("write last seen", LAST_SEEN_INTERVAL_S, partial(server.last_seen.write, server.store)),
    ]


def leased_jobs_of(server: Server) -> list[LeasedJob]:
    """The jobs that one worker of all nodes does."""
    requests = expiry.Requests(server)
    updates = BackgroundUpdates(server.store)
    people = LeasedJob("tell presence", PRESENCE_INTERVAL_S, partial(presence.step, server))
    return [
        *([people] if server.config.presence.enabled else []),
        LeasedJob("end typing notices", TYPING_INTERVAL_S, lambda _: typing.end_expired(server)),
        LeasedJob("trim the change log", LOG_INTERVAL_S, partial(log_trim.step, server)),
        LeasedJob("forget old requests", REQUESTS_INTERVAL_S, requests.step),
        LeasedJob("background updates", UPDATES_INTERVAL_S, updates.run_batch),
        LeasedJob(
            "send delayed events",
            DELAYED_EVENTS_INTERVAL_S,
            partial(delayed_events.send_due, server),
        ),
        LeasedJob(
            "forget delayed events",
            OLD_DELAYED_EVENTS_INTERVAL_S,
            partial(delayed_events.forget, server),
        ),
        LeasedJob("index messages", SEARCH_INTERVAL_S, partial(search.take_in, server)),
        LeasedJob("carry profiles", PROFILES_INTERVAL_S, lambda _: profile_carry.resume(server)),
        LeasedJob(
            "end sliding sync connections",
            CONNECTIONS_INTERVAL_S,
            lambda _: connections.expire(server),
        ),
        LeasedJob("purge rooms", PURGE_INTERVAL_S, partial(purge.rooms_that_ended, server)),
        LeasedJob("purge history", PURGE_INTERVAL_S, partial(purge.early_history, server)),
        LeasedJob("expire messages", EXPIRY_INTERVAL_S, purge.Expiry(server).step),
        LeasedJob("end sessions", SESSIONS_INTERVAL_S, partial(expiry.end_sessions, server)),
    ]
