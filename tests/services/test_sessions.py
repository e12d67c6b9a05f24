"""Remembered sessions: no request is answered for one whose end was acknowledged before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.config.model import Database
from chat.protocol.errors import UnknownToken
from chat.services import limit_overrides, sessions
from chat.services.accounts import tokens
from chat.services.server import Server
from chat.storage.engine import Store, open_store
from chat_testing.databases import statements
from chat_testing.people import a_person
from chat_testing.servers import FakeClock, a_server


@pytest.fixture
def workers(
    postgres_database: Database, postgres_store: Store, clock: FakeClock, tmp_path: Path
) -> Iterator[tuple[Server, Server]]:
    """Two servers on one database."""
    other_store = open_store(postgres_database)
    here, there = a_server(postgres_store, clock, tmp_path), a_server(other_store, clock, tmp_path)
    yield here, there
    here.notifier.close()
    there.notifier.close()
    other_store.close()


def logged_in(server: Server, name: str = "alice", device: str | None = None) -> tokens.Login:
    user_id = f"@{name}:{server.name}"
    return server.store.write(
        lambda tx: tokens.open_session(server, tx, user_id, device, None, refreshable=False)
    )


def test_a_session_is_looked_up_once(server: Server) -> None:
    a_person(server, "alice")
    token = logged_in(server).access_token
    first = tokens.authenticate(server, token)
    with statements(server.store) as seen:
        assert tokens.authenticate(server, token) is first
    assert seen == []  # but for a look at the log on PostgreSQL


def test_a_logout_at_one_worker_is_known_at_the_other(workers: tuple[Server, Server]) -> None:
    here, there = workers
    a_person(here, "alice")
    for _ in range(20):
        token = logged_in(here).access_token
        caller = tokens.authenticate(there, token)
        assert tokens.authenticate(there, token) is caller
        tokens.logout(here, caller)
        with pytest.raises(UnknownToken):
            tokens.authenticate(there, token)


def test_logging_a_device_in_again_ends_its_sessions_everywhere(
    workers: tuple[Server, Server],
) -> None:
    here, there = workers
    a_person(here, "alice")
    first = logged_in(here, device="PHONE").access_token
    tokens.authenticate(there, first)
    second = logged_in(here, device="PHONE").access_token
    with pytest.raises(UnknownToken):
        tokens.authenticate(there, first)
    assert tokens.authenticate(there, second).device_id == "PHONE"


def test_the_end_of_one_users_session_leaves_those_of_others(
    workers: tuple[Server, Server],
) -> None:
    here, there = workers
    for name in ("alice", "bob"):
        a_person(here, name)
    alice, bob = logged_in(here, "alice").access_token, logged_in(here, "bob").access_token
    kept = tokens.authenticate(there, bob)
    tokens.logout(here, tokens.authenticate(there, alice))
    assert tokens.authenticate(there, bob) is kept


def test_a_limit_of_ones_own_holds_from_the_next_request_on(
    workers: tuple[Server, Server],
) -> None:
    here, there = workers
    alice = a_person(here, "alice")
    token = logged_in(here).access_token
    assert tokens.authenticate(there, token).message_limit is None
    limit_overrides.put(here, alice.id, 7, 9)
    limit = tokens.authenticate(there, token).message_limit
    assert limit is not None and limit.burst_count == 9


def test_what_was_read_before_an_end_is_not_kept_after_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_person(server, "alice")
    login = logged_in(server)
    caller, cache = tokens.authenticate(server, login.access_token), server.sessions
    before = cache.generation
    tokens.logout(server, caller)
    server.notifier.refresh()
    cache.put("digest", caller, before)
    assert cache.get("digest") is None
    cache.put("digest", caller, cache.generation)
    assert cache.get("digest") is caller
    monkeypatch.setattr(sessions, "ENDS", 0)  # more than are remembered: all go
    before = cache.generation
    tokens.logout_all(server, login.user_id)
    server.notifier.refresh()
    cache.put("digest", caller, before)
    assert cache.get("digest") is None
