"""Does what migrations left to be done, a little at a time, so that nobody notices.

A batch is as large as fits into `BATCH_S`; the job that calls `run_batch` rests in between
(jobs/schedule.py), which keeps all of it below a tenth of a core.
"""

import logging
import time
from collections.abc import Callable, Mapping

from chat.storage import background_updates, graph, user_directory
from chat.storage.background_updates import Pending, Step
from chat.storage.engine import Store, Transaction
from chat.storage.leases import Lease

log = logging.getLogger(__name__)

BATCH_S = 0.1
FIRST_ROWS = 100
MOST_ROWS = 100_000

# By the names that revisions schedule. A name that is not here belongs to a newer version of this
# server, which will do it.
STEPS: Mapping[str, Step] = {
    "user_directory": user_directory.fill,
    "auth_events": graph.fill_auth,
}


class BackgroundUpdates:
    """The background updates of one process; the job that runs them has one owner."""

    def __init__(
        self,
        store: Store,
        steps: Mapping[str, Step] = STEPS,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._store = store
        self._steps = steps
        self._timer = timer
        self._rows = FIRST_ROWS
        self._done = not steps

    def run_batch(self, lease: Lease | None = None) -> bool:
        """Do the next batch; whether there was something to do. Raises LeaseLost."""
        if self._done:
            return False
        waiting = self._store.read(background_updates.pending, snapshot=False)
        mine = [update for update in waiting if update.name in self._steps]
        if not mine:
            self._done = True
            return False
        self._run(mine[0], lease)
        return True

    def _run(self, update: Pending, lease: Lease | None) -> None:
        name, step, size = update.name, self._steps[update.name], self._rows

        def work(tx: Transaction) -> Pending | None:
            if lease is not None:
                lease.guard(tx)
            return background_updates.run_batch(tx, name, step, size)

        started_s = self._timer()
        left = self._store.write(work)
        took_s = self._timer() - started_s
        self._rows = max(1, min(MOST_ROWS, round(size * BATCH_S / max(took_s, BATCH_S / 10))))
        if left is None:
            self._rows = FIRST_ROWS
            log.info("background update done", extra={"update": name})
        else:
            log.info("background update", extra={"update": name, "rows": left.rows_done})
