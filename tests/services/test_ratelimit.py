"""Token buckets: how much, how often, whose, and in how much memory."""

import random
import sqlite3
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from chat_api.admin.routes import OPERATIONS as ADMIN
from chat_api.client_server.routes import OPERATIONS as CLIENT
from chat_api.federation.routes import OPERATIONS as FEDERATION
from chat_api.identity.routes import OPERATIONS as IDENTITY
from chat_api.media.routes import OPERATIONS as MEDIA
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.config.load import parse
from chat.config.model import RateLimit
from chat.protocol.errors import LimitExceeded
from chat.services import limit_overrides
from chat.services.accounts import register, tokens
from chat.services.accounts.login import DeviceWish
from chat.services.accounts.register import NewAccount
from chat.services.caller import Caller
from chat.services.ratelimit import RateLimits, SharedCounts, configured
from chat.storage.engine import Store
from chat_testing.databases import statements


class Clock:
    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limits(clock: Clock, per_second: float, burst: int, buckets: int = 100) -> RateLimits:
    limit = RateLimit(per_second=per_second, burst_count=burst)
    return RateLimits({"rc_a": limit, "rc_b": limit}, clock, buckets)


def passes(limits: RateLimits, key: str = "@a:b", bucket: str = "rc_a", **more: bool) -> bool:
    try:
        limits.check(bucket, key, **more)
    except LimitExceeded:
        return False
    return True


def test_a_burst_passes_and_then_the_rate(clock):
    tested = limits(clock, per_second=2, burst=3)
    assert [passes(tested) for _ in range(4)] == [True, True, True, False]
    clock.ms += 500
    assert [passes(tested) for _ in range(2)] == [True, False]
    clock.ms += 60_000
    assert [passes(tested) for _ in range(4)] == [True, True, True, False]


def test_keys_and_buckets_count_apart(clock):
    tested = limits(clock, per_second=1, burst=1)
    assert passes(tested, "@a:b") and passes(tested, "@b:b") and passes(tested, bucket="rc_b")
    assert not passes(tested, "@a:b")


def test_a_refusal_says_when_the_next_request_passes(clock):
    tested = limits(clock, per_second=0.2, burst=1)
    assert passes(tested)
    clock.ms += 1000
    with pytest.raises(LimitExceeded) as refused:
        tested.check("rc_a", "@a:b")
    assert refused.value.retry_after_ms == 4000
    clock.ms += 3999
    assert not passes(tested)
    clock.ms += 1
    assert passes(tested)


def test_refused_requests_do_not_count(clock):
    tested = limits(clock, per_second=1, burst=1)
    assert [passes(tested) for _ in range(50)].count(True) == 1
    clock.ms += 1000
    assert passes(tested)


def test_a_look_takes_nothing(clock):
    tested = limits(clock, per_second=1, burst=1)
    assert all(passes(tested, consume=False) for _ in range(5))
    assert passes(tested)
    assert not passes(tested, consume=False)


def test_a_rate_of_zero_gives_the_burst_once(clock):
    tested = limits(clock, per_second=0, burst=2)
    assert [passes(tested) for _ in range(3)] == [True, True, False]
    clock.ms += 86_400_000
    assert not passes(tested)


def test_memory_is_bounded_and_the_busiest_are_remembered(clock):
    tested = limits(clock, per_second=1, burst=5, buckets=100)
    for _ in range(5):
        passes(tested, "@busy:b")
    for number in range(10_000):
        passes(tested, f"@{number}:b")
        assert len(tested._buckets) <= 100
    assert not passes(tested, "@busy:b")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3000), max_size=60))
def test_never_more_than_burst_and_rate_allow(waits):
    clock = Clock()
    tested = limits(clock, per_second=2, burst=3)
    start, passed = clock.ms, 0
    for wait in waits:
        clock.ms += wait
        passed += passes(tested)
        assert passed <= 3 + (clock.ms - start) / 1000 * 2 + 1e-6


def test_every_limit_of_the_spec_is_configured():
    config, _ = parse({"server_name": "example.org", "report_stats": False}, Path())
    named = {one.rate_limit for one in (*CLIENT, *MEDIA, *FEDERATION, *IDENTITY, *ADMIN)} - {None}
    assert named <= set(configured(config))


# --- several workers ---


class Workers:
    """Workers that count together; `reports` stands for what each does twice a second."""

    def __init__(self, store: Store, clock: Clock, count: int, limit: RateLimit) -> None:
        self.time_s = 0.0
        self.counts = [
            SharedCounts(store, clock, SimpleNamespace(place=(i, count)), lambda: self.time_s)
            for i in range(count)
        ]
        self.limits = [RateLimits({"rc_a": limit}, clock, 100, one) for one in self.counts]

    def reports(self) -> None:
        for one in self.counts:
            one.report()

    def __enter__(self) -> "Workers":
        for one in self.limits:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.limits:
            one.close()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8, 16])
