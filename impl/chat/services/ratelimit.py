"""How often something may be done: token buckets, by name of the limit and by whom it counts.

A bucket holds `burst_count` requests and refills by `per_second`. Where a database serves several
workers they count together, without asking it for each request: a worker counts in memory and
reports what it counted, for all buckets in one statement, twice a second or when somebody waits
for the outcome. What the others counted it learns from the answers.

Unknown to the others may be, of each bucket, as many requests as its burst, shared out among the
workers; who would exceed its share waits until that is reported. So all workers together let pass
what the limit allows, and at most one burst more. While the database does not answer, a worker
allows what its share refills by itself. Spec: client-server-api/#rate-limiting
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol
from zlib import crc32

from chat.config.model import Config, RateLimit
from chat.protocol.errors import LimitExceeded
from chat.services.caller import Caller
from chat.services.clock import Clock
from chat.storage import limits
from chat.storage.engine import Store
from chat.storage.limits import Name

log = logging.getLogger(__name__)

BUCKETS = 20_000  # about 4 MB; sweeping so many takes 10 ms
SLOWEST_PER_S = 1e-6  # a rate of 0 is one request in twelve days
REPORT_S = 0.5  # between reports that nobody waits for
PATIENCE_S = 1.0  # for a report


def configured(config: Config) -> dict[str, RateLimit]:
    """Every limit by its name: the key of the configuration, with a dot before a part of it.

    Names of `spec/` that the configuration does not know count separately, by `rc_default`.
    """
    default, message = config.rc_default, config.rc_message
    return {
        "rc_default": default,
        "rc_ephemeral": default,
        "rc_federation": default,
        "rc_leaves": default,
        "rc_media": default,
        "rc_message": message,
        "rc_admin_redaction": config.rc_admin_redaction or message,
        "rc_registration": config.rc_registration,
        "rc_registration_token_validity": config.rc_registration_token_validity,
        "rc_login": config.rc_login.address,
        "rc_login.account": config.rc_login.account,
        "rc_login.failed_attempts": config.rc_login.failed_attempts,
        "rc_joins": config.rc_joins.local,
        "rc_joins.remote": config.rc_joins.remote,
        "rc_joins_per_room": config.rc_joins_per_room,
        "rc_3pid_validation": config.rc_3pid_validation,
        "rc_invites": config.rc_invites.per_issuer,
        "rc_invites.per_room": config.rc_invites.per_room,
        "rc_invites.per_user": config.rc_invites.per_user,
        "rc_third_party_invite": config.rc_third_party_invite,
        "rc_room_creation": config.rc_room_creation,
        "rc_media_create": config.rc_media_create,
        "rc_key_requests": config.rc_key_requests,
        "rc_profile": config.rc_profile,
        "rc_user_directory": config.rc_user_directory,
        "rc_reports": config.rc_reports,
        "rc_delayed_event_mgmt": config.rc_delayed_event_mgmt,
        "rc_presence": config.rc_presence.per_user,
    }


class Place(Protocol):
    """Which worker this is, among how many."""

    @property
    def place(self) -> tuple[int, int] | None:
        """(number from 0, how many there are); None when that is not known yet."""


class _Bucket:
    """When a bucket will be full again, as far as this worker knows, and what the others do not."""

    __slots__ = ("cost_us", "full_at_us", "unreported")

    def __init__(self, full_at_us: int, cost_us: int) -> None:
        self.full_at_us = full_at_us
        self.cost_us = cost_us
        self.unreported = 0


class RateLimits:
    """Counts requests against `limits`, in memory that is bounded by `buckets`.

    With `shared`, other workers count as well; it needs `start`, and `close` at the end.
    """

    def __init__(
        self,
        limits: Mapping[str, RateLimit],
        clock: Clock,
        buckets: int = BUCKETS,
        shared: "SharedCounts | None" = None,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._most = buckets
        self._shared = shared
        self._buckets: dict[Name, _Bucket] = {}

    def start(self) -> None:
        """Begin to count together with the other workers, if there may be any."""
        if self._shared is not None:
            self._shared.start()

    def close(self) -> None:
        """Report a last time."""
        if self._shared is not None:
            self._shared.close()

    def check(
        self, bucket: str, key: str, *, consume: bool = True, limit: RateLimit | None = None
    ) -> None:
        """Take one request out of the bucket of `key`; without `consume` only see if one is left,
        as far as this worker knows. `limit` stands in for the configured one.

        Raises LimitExceeded with the time after which there will be one.
        """
        limit = limit or self._limits[bucket]
        now_us = self._clock.now_ms() * 1000
        name = bucket, key
        found = self._buckets.get(name)
        if found is None:
            found = _Bucket(now_us, round(1e6 / max(limit.per_second, SLOWEST_PER_S)))
        found.full_at_us = max(found.full_at_us, now_us)
        _refuse_if_over(found, 1, limit, now_us)
        if consume:
            self._keep(name, found, now_us)
            found.full_at_us += found.cost_us
            if self._shared is not None:
                self._share(self._shared, name, found, limit)

    def give_back(self, bucket: str, key: str) -> None:
        """Undo a `check` that took a request."""
        found = self._buckets.get((bucket, key))
        if found is not None:
            found.full_at_us -= found.cost_us
            if self._shared is not None:
                self._shared.count((bucket, key), found, -1)

    def check_for(self, caller: Caller, bucket: str, key: str | None = None) -> None:
        """Count something that a caller does, by the caller or by another `key`. Raises as `check`.

        Administrators, and who is exempt, are not limited by who they are; what others suffer from
        as well, a room that is flooded, is counted for administrators too.
        """
        if caller.exempt or (key is None and caller.is_admin):
            return
        own = caller.message_limit if bucket == "rc_message" else None
        self.check(bucket, key or caller.user_id, limit=own)

    def _share(self, shared: "SharedCounts", name: Name, bucket: _Bucket, limit: RateLimit) -> None:
        shared.count(name, bucket, 1)
        if shared.within_share(name, bucket, limit):
            return
        told = shared.ask()
        now_us = self._clock.now_ms() * 1000
        try:
            _refuse_if_over(bucket, 0, limit, now_us)
            if not told:
                shared.refuse_beyond_refilled(name, bucket, limit)
        except LimitExceeded:
            self.give_back(*name)
            raise

    def _keep(self, name: Name, bucket: _Bucket, now_us: int) -> None:
        if name not in self._buckets:
            if len(self._buckets) >= self._most:
                self._sweep(now_us)
            self._buckets[name] = bucket

    def _sweep(self, now_us: int) -> None:
        """Forget full buckets; if that frees less than a quarter, also those nearest to full."""
        kept = sorted(
            (item for item in self._buckets.items() if item[1].full_at_us > now_us),
            key=lambda item: item[1].full_at_us,
            reverse=True,
        )
        self._buckets = dict(kept[: self._most * 3 // 4])


def _refuse_if_over(bucket: _Bucket, more: int, limit: RateLimit, now_us: int) -> None:
    """Raises LimitExceeded when `more` requests do not fit into a bucket."""
    over_us = bucket.full_at_us - now_us + (more - limit.burst_count) * bucket.cost_us
    if over_us > 0:
        raise LimitExceeded(retry_after_ms=math.ceil(over_us / 1000))


class SharedCounts:
    """What this worker counted, on its way to the others through the database."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        workers: Place,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._workers = workers
        self._monotonic_s = monotonic_s
        self._unreported: dict[Name, _Bucket] = {}
        self._since_us = 0  # when the first of these was counted
        self._wanted = threading.Event()
        self._next = threading.Event()  # set when the report that has not begun yet has ended
        self._begun_s: float | None = None  # of the report under way
        self._silent_since_s: float | None = None  # the database does not answer
        self._closing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to report."""
        self._thread = threading.Thread(target=self._run, name="report counts", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Report a last time, and end."""
        self._closing = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()

    def count(self, name: Name, bucket: _Bucket, requests: int) -> None:
        """Note requests that the others have to hear of."""
        bucket.unreported += requests
        if not self._unreported:
            self._since_us = self._clock.now_ms() * 1000
        if len(self._unreported) < BUCKETS:  # only a database that is silent lets them pile up
            self._unreported[name] = bucket

    def within_share(self, name: Name, bucket: _Bucket, limit: RateLimit) -> bool:
        """Whether so much may be unknown to the others."""
        return bucket.unreported <= self._share(name, limit)

    def _share(self, name: Name, limit: RateLimit) -> int:
        """This worker's part of a burst: all parts together are the burst."""
        place = self._workers.place
        if place is None:
            return 0
        number, workers = place
        least, over = divmod(limit.burst_count, workers)
        return least + ((number + crc32(name[1].encode())) % workers < over)

    def ask(self) -> bool:
        """Have everything reported; whether the answer came soon."""
        if self._silent():
            return False
        answered = self._next
        self._wanted.set()
        return answered.wait(PATIENCE_S) and self._silent_since_s is None

    def _silent(self) -> bool:
        begun_s = self._begun_s
        late = begun_s is not None and self._monotonic_s() - begun_s > PATIENCE_S
        if late and self._silent_since_s is None:
            self._silent_since_s = begun_s
        return self._silent_since_s is not None

    def refuse_beyond_refilled(self, name: Name, bucket: _Bucket, limit: RateLimit) -> None:
        """Without the database: one worker's share, and what it refills by itself.

        Raises LimitExceeded.
        """
        place = self._workers.place
        workers = place[1] if place is not None else 1
        silent_s = self._monotonic_s() - (self._silent_since_s or self._monotonic_s())
        refilled = silent_s * limit.per_second / workers
        if bucket.unreported > max(1, self._share(name, limit)) + refilled:
            raise LimitExceeded(retry_after_ms=math.ceil(bucket.cost_us * workers / 1000))

    def report(self) -> None:
        """Tell the database what was counted, and learn what the others counted."""
        self._begun_s = self._monotonic_s()
        ended, self._next = self._next, threading.Event()
        taken, since_us = self._unreported, self._since_us
        self._unreported = {}
        told = [(name, bucket, bucket.unreported) for name, bucket in taken.items()]
        try:
            if told:
                self._send(told, since_us)
            self._silent_since_s = None
        except Exception as error:  # whatever it is: limits go on, and it is tried again
            self._unreported, self._since_us = taken | self._unreported, since_us
            if self._silent_since_s is None:
                log.warning("rate limits are counted by each worker", extra={"error": repr(error)})
                self._silent_since_s = self._begun_s
        finally:
            self._begun_s = None
            ended.set()

    def _send(self, told: Sequence[tuple[Name, _Bucket, int]], since_us: int) -> None:
        costs = [(name, bucket.cost_us * requests) for name, bucket, requests in told]
        full_at_us = self._store.write(lambda tx: limits.count(tx, costs, since_us))
        for name, bucket, requests in told:
            bucket.unreported -= requests
            bucket.full_at_us = full_at_us[name] + bucket.unreported * bucket.cost_us

    def _run(self) -> None:
        while not self._closing:
            self._wanted.wait(REPORT_S)
            self._wanted.clear()
            if self._unreported or self._silent_since_s is not None:
                self.report()
        self.report()
