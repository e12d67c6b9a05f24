"""Long lists of rendered events that are asked for again and again, such as a room's state."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

MAX_BYTES = 16 * 1024 * 1024
OVERHEAD_BYTES = 40  # of an entry of a list, beside its JSON


class KeptLists:
    """Lists by key, as many as fit; those not used for longest go first.

    The key has to name everything on which a list depends, so nothing is ever taken back.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self.size_bytes = 0
        self._lists: OrderedDict[Hashable, list[bytes]] = OrderedDict()

    def of(self, key: Hashable, make: Callable[[], list[bytes]]) -> list[bytes]:
        """The list of a key, made where it is not kept; not to be changed."""
        found = self._lists.get(key)
        if found is not None:
            self._lists.move_to_end(key)
            return found
        made = make()
        if key not in self._lists and _size(made) <= self.max_bytes // 4:
            self._lists[key] = made
            self.size_bytes += _size(made)
        while self.size_bytes > self.max_bytes:
            _, dropped = self._lists.popitem(last=False)
            self.size_bytes -= _size(dropped)
        return made


def _size(entries: list[bytes]) -> int:
    return sum(map(len, entries)) + OVERHEAD_BYTES * len(entries)
