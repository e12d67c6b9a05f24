"""Keeps a process's resident memory below what the operator allows (`caches.cache_autotuning`)."""

import ctypes
import gc
import logging
import time
from collections.abc import Callable

from chat.config.model import CacheAutotuning
from chat.services.metrics import resident_bytes
from chat.storage.caches import Caches

log = logging.getLogger(__name__)

COLLECT_PAUSE_S = 10  # at least, between two collections of garbage


class MemoryKeeper:
    """Empties caches when the process has grown too large: those of longest disuse first, and
    nothing that was used within `min_cache_ttl`.
    """

    def __init__(
        self,
        caches: Caches,
        settings: CacheAutotuning | None,
        resident: Callable[[], int] = resident_bytes,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._caches = caches
        self._settings = settings
        self._resident = resident
        self._timer = timer
        self._collected_s = -float(COLLECT_PAUSE_S)

    def keep(self) -> None:
        """Look, and act if need be; to be called about once a second."""
        now_s = self._timer()
        self._caches.pass_time(int(now_s))
        if self._settings is None:
            return
        resident = self._resident()
        if resident <= self._settings.max_cache_memory_usage_bytes:
            return
        wanted_bytes = resident - self._settings.target_cache_memory_usage_bytes
        before = int(now_s - self._settings.min_cache_ttl_ms / 1000)
        freed_bytes = self._caches.shrink(wanted_bytes, before)
        if now_s - self._collected_s >= COLLECT_PAUSE_S:
            self._collected_s = now_s
            gc.collect()
        _give_back()
        log.info(
            "caches made smaller",
            extra={"resident_bytes": resident, "freed_bytes": freed_bytes},
        )


def _give_back() -> None:
    """Let the system have free memory back, where the C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
