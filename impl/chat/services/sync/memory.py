"""What syncs of one process remember, so that most of them ask the database little or nothing.

Nothing here decides: whatever is missing or too old is read again.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from chat.services.rooms.client_events import EventCache
from chat.storage import streams
from chat.storage.engine import Transaction
from chat.storage.receipts import Receipt
from chat.storage.streams import LoggedChange

if TYPE_CHECKING:
    from chat.services.sync.extras import DeviceKeys
    from chat.services.sync.timeline import Window

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

CHANGES = 50_000  # of the log
USERS = 20_000
DEVICES = 20_000
WINDOWS = 2_000
MEMBERS_OF_DEVICE = 5_000
PAGE = 1_000
LOCKS = 64

Name = int | str  # a room's number, or a user ID for what concerns nobody else


class Recent(Generic[K, V]):
    """A mapping of bounded size that drops what was not used for longest."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value, where kept."""
        found = self._items.get(key)
        if found is not None:
            self._items.move_to_end(key)
        return found

    def put(self, key: K, value: V) -> None:
        """Keep a value."""
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > self._size:
            self._items.popitem(last=False)

    def of(self, key: K, make: Callable[[], V]) -> V:
        """The value, made where it is not kept."""
        found = self.get(key)
        if found is None:
            found = make()
            self.put(key, found)
        return found

    def drop(self, key: K) -> None:
        """Forget a value."""
        self._items.pop(key, None)


class Tail:
    """The recent part of the change log, by room and by user.

    It knows everything at positions in (floor, position].
    """

    def __init__(self, capacity: int = CHANGES) -> None:
        self.floor = 0
        self.position = 0
        self._capacity = capacity
        self._started = False
        self._all: deque[LoggedChange] = deque()
        self._of: dict[Name, deque[LoggedChange]] = {}

    def read(self, tx: Transaction, head: int) -> None:
        """Read the log up to its `head`."""
        if not self._started or head - self.position > self._capacity:
            self._restart(head)
        while self.position < head:
            changes = streams.since(tx, self.position, PAGE)
            if not changes:
                return
            self.record(changes)

    def _restart(self, head: int) -> None:
        self._all.clear()
        self._of.clear()
        self._started = True
        self.floor = self.position = head

    def record(self, changes: Iterable[LoggedChange]) -> None:
        """Take in changes in the order of the log; those that are known already do nothing."""
        for change in changes:
            if change.pos > self.position:
                self.position = change.pos
                self._all.append(change)
                self._of.setdefault(_name(change), deque()).append(change)
        while len(self._all) > self._capacity:
            self._forget(self._all.popleft())

    def _forget(self, change: LoggedChange) -> None:
        self.floor = change.pos
        of_name = self._of[_name(change)]
        of_name.popleft()
        if not of_name:
            del self._of[_name(change)]

    def since(self, name: Name, position: int) -> tuple[LoggedChange, ...]:
        """The changes of a room or user after a position that is not below the floor."""
        of_name = self._of.get(name)
        if of_name is None or of_name[-1].pos <= position:
            return ()
        found = []
        for change in reversed(of_name):
            if change.pos <= position:
                break
            found.append(change)
        return tuple(reversed(found))


def _name(change: LoggedChange) -> Name:
    if change.kind in streams.PERSONAL or change.room is None:
        return change.user_id or ""
    return change.room


@dataclass(slots=True)
class UserRooms:
    """The rooms to which a user is joined, and whom they ignore, as of a log position."""

    joined: dict[int, str]  # number → ID
    ignored: frozenset[str]
    as_of: int


@dataclass(slots=True)
class DeviceState:
    """What is known of a device. Members are (room, user ID) → the token they came with."""

    keys: "DeviceKeys | None" = None
    confirmed: int = 0  # no message to the device waits at a log position up to this
    members: dict[tuple[int, str], int] = field(default_factory=dict)

    def note_members(self, sent: Iterable[tuple[int, str]], position: int) -> None:
        """Remember whose membership events went out with the token `position`."""
        if len(self.members) > MEMBERS_OF_DEVICE:
            self.members.clear()
        for member in sent:
            self.members.setdefault(member, position)


class SyncMemory:
    """Everything that is remembered between syncs."""

    def __init__(self) -> None:
        self.tail = Tail()
        self.events = EventCache()
        self.users: Recent[str, UserRooms] = Recent(USERS)
        self.devices: Recent[tuple[str, str], DeviceState] = Recent(DEVICES)
        self.windows: Recent[Hashable, Window] = Recent(WINDOWS)
        self.receipts: Recent[Hashable, list[Receipt]] = Recent(WINDOWS)
        self.typing: Recent[Hashable, list[str]] = Recent(WINDOWS)
        self.filters: Recent[tuple[str, str], str] = Recent(USERS)
        self._loading = [threading.Lock() for _ in range(LOCKS)]

    def device(self, user_id: str, device_id: str) -> DeviceState:
        """What is known of a device."""
        return self.devices.of((user_id, device_id), DeviceState)

    def loading(self, room: int) -> threading.Lock:
        """Held while a window of a room is read, so that those who wait find it read."""
        return self._loading[room % LOCKS]
