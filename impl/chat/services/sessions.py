"""Whom access tokens act for, remembered."""

from chat.services.caller import Caller
from chat.storage.caches import Cache, Caches

MAX_BYTES = 48 * 1024 * 1024
CALLER_BYTES = 400


class SessionCache:
    """Callers by token digest, for a process that alone can change the database.

    Ending any session empties it. A reader notes the generation before it asks the database, so
    that what it read before the end of a session is not kept after it.
    """

    def __init__(self, caches: Caches) -> None:
        self.generation = 0
        self._callers: Cache[str, Caller] = caches.make(
            "sessions", MAX_BYTES, lambda _: CALLER_BYTES
        )
        self.get = self._callers.get

    def put(self, digest: str, caller: Caller, generation: int) -> None:
        """Keep what was read at `generation`."""
        if generation == self.generation:
            self._callers.put(digest, caller)

    def clear(self) -> None:
        """Forget everybody."""
        self.generation += 1
        self._callers.clear()
