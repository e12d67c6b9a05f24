"""The rooms of a space, and of the spaces in it.

The walk goes depth first, each room once, in the order that the spec gives to children. It depends
on nothing but the rooms, so a page goes on where another ended by walking there again: a token
names the room that came last. What one request may look at is bounded.

Spec: client-server-api/#spaces
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from chat.protocol.errors import Forbidden, InvalidParam
from chat.services.caller import Caller
from chat.services.rooms import client_events
from chat.services.rooms.client_events import ClientEvent, EventCache
from chat.services.rooms.outlook import Outlook, outlooks
from chat.services.server import Server
from chat.storage import room_lists
from chat.storage.engine import Transaction

SPACE = "m.space"
DEFAULT_PAGE = 50
MAX_PAGE = 100
MAX_DEPTH = 50
MAX_CHILDREN = 2_000  # of one space
MAX_ROOMS = 5_000  # of one walk

_TOKEN = re.compile(r"h(\d{1,18})_(\d{1,3})_([01])")
_ORDER = re.compile(r"[\x20-\x7e]{1,50}")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which part of the hierarchy is wanted."""

    suggested_only: bool = False
    max_depth: int | None = None
    limit: int | None = None
    start: str | None = None


class Place(NamedTuple):
    """A room of the walk, with the links to its children in their order."""

    room: Outlook
    children: Sequence[ClientEvent]


class Page(NamedTuple):
    """Some of the rooms; `end` is None where no more follow."""

    places: list[Place]
    end: str | None


class _Link(msgspec.Struct):
    """What of the content of an `m.space.child` is looked at."""

    via: object = None
    order: object = None
    suggested: object = None


_decode_link = msgspec.json.Decoder(_Link).decode


def walk(server: Server, caller: Caller, room_id: str, wish: Wish) -> Page:
    """A page of the hierarchy below a room, which comes first.

    Raises Forbidden where the caller may not look at it or nobody knows it, InvalidParam for a
    token that is none, or is one of another wish.
    """
    depth = MAX_DEPTH if wish.max_depth is None else min(wish.max_depth, MAX_DEPTH)
    last = _read_token(wish, depth)
    limit = max(1, min(DEFAULT_PAGE if wish.limit is None else wish.limit, MAX_PAGE))

    def work(tx: Transaction) -> Page:
        root = outlooks(tx, caller.user_id, [room_id]).get(room_id)
        if root is None:
            raise Forbidden("You may not see this room")
        walker = _Walker(tx, server.sync.events, caller.user_id, depth, wish.suggested_only)
        return _page(walker.places(root), last, limit, f"{depth}_{int(wish.suggested_only)}")

    return server.store.read(work)


def _page(places: Iterator[Place], last: int | None, limit: int, wish: str) -> Page:
    if last is not None and all(place.room.summary.room != last for place in places):
        raise InvalidParam("The hierarchy is another by now; begin again")
    found: list[Place] = []
    for place in places:
        if len(found) == limit:
            return Page(found, f"h{found[-1].room.summary.room}_{wish}")
        found.append(place)
    return Page(found, None)


def _read_token(wish: Wish, depth: int) -> int | None:
    """The number of the room after which to go on. Raises InvalidParam."""
    if not wish.start:
        return None
    found = _TOKEN.fullmatch(wish.start)
    if found is None:
        raise InvalidParam("This is no token of a hierarchy")
    if (int(found[2]), found[3]) != (depth, str(int(wish.suggested_only))):
        raise InvalidParam("max_depth and suggested_only must stay the same from page to page")
    return int(found[1])


class _Walker:
    """Walks for one user in one snapshot."""

    def __init__(
        self,
        tx: Transaction,
        cache: EventCache,
        user_id: str,
        max_depth: int,
        suggested_only: bool,
    ) -> None:
        self._tx = tx
        self._cache = cache
        self._user_id = user_id
        self._max_depth = max_depth
        self._suggested_only = suggested_only

    def places(self, root: Outlook) -> Iterator[Place]:
        """Every room that the user may look at, the root first."""
        seen = {root.summary.room_id}
        waiting = [(root, 0)]  # the next one last
        while waiting and len(seen) <= MAX_ROOMS:
            room, depth = waiting.pop()
            links = self._links(room)
            yield Place(room, links)
            if depth == self._max_depth:
                continue
            new = [
                link.state_key for link in links if link.state_key and link.state_key not in seen
            ]
            found = outlooks(self._tx, self._user_id, new) if new else {}
            seen |= found.keys()
            waiting += [
                (found[room_id], depth + 1) for room_id in reversed(new) if room_id in found
            ]

    def _links(self, room: Outlook) -> list[ClientEvent]:
        """The valid links from a space to its children."""
        if room.summary.room_type != SPACE:
            return []
        rows = room_lists.children(self._tx, room.summary.room, MAX_CHILDREN)
        loaded = client_events.load(self._tx, self._cache, rows)
        decoded = [(loaded[row.ev], _decode_link(loaded[row.ev].content)) for row in rows]
        links = [
            (_place(event, link), event)
            for event, link in decoded
            if self._follows(link) and (event.state_key or "").startswith("!")
        ]
        return [event for _, event in sorted(links, key=lambda pair: pair[0])]

    def _follows(self, link: _Link) -> bool:
        if not isinstance(link.via, list) or not all(isinstance(one, str) for one in link.via):
            return False  # no longer a child
        return not self._suggested_only or link.suggested is True


def _place(event: ClientEvent, link: _Link) -> tuple[bool, str, int, str]:
    """Where a link stands among its siblings.

    Spec: client-server-api/#ordering-of-children-within-a-space
    """
    order = link.order if isinstance(link.order, str) and _ORDER.fullmatch(link.order) else None
    return order is None, order or "", event.origin_server_ts, event.state_key or ""
