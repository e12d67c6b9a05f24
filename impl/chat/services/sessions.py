"""Whom access tokens act for, remembered."""

from chat.services.caller import Caller

CACHE_ENTRIES = 50_000


class SessionCache:
    """Callers by token digest, for a process that alone can change the database.

    Ending any session empties it. A reader notes the generation before it asks the database, so
    that what it read before the end of a session is not kept after it.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._callers: dict[str, Caller] = {}

    def get(self, digest: str) -> Caller | None:
        """The caller, where known."""
        return self._callers.get(digest)

    def put(self, digest: str, caller: Caller, generation: int) -> None:
        """Keep what was read at `generation`."""
        if generation != self.generation:
            return
        if len(self._callers) >= CACHE_ENTRIES:
            self._callers.clear()
        self._callers[digest] = caller

    def clear(self) -> None:
        """Forget everybody."""
        self.generation += 1
        self._callers.clear()
