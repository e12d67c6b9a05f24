"""Rooms: their rows, local members, aliases and the public directory.

Writing to a room needs its lock (`lock`). `local_member` and `room_summary` follow from the current
state and change with it, in the same transaction.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from chat.protocol.identifiers import EventId
from chat.storage.engine import Row, Transaction, Value
from chat.storage.positions import Position
from chat.storage.state import IMPORTED


class Tip(NamedTuple):
    """A forward extremity: an event that no event follows yet."""

    event_id: EventId
    depth: int


class Room(NamedTuple):
    """A room: `main_line` and `head` locate its current state (see state.py).

    Whatever is shown of it stays the same while neither `head` nor `redactions` changes, but for
    new messages. `related` says whether events relate to others (1), and form threads (2);
    `custom_rules` whether members may have push rules of their own.
    """

    room: int
    room_id: str
    version: str
    main_line: int
    head: int
    tips: tuple[Tip, ...]
    imported: bool
    redactions: int
    related: int = 0
    custom_rules: bool = False


class LocalMember(NamedTuple):
    """The membership of a user of this server; `pos` is when it was last changed."""

    user_id: str
    room: int
    room_id: str
    membership: str
    ev: int
    pos: int
    forgotten: bool


_ROOM = (
    "r.room, r.room_id, r.version, r.main_line, r.head, r.tips, r.imported, r.redactions,"
    " r.related, r.custom_rules"
)
_ROOM_WIDTH = len(Room._fields)


def _room(row: Row) -> Room:
    room, room_id, version, main_line, head, tips, imported, redactions, related, custom = row
    parsed = tuple(Tip(EventId(event_id), depth) for event_id, depth in json.loads(tips))
    flags = bool(imported), redactions, related, bool(custom)
    return Room(room, room_id, version, main_line, head, parsed, *flags)


def find(tx: Transaction, room_id: str) -> int | None:
    """The number of a room, or None where it is not known."""
    row = tx.row("SELECT room FROM room WHERE room_id = :room_id", room_id=room_id)
    return row[0] if row else None


def get(tx: Transaction, room_id: str) -> Room | None:
    """The room, or None where it is not known."""
    row = tx.row(f"SELECT {_ROOM} FROM room r WHERE r.room_id = :room_id", room_id=room_id)  # noqa: S608 - columns
    return _room(row) if row else None


class Seen(NamedTuple):
    """A room and what one user of this server is to it; None for a user it never heard of."""

    room: Room
    member: LocalMember | None
    join_rule: str | None
    history_visibility: str | None

    @property
    def membership(self) -> str:
        """The user's membership, `leave` where there is none."""
        return "leave" if self.member is None else self.member.membership


def seen(tx: Transaction, user_id: str, room_id: str) -> Seen | None:
    """The room with the membership of a user, or None where it is not known."""
    row = tx.row(
        f"SELECT {_ROOM}, s.join_rule, s.history_visibility, m.membership, m.ev, m.pos, m.forgotten"  # noqa: S608 - columns
        " FROM room r JOIN room_summary s ON s.room = r.room"
        " LEFT JOIN local_member m ON m.room = r.room AND m.user_id = :user_id"
        " WHERE r.room_id = :room_id",
        user_id=user_id,
        room_id=room_id,
    )
    if row is None:
        return None
    room = _room(row[:_ROOM_WIDTH])
    join_rule, history_visibility, membership, ev, pos, forgotten = row[_ROOM_WIDTH:]
    member = None
    if membership is not None:
        member = LocalMember(user_id, room.room, room_id, membership, ev, pos, bool(forgotten))
    return Seen(room, member, join_rule, history_visibility)


def ids(tx: Transaction, rooms: Collection[int]) -> dict[int, str]:
    """Room IDs by number."""
    found = tx.rows("SELECT room, room_id FROM room WHERE room = ANY(:rooms)", rooms=list(rooms))
    return dict(found)


def versions(tx: Transaction, rooms: Collection[int]) -> dict[int, str]:
    """Room versions by number."""
    found = tx.rows("SELECT room, version FROM room WHERE room = ANY(:rooms)", rooms=list(rooms))
    return dict(found)


def lock(tx: Transaction, room_ids: Collection[str]) -> dict[str, Room]:
    """The known rooms among these, locked until the commit, in one order for everybody."""
    rows = tx.rows(
        f"SELECT {_ROOM} FROM room r WHERE r.room_id = ANY(:ids) ORDER BY r.room FOR NO KEY UPDATE",  # noqa: S608 - columns
        ids=list(room_ids),
    )
    return {row[1]: _room(row) for row in rows}


def create(tx: Transaction, room_id: str, version: str) -> Room | None:
    """A new room without state, locked since nobody else can see it; None where the ID is taken."""
    (number,), (line,) = tx.numbers("room", 1), tx.numbers("line", 1)
    made = tx.run(
        "INSERT INTO room (room, room_id, version, main_line, head, tips)"
        " VALUES (:room, :room_id, :version, :line, :head, '[]') ON CONFLICT (room_id) DO NOTHING",
        room=number,
        room_id=room_id,
        version=version,
        line=line,
        head=IMPORTED,
    )
    if not made:
        return None
    tx.insert("room_summary", ("room",), [(number,)])
    return Room(number, room_id, version, line, IMPORTED, (), False, 0)


