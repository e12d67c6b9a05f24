"""From a `Config` to the running application of this process."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Flask

from chat.app import start, unsafe
from chat.app.handlers import register_all
from chat.config.model import Config
from chat.http import pipeline
from chat.http.auth import Authenticators
from chat.http.dispatch import Dispatcher
from chat.jobs.runner import Runner
from chat.jobs.schedule import jobs_of, leased_jobs_of
from chat.protocol.identifiers import ServerName
from chat.services import monitoring
from chat.services.accounts import tokens
from chat.services.accounts.last_seen import LastSeen
from chat.services.clock import SystemClock
from chat.services.leases import Leases
from chat.services.media.files import MediaStore
from chat.services.notifier import Bus, Notifier
from chat.services.ratelimit import RateLimits, SharedCounts, configured
from chat.services.rooms.kept import kept_lists
from chat.services.rooms.writer import Writer
from chat.services.server import Server
from chat.services.sessions import SessionCache
from chat.services.sync.memory import SyncMemory
from chat.storage.caches import Caches
from chat.storage.engine import open_store

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Application:
    """What serves requests, and how it is ended: first let nobody wait any more, then close."""

    wsgi: Wsgi
    stop_waiting: Callable[[], None]
    close: Callable[[], None]


def application(config: Config) -> Application:
    """Build everything that serves requests in this process. Raises start.StartError."""
    server = make_server(config)
    dispatcher = Dispatcher()
    register_all(dispatcher)
    authenticators = Authenticators(user=partial(tokens.authenticate, server))
    wsgi = pipeline.Application(Flask("chat"), server, dispatcher, authenticators)
    monitoring.watch(server)
    runner = Runner(jobs_of(server), leased_jobs_of(server), server.leases)
    runner.start()

    def close() -> None:
        runner.stop()
        server.limits.close()
        server.store.close()

    return Application(unsafe.name_worker(wsgi), server.notifier.close, close)


def _bus(config: Config) -> Bus | None:
    """Redis, where the configuration wants it for several processes."""
    if not config.redis.enabled or config.database.single_process:
        return None
    from chat.services.redis_bus import RedisBus  # noqa: PLC0415 - few need its memory

    return RedisBus(config.redis, config.server_name)


def make_server(config: Config) -> Server:
    """The record of this process's server: the database locked where it takes one process only,
    and the change log followed from now on. Raises start.StartError.
    """
    store = open_store(config.database)
    start.lock(store)
    caches = Caches(config.caches.global_factor, config.caches.per_cache_factors)
    store.remember_in(caches)
    unsafe.spoil_log(store)
    clock = SystemClock()
    notifier = Notifier(store, _bus(config))
    notifier.start()
    leases = Leases(store)
    counts = None if store.exclusive else SharedCounts(store, clock, leases)
    limits = RateLimits(configured(config), clock, shared=counts)
    limits.start()
    name, key = ServerName(config.server_name), start.signing_key(config)
    return Server(
        name=name,
        config=config,
        store=store,
        clock=clock,
        key=key,
        notifier=notifier,
        writer=Writer(unsafe.for_writer(store), name, key, clock, caches),
        limits=limits,
        leases=leases,
        sessions=SessionCache(caches, notifier),
        caches=caches,
        sync=SyncMemory(caches),
        lists=kept_lists(caches),
        last_seen=LastSeen(),
        media=MediaStore(config.media_store_path),
    )
