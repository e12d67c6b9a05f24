"""Caches: bounded in bytes, least used first, together smaller when asked."""

import pytest

from chat.storage.caches import ENTRY_BYTES, Cache, Caches

SIZE = 750  # of a value, so that an entry has 1 000


def a_cache(entries: int) -> Cache[str, str]:
    return Cache("test", entries * (SIZE + ENTRY_BYTES), lambda _: SIZE)


def test_the_least_used_go_first() -> None:
    cache = a_cache(4)
    made: list[str] = []

    def ask(key: str) -> str:
        return cache.of(key, lambda: made.append(key) or key.upper())

    for key in ("a", "b", "c", "d", "a", "e", "a", "b"):
        assert ask(key) == key.upper()
    assert made == ["a", "b", "c", "d", "e", "b"]
    assert cache.size_bytes == cache.limit_bytes
    figures = cache.figures
    assert (figures.hits, figures.misses, figures.evictions, figures.entries) == (2, 6, 2, 4)


def test_what_is_too_large_is_not_kept() -> None:
    cache: Cache[str, bytes] = Cache("test", 10_000, len)
    cache.put("a", bytes(5_000))
    assert cache.get("a") is None
    cache.put("a", bytes(100))
    cache.put("a", bytes(5_000))
    assert cache.get("a") is None, "a value that is out of date must not stay"
    assert cache.size_bytes == 0


def test_a_value_that_grows_counts_as_what_it_is() -> None:
    cache: Cache[str, list[int]] = Cache("test", 100_000, lambda one: 100 * len(one))
    value = cache.of("a", list)
    value.extend(range(50))
    cache.measure("a")
    assert cache.size_bytes == ENTRY_BYTES + 5_000
    value.extend(range(1_000))
    cache.measure("a")
    assert cache.get("a") is None


def test_what_is_dropped_or_put_again_is_counted_once() -> None:
    cache = a_cache(10)
    for _ in range(3):
        cache.put("a", "x")
    assert cache.size_bytes == SIZE + ENTRY_BYTES
    cache.drop("a")
    cache.drop("a")
    assert cache.size_bytes == 0
    cache.put("a", "x")
    cache.clear()
    assert (cache.size_bytes, cache.figures.entries) == (0, 0)


@pytest.mark.parametrize(
    ("name", "expected"), [("plain", 1_000_000 // 4), ("special", 3_000_000), ("none", 0)]
)
def test_factors_scale_what_the_code_says(name: str, expected: int) -> None:
    caches = Caches(0.25, {"special": 3, "none": 0})
    assert caches.make(name, 1_000_000, len).limit_bytes == expected


def test_a_cache_without_room_keeps_nothing() -> None:
    cache: Cache[str, str] = Caches(0).make("test", 1_000_000, len)
    assert cache.of("a", lambda: "x") == "x"
    assert cache.get("a") is None


def test_all_together_give_what_is_asked_for_but_nothing_that_was_just_used() -> None:
    caches = Caches(1)
    small: Cache[int, bytes] = caches.make("small", 100_000, len)
    large: Cache[int, bytes] = caches.make("large", 1_000_000, len)
    for number in range(50):
        small.put(number, bytes(750))
        large.put(number, bytes(9_750))
    caches.pass_time(100)
    recent = large.get(0)
    freed = caches.shrink(200_000, used_before=100)
    assert 200_000 <= freed <= 220_000
    assert small.figures.evictions == large.figures.evictions, "each gives by its size"
    assert large.get(0) is recent
    caches.shrink(10_000_000, used_before=100)
    assert (small.figures.entries, large.figures.entries) == (0, 1)
