"""A server in the test's own process, on either database, with a clock that the test sets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat.config.load import parse
from chat.config.model import Config
from chat.protocol.identifiers import ServerName
from chat.protocol.signatures import generate_signing_key
from chat.services.accounts.last_seen import LastSeen
from chat.services.leases import Leases
from chat.services.media.files import MediaStore
from chat.services.notifier import Notifier
from chat.services.ratelimit import RateLimits, configured
from chat.services.rooms.kept import kept_lists
from chat.services.rooms.writer import Writer
from chat.services.server import Server
from chat.services.sessions import SessionCache
from chat.services.sync.memory import SyncMemory
from chat.storage.caches import Caches
from chat.storage.engine import Store

NAME = "a.example"
START_MS = 1_700_000_000_000


class FakeClock:
    """Stands still until it is advanced."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self._now_ms

    def advance(self, *, seconds: float) -> None:
        """Let time pass."""
        self._now_ms += round(seconds * 1000)


def a_config(**overrides: Any) -> Config:
    """A configuration with open registration, cheap passwords and generous limits."""
    limit = {"per_second": 1000, "burst_count": 1000}
    values = {
        "server_name": NAME,
        "enable_registration": True,
        "enable_registration_without_verification": True,
        "registration_shared_secret": "shared secret",
        "bcrypt_rounds": 4,
        "max_event_delay_duration": "24h",
        "rc_message": limit,
        "rc_registration": limit,
        "rc_room_creation": limit,
        "rc_login": {"address": limit, "account": limit, "failed_attempts": limit},
        "rc_joins": {"local": limit},
        "rc_invites": {"per_room": limit, "per_user": limit, "per_issuer": limit},
        **overrides,
    }
    return parse(values, Path())[0]


def a_server(store: Store, clock: FakeClock, folder: Path, **overrides: Any) -> Server:
    """A server over a store with the newest schema; `overrides` are keys of homeserver.yaml."""
    config = a_config(**overrides)
    key = generate_signing_key("test", bytes(range(32)))
    name = ServerName(config.server_name)
    caches = Caches()
    store.remember_in(caches)
    notifier = Notifier(store)
    notifier.start()
    return Server(
        name=name,
        config=config,
        store=store,
        clock=clock,
        key=key,
        notifier=notifier,
        writer=Writer(store, name, key, clock, caches),
        limits=RateLimits(configured(config), clock),
        leases=Leases(store),
        sessions=SessionCache(caches, notifier),
        caches=caches,
        sync=SyncMemory(caches),
        lists=kept_lists(caches),
        last_seen=LastSeen(),
        media=MediaStore(folder / "media"),
    )


@pytest.fixture
def clock() -> FakeClock:
    """The time of the test's servers."""
    return FakeClock()


@pytest.fixture
def server(store: Store, clock: FakeClock, tmp_path: Path) -> Iterator[Server]:
    """A server with an empty database; tests that take it run on both kinds."""
    made = a_server(store, clock, tmp_path)
    yield made
    made.notifier.close()
