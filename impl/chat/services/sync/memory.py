"""What syncs of one process remember, so that most of them ask the database little or nothing.

Nothing here decides: whatever is missing or too old is read again.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from chat.services.rooms.client_events import EventCache
from chat.storage.receipts import Receipt

if TYPE_CHECKING:
    from chat.services.sync.extras import DeviceKeys
    from chat.services.sync.sliding.connections import Known
    from chat.services.sync.sliding.room_list import Marks, RoomList
    from chat.services.sync.timeline import Window
    from chat.storage.rooms import Summary
    from chat.storage.sliding import Place

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

USERS = 20_000
DEVICES = 20_000
WINDOWS = 2_000
CONNECTIONS = 2_000  # of sliding sync, each at a version or two
ROOMS = 50_000
MEMBERS_OF_DEVICE = 5_000
LOCKS = 64


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


@dataclass(slots=True)
class UserRooms:
    """The rooms to which a user is joined, and whom they ignore, as of a log position."""

    joined: dict[int, str]  # number → ID
    ignored: frozenset[str]
    as_of: int


class KnownMembers:
    """Whose membership events a client was sent, and with which token each came.

    A token that comes again was perhaps not the client's last: what went out after it may never
    have arrived, so it is forgotten.
    """

    def __init__(self) -> None:
        self._sent: dict[tuple[int, str], int] = {}
        self._newest = 0

    def came_with(self, position: int) -> None:
        """A request with the token `position` has come."""
        if position < self._newest:
            self._sent = {one: pos for one, pos in self._sent.items() if pos <= position}
            self._newest = position

    def has(self, room: int, user_id: str, position: int) -> bool:
        """Whether the client of a token has a user's membership event."""
        sent = self._sent.get((room, user_id))
        return sent is not None and sent <= position

    def note(self, sent: Iterable[tuple[int, str]], position: int) -> None:
        """Remember whose membership events, (room, user ID), go out with the token `position`."""
        if len(self._sent) > MEMBERS_OF_DEVICE:
            self._sent.clear()
        for member in sent:
            self._sent.setdefault(member, position)
            self._newest = max(self._newest, position)

    def forget(self, rooms: Collection[int]) -> None:
        """What was sent of these rooms counts no more."""
        if rooms:
            self._sent = {one: pos for one, pos in self._sent.items() if one[0] not in rooms}


@dataclass(slots=True)
class DeviceState:
    """What is known of a device."""

    keys: "DeviceKeys | None" = None
    confirmed: int = 0  # no message to the device waits at a log position up to this
    members: KnownMembers = field(default_factory=KnownMembers)


class SyncMemory:
    """Everything that is remembered between syncs."""

    def __init__(self) -> None:
        self.events = EventCache()
        self.users: Recent[str, UserRooms] = Recent(USERS)
        self.devices: Recent[tuple[str, str], DeviceState] = Recent(DEVICES)
        self.windows: Recent[Hashable, Window] = Recent(WINDOWS)
        self.receipts: Recent[Hashable, list[Receipt]] = Recent(WINDOWS)
        self.typing: Recent[Hashable, list[str]] = Recent(WINDOWS)
        self.filters: Recent[tuple[str, str], str] = Recent(USERS)
        # Of sliding sync:
        self.connections: Recent[tuple[int, int], Known] = Recent(2 * CONNECTIONS)
        self.connection_members: Recent[int, KnownMembers] = Recent(CONNECTIONS)
        self.room_lists: Recent[str, RoomList] = Recent(CONNECTIONS)
        self.marks: Recent[str, Marks] = Recent(CONNECTIONS)
        self.places: Recent[int, tuple[Place, int]] = Recent(ROOMS)  # with the position of the look
        self.summaries: Recent[int, tuple[Summary, int]] = Recent(ROOMS)
        self.bumps: Recent[int, tuple[int, int]] = Recent(ROOMS)
        self._loading = [threading.Lock() for _ in range(LOCKS)]

    def device(self, user_id: str, device_id: str) -> DeviceState:
        """What is known of a device."""
        return self.devices.of((user_id, device_id), DeviceState)

    def loading(self, room: int) -> threading.Lock:
        """Held while a window of a room is read, so that those who wait find it read."""
        return self._loading[room % LOCKS]
