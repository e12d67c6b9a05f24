"""When and from where devices were last used: noted in memory, written now and then.

A crash loses the notes of the last minute; nothing else depends on them.
"""

from chat.services.caller import Caller
from chat.storage import devices
from chat.storage.engine import Store, Transaction

PRECISION_MS = 60_000
NOTED = 100_000  # devices; beyond that notes wait for the next request after writing


class LastSeen:
    """Notes of this process that are still to be written."""

    def __init__(self) -> None:
        self._written_ms: dict[tuple[str, str], int] = {}
        self._notes: dict[tuple[str, str], tuple[int, str]] = {}

    def note(self, caller: Caller, address: str, now_ms: int) -> None:
        """Note a request; at most one note per device and minute is written."""
        device = (caller.user_id, caller.device_id)
        if now_ms - self._written_ms.get(device, 0) < PRECISION_MS or len(self._notes) >= NOTED:
            return
        self._notes[device] = (now_ms, address)

    def write(self, store: Store) -> None:
        """Write what was noted."""
        notes, self._notes = self._notes, {}
        if not notes:
            return

        def work(tx: Transaction) -> None:
            for (user_id, device_id), (seen_ms, address) in sorted(notes.items()):
                devices.seen(tx, user_id, device_id, seen_ms, address)

        store.write(work)
        if len(self._written_ms) > NOTED:
            self._written_ms.clear()
        self._written_ms |= {device: seen_ms for device, (seen_ms, _) in notes.items()}
