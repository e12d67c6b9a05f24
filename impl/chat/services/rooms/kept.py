"""Long lists of rendered events that are asked for again and again, such as a room's state."""

from collections.abc import Hashable

from chat.storage.caches import Cache, Caches

MAX_BYTES = 32 * 1024 * 1024
OVERHEAD_BYTES = 40  # of an entry of a list, beside its JSON

# The key has to name everything on which a list depends, so nothing is ever taken back. A list is
# not to be changed.
KeptLists = Cache[Hashable, list[bytes]]


def kept_lists(caches: Caches) -> KeptLists:
    """The lists of a process."""
    return caches.make("lists", MAX_BYTES, _size)


def _size(entries: list[bytes]) -> int:
    return sum(map(len, entries)) + OVERHEAD_BYTES * len(entries)