def move(tx: Transaction, changed: Sequence[Room]) -> None:
    """Store what events change of the rows of rooms."""
    tx.do(
        "UPDATE room SET head = w.head, tips = w.tips, redactions = w.redactions"
        " FROM ROWS(:rows AS room bigint, head int, tips text, redactions int) w"
        " WHERE room.room = w.room",
        rows=[(room.room, room.head, json.dumps(room.tips), room.redactions) for room in changed],
    )


# --- what follows from the current state ---

SUMMARY_FIELDS = (
    "name",
    "topic",
    "canonical_alias",
    "avatar_url",
    "join_rule",
    "history_visibility",
    "guest_access",
    "room_type",
    "encryption",
)


class Summary(NamedTuple):
    """What the current state says about a room, for lists of rooms."""

    room: int
    room_id: str
    joined: int
    invited: int
    name: str | None
    topic: str | None
    canonical_alias: str | None
    avatar_url: str | None
    join_rule: str | None
    history_visibility: str | None
    guest_access: str | None
    room_type: str | None
    encryption: str | None


_SUMMARY = "s.room, r.room_id, " + ", ".join(f"s.{field}" for field in Summary._fields[2:])


def summaries(tx: Transaction, rooms: Collection[int]) -> dict[int, Summary]:
    """The summaries of rooms, by number."""
    rows = tx.rows(
        f"SELECT {_SUMMARY} FROM room_summary s JOIN room r ON r.room = s.room"  # noqa: S608 - columns
        " WHERE s.room = ANY(:rooms)",
        rooms=list(rooms),
    )
    return {row[0]: Summary(*row) for row in rows}


def summarise(tx: Transaction, room: int, fields: Mapping[str, str | None]) -> None:
    """Set fields of a summary: names of SUMMARY_FIELDS to their new values."""
    assert fields.keys() <= set(SUMMARY_FIELDS)
    assignments = ", ".join(f"{name} = :{name}" for name in sorted(fields))
    tx.do(
        f"UPDATE room_summary SET {assignments} WHERE room = :room",  # noqa: S608 - checked above
        room=room,
        **fields,
    )


def count_members(tx: Transaction, changes: Mapping[int, tuple[int, int]]) -> None:
    """Add to the numbers of (joined, invited) members of rooms."""
    tx.do(
        "UPDATE room_summary SET joined = room_summary.joined + w.joined,"
        " invited = room_summary.invited + w.invited"
        " FROM ROWS(:rows AS room bigint, joined int, invited int) w"
        " WHERE room_summary.room = w.room",
        rows=[(room, joined, invited) for room, (joined, invited) in changes.items()],
    )


# --- members ---

_MEMBER = "m.user_id, m.room, r.room_id, m.membership, m.ev, m.pos, m.forgotten"


def _member(row: Row) -> LocalMember:
    user_id, room, room_id, membership, ev, pos, forgotten = row
    return LocalMember(user_id, room, room_id, membership, ev, pos, bool(forgotten))


def set_local_members(
    tx: Transaction, members: Sequence[LocalMember], pos_of: Mapping[int, Position]
) -> None:
    """Store memberships of users of this server; of several for one user and room, the last.

    `pos_of` has the position of each member's event.
    """
    latest = {(member.user_id, member.room): member for member in members}
    tx.do(
        "INSERT INTO local_member (user_id, room, membership, ev, pos, forgotten)"
        " SELECT w.user_id, w.room, w.membership, w.ev, w.pos, 0 FROM ROWS(:rows AS"
        " user_id text, room bigint, membership text, ev bigint, pos bigint) w"
        " WHERE true ON CONFLICT (user_id, room) DO UPDATE SET membership = excluded.membership,"
        " ev = excluded.ev, pos = excluded.pos, forgotten = 0",
        rows=[(m.user_id, m.room, m.membership, m.ev, pos_of[m.ev]) for m in latest.values()],
    )


def local_member(tx: Transaction, user_id: str, room_id: str) -> LocalMember | None:
    """The membership of a user of this server, or None where there never was one."""
    row = tx.row(
        f"SELECT {_MEMBER} FROM room r JOIN local_member m ON m.room = r.room"  # noqa: S608 - columns
        " WHERE r.room_id = :room_id AND m.user_id = :user_id",
        room_id=room_id,
        user_id=user_id,
    )
    return _member(row) if row else None


def memberships(
    tx: Transaction, user_id: str, kinds: Collection[str] | None = None
) -> list[LocalMember]:
    """All memberships of a user of this server, or those of the given kinds; forgotten ones too."""
    narrow = "" if kinds is None else " AND m.membership = ANY(:kinds)"
    params = {} if kinds is None else {"kinds": list(kinds)}
    rows = tx.rows(
        f"SELECT {_MEMBER} FROM local_member m JOIN room r ON r.room = m.room"  # noqa: S608 - columns
        f" WHERE m.user_id = :user_id{narrow}",
        user_id=user_id,
        **params,
    )
    return [_member(row) for row in rows]


