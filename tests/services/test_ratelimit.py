"""Token buckets: how much, how often, whose, and in how much memory."""

from pathlib import Path

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
from chat.services.ratelimit import RateLimits, configured


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
        assert len(tested._full_at_ms) <= 100
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
