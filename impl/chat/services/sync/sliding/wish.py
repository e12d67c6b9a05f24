"""What a request of sliding sync asks for."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from chat.protocol.errors import ChatError
from chat.services.caller import Caller
from chat.services.connection import ClientConnection

MEMBER = "m.room.member"
ALL, ME, LAZY = "*", "$ME", "$LAZY"
MOST_LISTS = MOST_SUBSCRIPTIONS = 100

_POS = re.compile(r"s([0-9]{1,18})~([0-9]{1,16})\.([0-9]{1,18})")


class UnknownPos(ChatError):
    """The connection is not known, or no longer at this point: the client begins anew."""

    errcode = "M_UNKNOWN_POS"


class Pos(NamedTuple):
    """A token: a position of the change log, and what a connection was sent (its version)."""

    pos: int
    connection: int
    version: int

    def __str__(self) -> str:
        return f"s{self.pos}~{self.connection}.{self.version}"


def parse_pos(text: str | None) -> Pos | None:
    """The token of a request; an empty one is none. Raises UnknownPos."""
    if not text:
        return None
    found = _POS.fullmatch(text)
    if found is None:
        raise UnknownPos("pos is no token that this server gave out")
    return Pos(*map(int, found.groups()))


# --- state ---


@dataclass(frozen=True, slots=True)
class Required:
    """Which state is wanted: pairs of type and state key, in which `*` stands for all.

    `lazy` wants the members that the timeline needs, and then `everything` leaves members out.
    """

    pairs: frozenset[tuple[str, str]] = frozenset()
    everything: bool = False
    lazy: bool = False

    def wants(self, kind: str, state_key: str) -> bool:
        """Whether a piece of state is asked for by its name."""
        if self.everything and not (self.lazy and kind == MEMBER):
            return True
        pairs = self.pairs
        return (kind, state_key) in pairs or (kind, ALL) in pairs or (ALL, state_key) in pairs

    @property
    def wants_all_members(self) -> bool:
        """Whether all members are asked for."""
        return (self.everything and not self.lazy) or (MEMBER, ALL) in self.pairs

    def covers(self, other: "Required") -> bool:
        """Whether everything that `other` asks for is asked for here too."""
        if other.everything and not self.everything:
            return False
        if other.wants_all_members and not self.wants_all_members:
            return False
        if other.lazy and not (self.lazy or self.wants_all_members):
            return False
        return all(self._has(kind, key) for kind, key in other.pairs)

    def _has(self, kind: str, state_key: str) -> bool:
        if kind == ALL:
            return (self.everything and not self.lazy) or (kind, state_key) in self.pairs
        return self.wants(kind, state_key)

    def joined_with(self, other: "Required") -> "Required":
        """All that either asks for."""
        members = self.wants_all_members or other.wants_all_members
        pairs = self.pairs | other.pairs
        return Required(
            pairs | {(MEMBER, ALL)} if members else pairs,
            self.everything or other.everything,
            (self.lazy or other.lazy) and not members,
        )

    def text(self) -> str:
        """The same for the same wishes."""
        return msgspec.json.encode([sorted(self.pairs), self.everything, self.lazy]).decode()

    @classmethod
    def from_text(cls, text: str) -> "Required":
        """What `text` wrote."""
        pairs, everything, lazy = msgspec.json.decode(
            text, type=tuple[list[tuple[str, str]], bool, bool]
        )
        return cls(frozenset(pairs), everything, lazy)


def required(pairs: Iterable[Sequence[str]], user_id: str) -> Required:
    """What pairs of type and state key ask for, `$ME` and `$LAZY` among them."""
    named = {(kind, user_id if key == ME else key) for kind, key in pairs}
    lazy, everything = (MEMBER, LAZY) in named, (ALL, ALL) in named
    return Required(frozenset(named - {(MEMBER, LAZY), (ALL, ALL)}), everything, lazy)


@dataclass(frozen=True, slots=True)
class RoomWish:
    """How much of a room is wanted. `limit`: events of its timeline."""

    limit: int
    required: Required

    def joined_with(self, other: "RoomWish | None") -> "RoomWish":
        """As much as either wants."""
        if other is None or other == self:
            return self
        limit = max(self.limit, other.limit)
        return RoomWish(limit, self.required.joined_with(other.required))


# --- rooms ---


@dataclass(frozen=True, slots=True)
class Filters:
    """What all rooms of a list have in common; None where it does not matter."""

    is_dm: bool | None = None
    is_encrypted: bool | None = None
    is_invite: bool | None = None
    spaces: frozenset[str] | None = None
    room_types: frozenset[str | None] | None = None
    not_room_types: frozenset[str | None] | None = None
    room_name_like: str | None = None
    tags: frozenset[str] | None = None
    not_tags: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ListWish:
    """A list of rooms. `ranges`: places, both ends included; None for all of them."""

    name: str
    ranges: tuple[tuple[int, int], ...] | None
    room: RoomWish
    filters: Filters


# --- extensions ---


@dataclass(frozen=True, slots=True)
class Scope:
    """Rooms for which an extension is wanted: of which lists, and which subscribed ones.

    None for all of them.
    """

    lists: frozenset[str] | None = None
    rooms: frozenset[str] | None = None

    def has(self, room_id: str, lists: frozenset[str], *, subscribed: bool) -> bool:
        """Whether a room on these lists is among them."""
        if lists and (self.lists is None or not self.lists.isdisjoint(lists)):
            return True
        return subscribed and (self.rooms is None or ALL in self.rooms or room_id in self.rooms)


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages to the device, after the position `since`, at most `limit`."""

    since: int | None
    limit: int


@dataclass(frozen=True, slots=True)
class Extensions:
    """Which extensions are wanted; None for not."""

    account_data: Scope | None = None
    receipts: Scope | None = None
    typing: Scope | None = None
    to_device: Messages | None = None
    e2ee: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """All that decides what an answer holds, beside the connection and its position."""

    lists: tuple[ListWish, ...] = ()
    subscriptions: tuple[tuple[str, RoomWish], ...] = ()
    extensions: Extensions = field(default_factory=Extensions)


@dataclass(frozen=True, slots=True)
class Wish:
    """A request. `timeout_ms`: how long to wait for news."""

    caller: Caller
    pos: Pos | None
    conn_id: str
    rules: Rules
    timeout_ms: int = 0
    connection: ClientConnection | None = None
