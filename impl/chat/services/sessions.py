"""Whom access tokens act for, remembered."""

from chat.services.caller import Caller
from chat.services.notifier import Notifier
from chat.storage.caches import Cache, Caches
from chat.storage.streams import Kind, LoggedChange

MAX_BYTES = 48 * 1024 * 1024
CALLER_BYTES = 400
ENDS = 10_000  # users whose sessions ended of late


class SessionCache:
    """Callers by token digest.

    The change log says whose sessions ended. A reader notes the generation before it asks the
    database, so that what it read before the end of a session is not used after it.
    """

    def __init__(self, caches: Caches, notifier: Notifier) -> None:
        self.generation = 0  # raised by every end
        self._floor = 0  # what was read at an earlier generation is not used
        self._callers: Cache[str, tuple[Caller, int]] = caches.make(
            "sessions", MAX_BYTES, lambda _: CALLER_BYTES
        )
        self._ended: dict[str, int] = {}  # the generation of each user's last end
        notifier.listen(Kind.SESSIONS, self._hear)

    def get(self, digest: str) -> Caller | None:
        """The caller, where known."""
        found = self._callers.get(digest)
        if found is None:
            return None
        caller, generation = found
        return caller if self._is_good(caller, generation) else None

    def put(self, digest: str, caller: Caller, generation: int) -> None:
        """Keep what was read at `generation`."""
        if self._is_good(caller, generation):
            self._callers.put(digest, (caller, generation))

    def _is_good(self, caller: Caller, generation: int) -> bool:
        return generation >= max(self._floor, self._ended.get(caller.user_id, 0))

    def _hear(self, change: LoggedChange | None) -> None:
        self.generation += 1
        if change is None or change.user_id is None or len(self._ended) >= ENDS:
            self._clear()
        else:
            self._ended[change.user_id] = self.generation

    def _clear(self) -> None:
        self._floor = self.generation
        self._callers.clear()
        self._ended.clear()
