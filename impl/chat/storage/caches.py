"""Caches of one process, each bounded in bytes; together they give way when memory is short.

A cache drops what was not used for longest. Sizes are estimates: what an entry keeps alive, by a
function of its own for each cache. The sizes that the code names are for a factor of 1; the
configuration scales them (`caches.global_factor`, `caches.per_cache_factors`).
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

ENTRY_BYTES = 250  # of the bookkeeping for an entry, its key included
LARGEST_SHARE = 4  # an entry larger than this part of its cache is not kept
DEFAULT_FACTOR = 0.5


class CacheFigures(NamedTuple):
    """A cache as it is; the counts are since its start."""

    name: str
    size_bytes: int
    limit_bytes: int
    entries: int
    hits: int
    misses: int
    evictions: int


class _Entry(Generic[V]):
    __slots__ = ("size_bytes", "used", "value")

    def __init__(self, value: V, size_bytes: int, used: int) -> None:
        self.value = value
        self.size_bytes = size_bytes
        self.used = used


class Cache(Generic[K, V]):
    """A mapping that drops what was not used for longest when it holds more than `limit_bytes`."""

    def __init__(self, name: str, limit_bytes: int, size_of: Callable[[V], int]) -> None:
        self.name = name
        self.limit_bytes = limit_bytes
        self.size_bytes = 0
        self.now = 0  # a coarse time, set from outside: when an entry was used last
        self._size_of = size_of
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._hits = self._misses = self._evictions = 0

    def get(self, key: K) -> V | None:
        """The value, where kept."""
        entry = self._entries.get(key)
        if entry is None:
            self._misses += 1
            return None
        self._hits += 1
        entry.used = self.now
        self._entries.move_to_end(key)
        return entry.value

    def put(self, key: K, value: V) -> None:
        """Keep a value, unless it is too large."""
        self.drop(key)
        size_bytes = self._size_of(value) + ENTRY_BYTES
        if size_bytes > self.limit_bytes // LARGEST_SHARE:
            return
        self._entries[key] = _Entry(value, size_bytes, self.now)
        self.size_bytes += size_bytes
        while self.size_bytes > self.limit_bytes:
            self._drop_oldest()

    def of(self, key: K, make: Callable[[], V]) -> V:
        """The value, made where it is not kept."""
        found = self.get(key)
        if found is None:
            found = make()
            self.put(key, found)
        return found

    def measure(self, key: K) -> None:
        """Estimate a value anew, which grew or shrank."""
        entry = self._entries.get(key)
        if entry is not None:
            self.put(key, entry.value)

    def drop(self, key: K) -> None:
        """Forget a value."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size_bytes -= entry.size_bytes

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.size_bytes = 0

    def _drop_oldest(self) -> int:
        _, entry = self._entries.popitem(last=False)
        self.size_bytes -= entry.size_bytes
        self._evictions += 1
        return entry.size_bytes

    def shrink(self, wanted_bytes: int, used_before: int) -> int:
        """Drop entries that were last used before a time; how many bytes of the wanted they had."""
        freed_bytes = 0
        while freed_bytes < wanted_bytes and self._entries:
            if next(iter(self._entries.values())).used >= used_before:
                break
            freed_bytes += self._drop_oldest()
        return freed_bytes

    @property
    def figures(self) -> CacheFigures:
        """How it is used."""
        return CacheFigures(
            self.name,
            self.size_bytes,
            self.limit_bytes,
            len(self._entries),
            self._hits,
            self._misses,
            self._evictions,
        )


class Caches:
    """All caches of one process."""

    def __init__(
        self, global_factor: float = DEFAULT_FACTOR, factors: dict[str, float] | None = None
    ) -> None:
        self._global_factor = global_factor
        self._factors = factors or {}
        self._all: list[Cache[Hashable, object]] = []

    def make(self, name: str, built_in_bytes: int, size_of: Callable[[V], int]) -> Cache[K, V]:
        """A new cache; `built_in_bytes` is its size at a factor of 1."""
        factor = self._factors.get(name, self._global_factor)
        cache: Cache[K, V] = Cache(name, int(built_in_bytes * factor), size_of)
        self._all.append(cache)  # type: ignore[arg-type]  # only what needs no K and V is called
        return cache

    @property
    def names(self) -> list[str]:
        """What `caches.per_cache_factors` may name."""
        return [cache.name for cache in self._all]

    def figures(self) -> list[CacheFigures]:
        """How each is used."""
        return [cache.figures for cache in self._all]

    def pass_time(self, now: int) -> None:
        """Say what time it is, in whatever unit `shrink` is asked in."""
        for cache in self._all:
            cache.now = now

    def shrink(self, wanted_bytes: int, used_before: int) -> int:
        """Drop at least so many bytes of what was last used before a time, if there are; the bytes
        that were dropped. Each cache gives by its size.
        """
        total_bytes = sum(cache.size_bytes for cache in self._all)
        freed_bytes = 0
        for cache in self._all:
            share = wanted_bytes * cache.size_bytes // max(total_bytes, 1) + 1
            freed_bytes += cache.shrink(share, used_before)
        return freed_bytes
