"""How often something may be done: token buckets, by name of the limit and by whom it counts.

A bucket holds `burst_count` requests and refills by `per_second`. Each worker counts for itself,
so that N workers together allow at most N times as much. Spec: client-server-api/#rate-limiting
"""

import math
from collections.abc import Mapping

from chat.config.model import Config, RateLimit
from chat.protocol.errors import LimitExceeded
from chat.services.clock import Clock

BUCKETS = 20_000  # about 4 MB; sweeping so many takes 10 ms
SLOWEST_PER_S = 1e-6  # a rate of 0 is one request in twelve days


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


class RateLimits:
    """Counts requests against `limits`, in memory that is bounded by `buckets`."""

    def __init__(
        self, limits: Mapping[str, RateLimit], clock: Clock, buckets: int = BUCKETS
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._buckets = buckets
        # When each bucket will be full again, in ms: its content follows from that alone.
        self._full_at_ms: dict[tuple[str, str], float] = {}

    def check(self, bucket: str, key: str, *, consume: bool = True) -> None:
        """Take one request out of the bucket of `key`; without `consume` only see if one is left.

        Raises LimitExceeded with the time after which there will be one.
        """
        limit = self._limits[bucket]
        now_ms = self._clock.now_ms()
        per_ms = max(limit.per_second, SLOWEST_PER_S) / 1000
        full_at_ms = max(self._full_at_ms.get((bucket, key), now_ms), now_ms)
        missing = (full_at_ms - now_ms) * per_ms + 1
        if missing > limit.burst_count:
            wait_ms = (missing - limit.burst_count) / per_ms
            raise LimitExceeded(retry_after_ms=math.ceil(wait_ms))
        if consume:
            self._store((bucket, key), full_at_ms + 1 / per_ms, now_ms)

    def _store(self, name: tuple[str, str], full_at_ms: float, now_ms: int) -> None:
        if len(self._full_at_ms) >= self._buckets and name not in self._full_at_ms:
            self._sweep(now_ms)
        self._full_at_ms[name] = full_at_ms

    def _sweep(self, now_ms: int) -> None:
        """Forget full buckets; if that frees less than a quarter, also those nearest to full."""
        kept = sorted(
            (item for item in self._full_at_ms.items() if item[1] > now_ms),
            key=lambda item: item[1],
            reverse=True,
        )
        self._full_at_ms = dict(kept[: self._buckets * 3 // 4])
