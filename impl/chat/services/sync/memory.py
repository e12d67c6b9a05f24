"""What syncs of one process remember, so that most of them ask the database little or nothing.

Nothing here decides: whatever is missing or too old is read again.
"""

import threading
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chat.services.rooms.client_events import EventCache
from chat.services.unread import UnreadMemory
from chat.storage.caches import Cache, Caches
from chat.storage.receipts import Receipt

if TYPE_CHECKING:
    from chat.services.sync.extras import DeviceKeys
    from chat.services.sync.sliding.connections import Known
    from chat.services.sync.sliding.room_list import Marks, RoomList
    from chat.services.sync.timeline import Window
    from chat.storage.presence import Shown
    from chat.storage.rooms import Summary
    from chat.storage.sliding import Place

MEMBERS_OF_DEVICE = 5_000
LOCKS = 64


@dataclass(slots=True)
class UserRooms:
    """The rooms to which a user is joined, and whom they ignore, as of a log position."""

    joined: dict[int, str]  # number → ID
    ignored: frozenset[str]
    blocks_invites: bool
    as_of: int


class KnownMembers:
    """Whose membership events a client was sent, and with which token each came.

    A token that comes again was perhaps not the client's last: what went out after it may never
    have arrived, so it is forgotten.
    """

    def __init__(self) -> None:
        self._sent: dict[tuple[int, str], int] = {}
        self._newest = 0

    def __len__(self) -> int:
        return len(self._sent)

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


class News:
    """Of which people was told at once, with the rooms to which each was joined."""

    def __init__(self, people: "list[tuple[Shown, frozenset[int]]]") -> None:
        self.people = people
        self._users = {one.user_id for one, _ in people}
        self._rooms = frozenset().union(*(rooms for _, rooms in people))

    def concerns(self, user_id: str, joined: Collection[int]) -> bool:
        """Whether the user, or somebody in one of these rooms, is among them."""
        return user_id in self._users or not self._rooms.isdisjoint(joined)

    @property
    def size_bytes(self) -> int:
        """About how much memory this takes."""
        return 300 + sum(400 + 70 * len(rooms) for _, rooms in self.people)


MIB = 1024 * 1024
ROOM_BYTES = 150  # of a room in a user's list
MEMBER_BYTES = 200  # of a membership that a client was sent
EVENT_BYTES = 120  # of an event in a window; the event itself is the event cache's


class SyncMemory:
    """Everything that is remembered between syncs."""

    def __init__(self, caches: Caches) -> None:
        make = caches.make
        self.events = EventCache(caches)
        self.users: Cache[str, UserRooms] = make("users", 32 * MIB, _size_of_rooms)
        self.devices: Cache[tuple[str, str], DeviceState] = make(
            "devices", 64 * MIB, _size_of_device
        )
        self.windows: Cache[Hashable, Window] = make("windows", 32 * MIB, _size_of_window)
        self.receipts: Cache[Hashable, list[Receipt]] = make(
            "receipts", 8 * MIB, lambda found: 300 * len(found)
        )
        self.typing: Cache[Hashable, list[str]] = make(
            "typing", 2 * MIB, lambda users: 120 * len(users)
        )
        self.unread = UnreadMemory(caches)
        self.presence: Cache[int, News] = make("presence", 16 * MIB, lambda one: one.size_bytes)
        self.filters: Cache[tuple[str, str], str] = make("filters", 16 * MIB, len)
        # Of sliding sync:
        self.connections: Cache[tuple[int, int], Known] = make(
            "connections", 32 * MIB, _size_of_connection
        )
        self.connection_members: Cache[int, KnownMembers] = make(
            "connection_members", 32 * MIB, _size_of_members
        )
        self.room_lists: Cache[str, RoomList] = make(
            "room_lists", 32 * MIB, lambda one: 2 * ROOM_BYTES * len(one.members)
        )
        self.marks: Cache[str, Marks] = make(
            "marks", 8 * MIB, lambda one: ROOM_BYTES * (len(one.direct) + 2 * len(one.tags))
        )
        # With the position of the look:
        self.places: Cache[int, tuple[Place, int]] = make("places", 32 * MIB, lambda _: 200)
        self.summaries: Cache[int, tuple[Summary, int]] = make("summaries", 64 * MIB, lambda _: 800)
        self.bumps: Cache[int, tuple[int, int]] = make("bumps", 32 * MIB, lambda _: 150)
        self._loading = [threading.Lock() for _ in range(LOCKS)]

    def device(self, user_id: str, device_id: str) -> DeviceState:
        """What is known of a device."""
        return self.devices.of((user_id, device_id), DeviceState)

    def note_members(
        self, user_id: str, device_id: str, sent: Collection[tuple[int, str]], position: int
    ) -> None:
        """Remember for a device what `KnownMembers.note` is to be told."""
        if sent:
            self.device(user_id, device_id).members.note(sent, position)
            self.devices.measure((user_id, device_id))

    def loading(self, room: int) -> threading.Lock:
        """Held while a window of a room is read, so that those who wait find it read."""
        return self._loading[room % LOCKS]


def _size_of_rooms(user: UserRooms) -> int:
    return 200 + ROOM_BYTES * len(user.joined) + 120 * len(user.ignored)


def _size_of_members(members: KnownMembers) -> int:
    return 100 + MEMBER_BYTES * len(members)


def _size_of_device(device: DeviceState) -> int:
    return 600 + _size_of_members(device.members)


def _size_of_window(window: "Window") -> int:
    return 1_000 + EVENT_BYTES * len(window.shown)


def _size_of_connection(known: "Known") -> int:
    return 600 + ROOM_BYTES * len(known.rooms) + sum(map(len, known.configs))
