"""Removes what has expired, a little at a time; each part under a lease of its own."""

from chat.services.server import Server
from chat.storage import expiry, requests
from chat.storage.engine import Transaction
from chat.storage.leases import Lease
from chat.storage.requests import FIRST, Key

DAY_MS = 86_400_000
REQUESTS_KEPT_MS = DAY_MS  # for so long a client may repeat a request by its transaction ID
TOKENS_KEPT_MS = 90 * DAY_MS  # for so long an expired token is told from an unknown one
LOOKED_AT = 5_000  # remembered requests in one go: about 10 ms


class Requests:
    """Goes round and round the remembered requests and forgets old ones.

    An index by age would cost every message more than looking at each a few times.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._after: Key = FIRST

    def step(self, lease: Lease) -> None:
        """Look at the next few."""
        store, after = self._server.store, self._after
        found = store.read(lambda tx: requests.after(tx, after, LOOKED_AT), snapshot=False)
        before_ms = self._server.clock.now_ms() - REQUESTS_KEPT_MS
        old = [key for key, created_ms in found if created_ms < before_ms]

        def work(tx: Transaction) -> None:
            lease.guard(tx)
            requests.forget(tx, old)

        if old:
            store.write(work)
        self._after = found[-1][0] if len(found) == LOOKED_AT else FIRST


def end_sessions(server: Server, lease: Lease) -> None:
    """Remove authentication sessions, nonces and tokens whose time is over.

    An expired token is kept for long: its client is told that it may log in again without losing
    its data. Spec: client-server-api/#soft-logout
    """
    now_ms = server.clock.now_ms()

    def work(tx: Transaction) -> None:
        lease.guard(tx)
        expiry.end(tx, now_ms, now_ms - TOKENS_KEPT_MS)
        expiry.forget_full_buckets(tx, now_ms * 1000)

    server.store.write(work)