def local_users(tx: Transaction, room: int, membership: str = "join") -> list[str]:
    """Users of this server with a membership in a room."""
    rows = tx.rows(
        "SELECT user_id FROM local_member WHERE room = :room AND membership = :membership"
        " ORDER BY user_id",
        room=room,
        membership=membership,
    )
    return [user_id for (user_id,) in rows]


def forget(tx: Transaction, user_id: str, room: int) -> None:
    """The user does not want to see the room, which they left, again."""
    tx.do(
        "UPDATE local_member SET forgotten = 1 WHERE user_id = :user_id AND room = :room",
        user_id=user_id,
        room=room,
    )


# --- aliases and the public directory ---


def resolve_alias(tx: Transaction, alias: str) -> tuple[int, str, str] | None:
    """(room, room ID, creator) of a local alias, or None."""
    row = tx.row(
        "SELECT a.room, r.room_id, a.creator FROM room_alias a JOIN room r ON r.room = a.room"
        " WHERE a.alias = :alias",
        alias=alias,
    )
    return (row[0], row[1], row[2]) if row else None


def add_alias(tx: Transaction, alias: str, room: int, creator: str) -> bool:
    """Give a room an alias; False where somebody was faster."""
    added = tx.run(
        "INSERT INTO room_alias (alias, room, creator) VALUES (:alias, :room, :creator)"
        " ON CONFLICT (alias) DO NOTHING",
        alias=alias,
        room=room,
        creator=creator,
    )
    return added > 0


def remove_alias(tx: Transaction, alias: str) -> bool:
    """Free an alias; False where nobody had it."""
    return tx.run("DELETE FROM room_alias WHERE alias = :alias", alias=alias) > 0


def aliases(tx: Transaction, room: int) -> list[str]:
    """The local aliases of a room."""
    rows = tx.rows("SELECT alias FROM room_alias WHERE room = :room ORDER BY alias", room=room)
    return [alias for (alias,) in rows]


def is_published(tx: Transaction, room: int) -> bool:
    """Whether the public directory lists the room."""
    return tx.row("SELECT 1 FROM published_room WHERE room = :room", room=room) is not None


def publish(tx: Transaction, room: int, *, published: bool) -> None:
    """List a room in the public directory, or no longer."""
    if published:
        tx.do(
            "INSERT INTO published_room (room) VALUES (:room) ON CONFLICT (room) DO NOTHING",
            room=room,
        )
    else:
        tx.do("DELETE FROM published_room WHERE room = :room", room=room)


def published(
    tx: Transaction,
    after: tuple[int, int] | None,
    before: tuple[int, int] | None,
    term: str | None,
    room_types: Sequence[str | None] | None,
    limit: int,
) -> list[Summary]:
    """A page of the public directory: most members first, then the oldest room.

    `after` and `before` are (joined, room) of the entry that the page follows or precedes; a page
    before an entry is given in reverse. `term` is looked for in name, topic and alias without
    regard to ASCII case. `room_types`: None in it stands for rooms without a type.
    """
    where, params = _directory_filter(term, room_types)
    ascending = before is not None
    mark = before if ascending else after
    if mark is not None:
        sign = "<" if ascending else ">"
        where += f" AND (-s.joined, s.room) {sign} (:joined, :room)"
        params |= {"joined": -mark[0], "room": mark[1]}
    order = "DESC" if ascending else "ASC"
    rows = tx.rows(
        f"SELECT {_SUMMARY} FROM published_room p JOIN room_summary s ON s.room = p.room"  # noqa: S608 - columns, constants
        f" JOIN room r ON r.room = p.room WHERE {where}"
        f" ORDER BY -s.joined {order}, s.room {order} LIMIT :limit",
        limit=limit,
        **params,
    )
    return [Summary(*row) for row in rows]


def count_published(
    tx: Transaction, term: str | None, room_types: Sequence[str | None] | None
) -> int:
    """How many rooms of the public directory match; see `published`."""
    where, params = _directory_filter(term, room_types)
    row = tx.row(
        "SELECT count(*) FROM published_room p JOIN room_summary s ON s.room = p.room"  # noqa: S608 - constants
        f" WHERE {where}",
        **params,
    )
    assert row is not None
    count: int = row[0]
    return count


def _directory_filter(
    term: str | None, room_types: Sequence[str | None] | None
) -> tuple[str, dict[str, Value]]:
    where, params = "true", dict[str, Value]()
    if term:
        where += " AND (" + " OR ".join(
            f"lower(s.{field}) LIKE :term ESCAPE '!'"
            for field in ("name", "topic", "canonical_alias")
        )
        where += ")"
        escaped = term.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
        params["term"] = f"%{escaped}%"
    if room_types is not None:
        typed = [one for one in room_types if one is not None]
        untyped = " OR s.room_type IS NULL" if None in room_types else ""
        where += f" AND (s.room_type = ANY(:room_types){untyped})"
        params["room_types"] = typed
    return where, params
