"""The recent part of the change log in memory, by room and by user."""

from collections import deque
from collections.abc import Collection, Iterable
from itertools import islice

from chat.storage.streams import PERSONAL, STARTED, Kind, LoggedChange

CHANGES = 50_000

Name = int | str  # a room's number, or a user ID for what concerns nobody else
EVERYBODY = 0  # in place of a room, for what may concern anybody: presence


class Tail:
    """Everything that the log holds at positions in (floor, position].

    `typists` are the users of whom it was logged since the start that they began to type, and not
    that they ended, with the rooms in question.
    """

    def __init__(self, capacity: int = CHANGES) -> None:
        self.floor = 0
        self.position = 0
        self.typists: dict[str, set[int]] = {}
        self._capacity = capacity
        self._all: deque[LoggedChange] = deque()
        self._of: dict[Name, deque[LoggedChange]] = {}

    def start(self, position: int) -> None:
        """Begin anew, knowing nothing up to a position."""
        self._all.clear()
        self._of.clear()
        self.floor = self.position = position

    def record(self, changes: Iterable[LoggedChange]) -> None:
        """Take in changes in the order of the log; those that are known already do nothing."""
        for change in changes:
            name = concerned(change)
            if change.pos > self.position:
                self.position = change.pos
                if name is not None:
                    self._all.append(change)
                    self._of.setdefault(name, deque()).append(change)
                if change.kind is Kind.TYPING:
                    self._note_typing(change.user_id or "", change.room or 0, change.ref)
        while len(self._all) > self._capacity:
            self._forget(self._all.popleft())

    def _note_typing(self, user_id: str, room: int, what: int | None) -> None:
        rooms = self.typists.setdefault(user_id, set())
        if what == STARTED:
            rooms.add(room)
        else:
            rooms.discard(room)
        if not rooms:
            del self.typists[user_id]

    def _forget(self, change: LoggedChange) -> None:
        name = concerned(change)
        assert name is not None
        self.floor = change.pos
        of_name = self._of[name]
        of_name.popleft()
        if not of_name:
            del self._of[name]

    def since(self, name: Name, position: int, upto: int | None = None) -> tuple[LoggedChange, ...]:
        """The changes of a room or user after a position that is not below the floor.

        `upto` is needed beside a snapshot of the database: the tail may know of later changes,
        which the snapshot does not show.
        """
        of_name = self._of.get(name)
        if of_name is None or of_name[-1].pos <= position:
            return ()
        found = []
        for change in reversed(of_name):
            if change.pos <= position:
                break
            if upto is None or change.pos <= upto:
                found.append(change)
        return tuple(reversed(found))

    def since_in(
        self, rooms: Collection[int], position: int, upto: int
    ) -> dict[int, tuple[LoggedChange, ...]]:
        """The changes of these rooms at positions in (position, upto], of those that changed.

        Looks at what changed or at the rooms, whichever is less.
        """
        count = self.position - position
        if count > len(rooms):
            return {room: found for room in rooms if (found := self.since(room, position, upto))}
        grouped: dict[int, list[LoggedChange]] = {}
        for change in reversed(list(islice(reversed(self._all), count))):
            room = concerned(change)
            if isinstance(room, int) and room in rooms and position < change.pos <= upto:
                grouped.setdefault(room, []).append(change)
        return {room: tuple(changes) for room, changes in grouped.items()}


def concerned(change: LoggedChange) -> Name | None:
    """The room, or the one user, whose syncs a change concerns."""
    if change.kind is Kind.SESSIONS:
        return None
    if change.kind is Kind.PRESENCE:
        return EVERYBODY
    if change.kind in PERSONAL or change.room is None:
        return change.user_id
    return change.room
