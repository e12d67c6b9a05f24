"""The rooms of a user as lists: which there are, in what order, and on which list each is.

Spec: MSC4186, "Lists and subscriptions"
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from chat.services.rooms import client_events
from chat.services.server import Server
from chat.services.sync import since
from chat.services.sync.memory import UserRooms
from chat.services.sync.sliding.wish import Filters, ListWish, RoomWish, Rules
from chat.storage import rooms, sliding, sync
from chat.storage.engine import Transaction
from chat.storage.rooms import LocalMember, Summary
from chat.storage.sliding import Place
from chat.storage.streams import Kind

DIRECT, TAG = "m.direct", "m.tag"
SPACE_CHILD = "m.space.child"
NOT_MOVED = 10_000  # positions after which it is noted anew that nothing happened in a room
HERE = frozenset({"join", "invite", "knock"})


@dataclass(frozen=True, slots=True)
class RoomList:
    """The memberships of a user by room, as of a log position.

    `removed`: rooms that the user was in until somebody else ended that.
    """

    members: dict[int, LocalMember]
    removed: frozenset[int]
    as_of: int


@dataclass(frozen=True, slots=True)
class Marks:
    """What the user said of rooms, as of a log position: direct chats, and tags by room."""

    direct: frozenset[str]
    tags: dict[int, frozenset[str]]
    as_of: int


# --- what is read, and remembered ---


def room_list(tx: Transaction, server: Server, user_id: str, head: int) -> RoomList:
    """The memberships of a user."""
    known = server.sync.room_lists.get(user_id)
    if known is not None and _unchanged(server, user_id, known.as_of, head, Kind.MEMBERSHIP):
        return known
    members = {member.room: member for member in rooms.memberships(tx, user_id)}
    removed = [members[room] for room in sliding.removals(tx, user_id) if room in members]
    stays = since.stays(tx, server, user_id, {member.room: 0 for member in removed})
    been_in = frozenset(room for room, stay in stays.items() if stay.end is not None)
    found = RoomList(members, been_in, head)
    server.sync.room_lists.put(user_id, found)
    return found


def marks(tx: Transaction, server: Server, user_id: str, head: int) -> Marks:
    """What the user said of rooms."""
    known = server.sync.marks.get(user_id)
    if known is not None and _unchanged(server, user_id, known.as_of, head, Kind.ACCOUNT_DATA):
        return known
    direct = sliding.account_data_of_type(tx, user_id, DIRECT)
    tags = sliding.account_data_of_type(tx, user_id, TAG)
    found = Marks(
        frozenset(room_id for _, content in direct for room_id in _direct_rooms(content)),
        {room: _tags(content) for room, content in tags},
        head,
    )
    server.sync.marks.put(user_id, found)
    return found


def _direct_rooms(content: str) -> Iterable[str]:
    for listed in msgspec.json.decode(content).values():
        if isinstance(listed, list):
            yield from (one for one in listed if isinstance(one, str))


def _tags(content: str) -> frozenset[str]:
    tags = msgspec.json.decode(content).get("tags")
    return frozenset(tags) if isinstance(tags, dict) else frozenset()


def _unchanged(server: Server, user_id: str, as_of: int, head: int, kind: Kind) -> bool:
    """Whether nothing of this kind happened to the user between two positions, or after them."""
    tail = server.notifier.tail
    if min(as_of, head) < tail.floor or head > tail.position:
        return as_of == head
    changes = tail.since(user_id, min(as_of, head))
    return not any(change.kind is kind for change in changes)


def places(
    tx: Transaction, server: Server, numbers: Collection[int], head: int
) -> dict[int, Place]:
    """When something last happened in rooms, up to a position that nobody has to wait for."""
    kept, tail = server.sync.places, server.notifier.tail
    found, missing = {}, []
    for room in numbers:
        known = kept.get(room)
        if known is None or known[1] < tail.floor or tail.position < head:
            missing.append(room)
            continue
        place, as_of = known
        changes = tail.since(room, as_of, head)
        for change in changes:
            if change.kind is Kind.EVENT:
                place = place._replace(event=change.pos)
            elif change.kind is Kind.RECEIPT:
                place = place._replace(receipt=change.pos)
        found[room] = place
        if changes or head - as_of > NOT_MOVED:
            kept.put(room, (place, max(head, as_of)))
    if missing:
        read = sliding.places(tx, missing, head)
        for room, place in read.items():
            kept.put(room, (place, head))
        found |= read
    return found


def summaries(
    tx: Transaction, server: Server, numbers: Collection[int], where: Mapping[int, Place], head: int
) -> dict[int, Summary]:
    """The summaries of rooms; `where`: when something last happened in those that change."""
    kept = server.sync.summaries
    found, missing = {}, []
    for room in numbers:
        known, place = kept.get(room), where.get(room)
        if known is None or place is None or place.event > known[1]:
            missing.append(room)
        else:
            found[room] = known[0]
    if missing:
        read = rooms.summaries(tx, missing)
        for room, one in read.items():
            kept.put(room, (one, head))
        found |= read
    return found


# --- lists ---


@dataclass(slots=True)
class Relevant:
    """A room that the request asks about, how, and why."""

    member: LocalMember
    wish: RoomWish
    lists: set[str] = field(default_factory=set)
    subscribed: bool = False


@dataclass(slots=True)
class Chosen:
    """The rooms that a request asks about, and how long its lists are.

    `places`: when something last happened, of rooms where the user is.
    """

    rooms: dict[int, Relevant]
    counts: dict[str, int]
    places: dict[int, Place]
    known: RoomList
    marks: Marks


class Chooser:
    """Finds the rooms that the lists and subscriptions of a request mean."""

    def __init__(
        self,
        tx: Transaction,
        server: Server,
        user_id: str,
        user: UserRooms,
        sent: Collection[int],
        head: int,
    ) -> None:
        self._tx = tx
        self._server = server
        self._user_id = user_id
        self._user = user
        self._sent = sent
        self._head = head
        self._known = room_list(tx, server, user_id, head)
        self._marks = marks(tx, server, user_id, head)
        members = self._known.members
        joined = [one.room for one in members.values() if one.membership == "join"]
        self._places = places(tx, server, joined, head)

    def choose(self, rules: Rules) -> Chosen:
        """The rooms that these rules mean."""
        members = self._known.members
        relevant: dict[int, Relevant] = {}
        counts = {}
        listed = self._listed() if rules.lists else []
        for one in rules.lists:
            matching = self._filtered(listed, one.filters)
            counts[one.name] = len(matching)
            for room in _in_ranges(matching, one):
                self._add(relevant, members[room], one.room).lists.add(one.name)
        by_id = (
            {member.room_id: member for member in members.values()} if (rules.subscriptions) else {}
        )
        for room_id, wish in rules.subscriptions:
            member = by_id.get(room_id)
            if member is not None and self._may_see(member):
                self._add(relevant, member, wish).subscribed = True
        return Chosen(relevant, counts, self._places, self._known, self._marks)

    def _add(self, relevant: dict[int, Relevant], member: LocalMember, wish: RoomWish) -> Relevant:
        found = relevant.get(member.room)
        if found is None:
            found = relevant[member.room] = Relevant(member, wish)
        else:
            found.wish = wish.joined_with(found.wish)
        return found

    def _may_see(self, member: LocalMember) -> bool:
        """Whether the user is in the room, is asked to be, or was in it and knows it."""
        if member.membership == "invite":
            return bool(since.wanted_invites(self._tx, [member], self._user))
        here = member.membership in HERE
        return here or member.room in self._known.removed or member.room in self._sent

    def _listed(self) -> list[int]:
        """All rooms that a list may have, in their order: that with the newest event first."""
        members = [one for one in self._known.members.values() if self._may_see(one)]
        when = {one.room: self._when(one) for one in members}
        return sorted(when, key=lambda room: (-when[room], room))

    def _when(self, member: LocalMember) -> int:
        place = self._places.get(member.room)
        return member.pos if place is None else place.event

    # filters

    def _filtered(self, listed: Sequence[int], filters: Filters) -> Sequence[int]:
        found = listed
        if filters.is_invite is not None:
            members = self._known.members
            found = [
                room
                for room in found
                if (members[room].membership == "invite") is filters.is_invite
            ]
        found = self._by_marks(found, filters)
        if filters.spaces is not None:
            children = self._children(filters.spaces)
            found = [room for room in found if self._known.members[room].room_id in children]
        return self._by_summary(found, filters)

    def _by_marks(self, found: Sequence[int], filters: Filters) -> Sequence[int]:
        tags, members = self._marks.tags, self._known.members
        none: frozenset[str] = frozenset()
        if filters.is_dm is not None:
            found = [
                room
                for room in found
                if (members[room].room_id in self._marks.direct) is filters.is_dm
            ]
        if filters.tags is not None:
            found = [room for room in found if not filters.tags.isdisjoint(tags.get(room, none))]
        if filters.not_tags is not None:
            found = [room for room in found if filters.not_tags.isdisjoint(tags.get(room, none))]
        return found

    def _by_summary(self, found: Sequence[int], filters: Filters) -> Sequence[int]:
        wanted = (
            filters.is_encrypted,
            filters.room_types,
            filters.not_room_types,
            filters.room_name_like,
        )
        if all(one is None for one in wanted) or not found:
            return found
        known = summaries(self._tx, self._server, found, self._places, self._head)
        return [room for room in found if room in known and _matches(known[room], filters)]

    def _children(self, space_ids: Collection[str]) -> set[str]:
        """The rooms that are children of spaces in which the user is."""
        spaces = [
            one.room
            for one in self._known.members.values()
            if one.room_id in space_ids and one.membership == "join"
        ]
        rows = sync.current_of_type(self._tx, spaces, SPACE_CHILD) if spaces else []
        shown = client_events.load(self._tx, self._server.sync.events, rows)
        return {one.state_key or "" for one in shown.values() if _is_child(one.content)}


def _is_child(content: bytes) -> bool:
    """Whether the content of an m.space.child names a child, and does not take it back."""
    via = msgspec.json.decode(content).get("via")
    return isinstance(via, list) and bool(via)


def _matches(room: Summary, filters: Filters) -> bool:
    if filters.is_encrypted is not None and (room.encryption is not None) != filters.is_encrypted:
        return False
    if filters.room_types is not None and room.room_type not in filters.room_types:
        return False
    if filters.not_room_types is not None and room.room_type in filters.not_room_types:
        return False
    like = filters.room_name_like
    return like is None or like.casefold() in (room.name or room.canonical_alias or "").casefold()


def _in_ranges(listed: Sequence[int], wish: ListWish) -> Iterable[int]:
    if wish.ranges is None:
        return listed
    places = {
        place for first, last in wish.ranges for place in range(first, min(last + 1, len(listed)))
    }
    return [listed[place] for place in sorted(places)]
