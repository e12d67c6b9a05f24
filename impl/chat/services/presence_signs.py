"""What the devices of this worker show of their users, on its way into the database.

Syncs and whatever else users do say the same again and again: what was written lately is
remembered, so that a device costs at most one row in `RENEWED_MS` and worker, and writing is shared
(notices.py).
"""

from chat.protocol.presence import Sign
from chat.services.notices import Notices
from chat.storage import presence
from chat.storage.engine import Store

RENEWED_MS = 25_000
REMEMBERED = 100_000  # devices


class PresenceSigns:
    """The signs of this process."""

    def __init__(self) -> None:
        self._notices: Notices[Sign] = Notices(presence.take)
        self._states: dict[tuple[str, str], Sign] = {}
        self._acts_ms: dict[tuple[str, str], int] = {}

    def state(self, store: Store, sign: Sign) -> None:
        """Note the state of a device, unless it is known to count that long anyway."""
        key = (sign.user_id, sign.device_id)
        known = self._states.get(key)
        if known is not None and known.state is sign.state and sign.until_ms <= known.until_ms:
            return
        if len(self._states) >= REMEMBERED:
            self._states.clear()
        sign = sign._replace(until_ms=sign.until_ms + RENEWED_MS)
        self._states[key] = sign
        self._notices.note(store, sign)

    def act(self, store: Store, user_id: str, device_id: str, now_ms: int) -> None:
        """Note that a user does something, unless that was noted lately."""
        key = (user_id, device_id)
        if now_ms < self._acts_ms.get(key, 0) + RENEWED_MS:
            return
        if len(self._acts_ms) >= REMEMBERED:
            self._acts_ms.clear()
        self._acts_ms[key] = now_ms
        self._notices.note(store, Sign(user_id, device_id, now_ms, now_ms, None))

    def by_hand(self, store: Store, sign: Sign) -> None:
        """Write what a user has chosen, and return when it is written."""
        self._states.pop((sign.user_id, sign.device_id), None)
        self._acts_ms.pop((sign.user_id, sign.device_id), None)
        self._notices.put(store, sign)
