"""Whether somebody is there: what their devices show, taken together, at a moment.

Spec: client-server-api/#presence
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

IDLE_MS = 300_000  # who is online and has done nothing for so long counts as away


class State(IntEnum):
    """How much somebody is there. Of several devices the greatest counts; numbers are stored."""

    OFFLINE = 0
    UNAVAILABLE = 1
    ONLINE = 2


class Sign(NamedTuple):
    """What a device shows of its user at `at_ms`; its state counts until `until_ms`.

    Without a state the user has just done something. `by_hand`: the user has chosen the state, and
    with it the status message, None for none.
    """

    user_id: str
    device_id: str
    at_ms: int
    until_ms: int
    state: State | None
    by_hand: bool = False
    status_msg: str | None = None


@dataclass(slots=True)
class Device:
    """The state of a device, until a time; `by_hand`: chosen, so that mere syncing keeps it."""

    state: State
    until_ms: int
    by_hand: bool = False


@dataclass(slots=True)
class Person:
    """A user, as shown to others, and what that is made of.

    `next_ms`: when the state may next change without anybody's doing, or earlier; None for never.
    `news`: whether something changed of which others have not been told.
    """

    user_id: str
    state: State = State.OFFLINE
    status_msg: str | None = None
    last_active_ms: int = 0  # 0 for never
    next_ms: int | None = None
    news: bool = False
    devices: dict[str, Device] = field(default_factory=dict)

    def take(self, sign: Sign) -> None:
        """Take in what a device shows."""
        device = self.devices.get(sign.device_id)
        if device is not None and device.until_ms <= sign.at_ms:
            device = None
        if sign.state is None:
            self._act(device, sign.at_ms)
            return
        keeps = device is not None and device.by_hand and not sign.by_hand
        state = device.state if device is not None and keeps else sign.state
        if state is State.ONLINE and (
            sign.by_hand or device is None or device.state is not State.ONLINE
        ):
            self.last_active_ms = max(self.last_active_ms, sign.at_ms)
        until_ms = max(sign.until_ms, 0 if device is None else device.until_ms)
        self.devices[sign.device_id] = Device(state, until_ms, sign.by_hand or keeps)
        if sign.by_hand and sign.status_msg != self.status_msg:
            self.status_msg = sign.status_msg
            self.news = True

    def _act(self, device: Device | None, at_ms: int) -> None:
        self.last_active_ms = max(self.last_active_ms, at_ms)
        if device is not None and device.state is State.UNAVAILABLE:
            device.state, device.by_hand = State.ONLINE, False

    def settle(self, now_ms: int) -> None:
        """Work out the state at a moment."""
        state, next_ms = situation(self.devices.values(), self.last_active_ms, now_ms)
        if state is not self.state:
            self.state = state
            self.news = True
        # One that is too early does no harm, and is not written anew with each sign.
        if self.next_ms is None or self.next_ms <= now_ms or (next_ms or 0) < self.next_ms:
            self.next_ms = next_ms


def situation(
    devices: Collection[Device], last_active_ms: int, now_ms: int
) -> tuple[State, int | None]:
    """The state that devices make together, and when time alone may next change it."""
    present = [device for device in devices if device.until_ms > now_ms]
    state = max((device.state for device in present), default=State.OFFLINE)
    ends = [device.until_ms for device in present]
    if state is State.ONLINE:
        if last_active_ms + IDLE_MS > now_ms:
            ends.append(last_active_ms + IDLE_MS)
        else:
            state = State.UNAVAILABLE
    return state, min(ends, default=None)
