"""The cap on memory."""

from chat.config.model import CacheAutotuning
from chat.services.memory import MemoryKeeper
from chat.services.metrics import resident_bytes
from chat.storage.caches import Cache, Caches

MIB = 1024 * 1024


def settings(most: int, target: int, ttl_ms: int = 0) -> CacheAutotuning:
    return CacheAutotuning(
        max_cache_memory_usage_bytes=most,
        target_cache_memory_usage_bytes=target,
        min_cache_ttl_ms=ttl_ms,
    )


def test_resident_memory_is_held_below_the_cap_while_caches_grow() -> None:
    caches = Caches(1)
    cache: Cache[int, bytearray] = caches.make("test", 4_000 * MIB, len)
    start = resident_bytes()
    cap = start + 60 * MIB
    now_s = [0.0]
    keeper = MemoryKeeper(caches, settings(cap, start + 40 * MIB), timer=lambda: now_s[0])
    highest = 0
    for number in range(3_000):
        cache.put(number, bytearray(b"x" * 100_000))
        if number % 100 == 0:  # 10 MB at a time
            now_s[0] += 1
            keeper.keep()
            highest = max(highest, resident_bytes())
    assert cache.figures.evictions > 1_000
    assert highest <= cap


def test_what_was_just_used_stays() -> None:
    caches = Caches(1)
    cache: Cache[int, bytes] = caches.make("test", 10 * MIB, len)
    now_s = [100.0]
    tight = settings(most=2_000, target=1_000, ttl_ms=5_000)
    keeper = MemoryKeeper(caches, tight, resident=lambda: 10 * MIB, timer=lambda: now_s[0])
    keeper.keep()
    cache.put(1, b"x")
    now_s[0] = 104
    keeper.keep()
    assert cache.get(1) == b"x"
    now_s[0] = 111
    keeper.keep()
    assert cache.get(1) is None


def test_without_a_cap_nothing_is_dropped() -> None:
    caches = Caches(1)
    cache: Cache[int, bytes] = caches.make("test", 10 * MIB, len)
    cache.put(1, b"x")
    MemoryKeeper(caches, None, resident=lambda: 2**60).keep()
    assert cache.get(1) == b"x"
