"""Keeps the change log short: what is too old, or too much, goes.

Whoever follows the log is behind by seconds. Tokens that are older than the log are answered from
the positions in the tables themselves.
"""

import time

from chat.services.server import Server
from chat.storage import streams
from chat.storage.engine import Transaction
from chat.storage.leases import Lease

ROWS = 2_000  # removed by one transaction: about 5 ms
PAUSE_S = 0.05  # between two


def step(server: Server, lease: Lease) -> None:
    """Remove what is to be kept no longer, and note where the log stands now."""
    limits, now_ms = server.config.change_log, server.clock.now_ms()
    upto = server.store.read(
        lambda tx: streams.outdated(tx, now_ms - limits.max_age_ms, limits.max_rows)
    )

    def work(tx: Transaction) -> int:
        lease.guard(tx)
        streams.note_time(tx, now_ms)
        return streams.trim(tx, upto, ROWS)

    while server.store.write(work) == ROWS:
        time.sleep(PAUSE_S)