def test_workers_together_let_two_bursts_pass_at_most(store, clock, count):
    limit = RateLimit(per_second=0.001, burst_count=10)
    with Workers(store, clock, count, limit) as workers:
        passed = sum(passes(random.choice(workers.limits)) for _ in range(100 * count))
        assert 10 <= passed <= 20
        workers.reports()
        passed += sum(passes(each) for each in workers.limits)
        assert passed <= 20
        workers.reports()
        assert not any(passes(each) for each in workers.limits)


@pytest.mark.parametrize("count", [1, 4, 16])
def test_over_a_long_time_workers_let_pass_what_the_limit_says(store, clock, count):
    limit = RateLimit(per_second=2, burst_count=5)
    with Workers(store, clock, count, limit) as workers:
        passed, seconds = 0, 60
        for _ in range(seconds * 2):
            clock.ms += 500
            passed += sum(passes(random.choice(workers.limits)) for _ in range(4))
            workers.reports()
    assert seconds * 2 * 0.9 <= passed <= seconds * 2 + 2 * 5


@pytest.mark.parametrize("count", [2, 4, 16])
def test_nobody_within_the_limit_is_refused(store, clock, count):
    limit = RateLimit(per_second=1, burst_count=10)
    with Workers(store, clock, count, limit) as workers:
        for _ in range(30):
            assert [passes(random.choice(workers.limits)) for _ in range(10)] == [True] * 10
            clock.ms += 10_000
            workers.reports()


def test_a_client_of_one_worker_gets_its_whole_burst(store, clock):
    with Workers(store, clock, 4, RateLimit(per_second=0.001, burst_count=10)) as workers:
        assert [passes(workers.limits[0]) for _ in range(12)] == [True] * 10 + [False] * 2


def test_requests_share_statements(store, clock):
    with statements(store) as seen:
        workers = Workers(store, clock, 4, RateLimit(per_second=1000, burst_count=1000))
        for number in range(1000):
            workers.limits[0].check("rc_a", f"@{number}:b")
        assert seen == []
        workers.counts[0].report()
        assert len(seen) == 1


def test_what_was_given_back_can_be_taken_at_another_worker(store, clock):
    with Workers(store, clock, 4, RateLimit(per_second=0.001, burst_count=1)) as workers:
        for each in workers.limits:
            assert passes(each)
            each.give_back("rc_a", "@a:b")
            workers.reports()


def test_without_the_database_limits_hold_and_nobody_waits(store, clock, monkeypatch):
    limit = RateLimit(per_second=1, burst_count=8)
    workers = Workers(store, clock, 4, limit)

    def gone(work: object) -> None:
        raise sqlite3.OperationalError("gone")

    monkeypatch.setattr(store, "write", gone)
    for each in workers.limits:
        each.check("rc_a", "@somebody:b")
    workers.reports()
    started_s = time.monotonic()
    passed = sum(passes(each) for each in workers.limits for _ in range(50))
    assert 4 <= passed <= 8
    workers.time_s += 40
    clock.ms += 40_000
    passed = sum(passes(each) for each in workers.limits for _ in range(50))
    assert passed <= 40 + 8
    assert time.monotonic() - started_s < 0.5
    monkeypatch.undo()
    workers.reports()
    assert not any(one._silent() for one in workers.counts)


def test_a_users_own_limit_replaces_that_of_messages(clock):
    limit = RateLimit(per_second=0.001, burst_count=1)
    tested = RateLimits({"rc_message": limit, "rc_joins": limit}, clock)
    own = Caller("@a:b", "D", message_limit=RateLimit(per_second=1, burst_count=3))
    exempt = Caller("@b:b", "D", exempt=True)

    def allowed(caller: Caller, bucket: str) -> int:
        return sum(passes_for(tested, caller, bucket) for _ in range(20))

    assert (allowed(own, "rc_message"), allowed(own, "rc_joins")) == (3, 1)
    assert (allowed(exempt, "rc_message"), allowed(exempt, "rc_joins")) == (20, 20)
    assert allowed(Caller("@c:b", "D", is_admin=True), "rc_joins") == 20


def passes_for(limits: RateLimits, caller: Caller, bucket: str) -> bool:
    try:
        limits.check_for(caller, bucket)
    except LimitExceeded:
        return False
    return True


def test_an_override_holds_from_the_next_request_on(server):
    wish = NewAccount("alice", "password of alice", DeviceWish("PHONE"))
    _, session = register.create_account(server, wish)
    assert tokens.authenticate(server, session.access_token).message_limit is None
    user_id = session.user_id
    limit_overrides.put(server, user_id, 5, 7)
    own = tokens.authenticate(server, session.access_token).message_limit
    assert own == limit_overrides.get(server, user_id) == RateLimit(per_second=5, burst_count=7)
    limit_overrides.put(server, user_id, 0, 0)
    assert tokens.authenticate(server, session.access_token).exempt
    limit_overrides.remove(server, user_id)
    caller = tokens.authenticate(server, session.access_token)
    assert not caller.exempt and caller.message_limit is None
