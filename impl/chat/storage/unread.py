"""What notifies whom, and who has read how far: enough to count what is unread.

Most users have the rules that the server predefines, so an event is classified once for all of
them. A `notice` is an event that notifies them, with how many there are of its thread up to it:
what lies between two positions is a difference. The rest are exceptions: `notice_personal` says of
an event what it is to one user, where that is something else, and, for nobody in particular, that
an event was redacted and counts no longer. Rooms in which a user with rules of their own is never
notified by plain messages are left out for them by the stretch of positions in `push_member`, so
that exceptions are few there, too.

Reading up to an event reads its thread, or the whole room, up to its position; so does sending one.
Spec: client-server-api/#receiving-notifications and #marking-notifications-as-read
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from chat.storage.engine import Transaction
from chat.storage.positions import Position

MAIN = "main"
WHOLE = ""  # the thread of marks that are for all threads
EVERYBODY = ""  # the user of exceptions that are for all
FOREVER = 2**62  # a position that is never reached


class Notice(NamedTuple):
    """An event that notifies everybody with the predefined rules; `h`: and is highlighted."""

    room: int
    thread: str
    ev: int
    h: int


class Personal(NamedTuple):
    """What an event is to a user, and to everybody: it notifies, it is highlighted (0 or 1)."""

    room: int
    user_id: str
    thread: str
    ev: int
    n: int
    h: int
    room_n: int
    room_h: int


class Mark(NamedTuple):
    """A user has read a thread, or the whole room, up to an event."""

    room: int
    user_id: str
    thread: str
    ev: int


class PushMember(NamedTuple):
    """A joined user with rules of their own; `rules` is the digest of these.

    Of the notices of the room those at positions in (after, upto] are theirs, too.
    """

    room: int
    user_id: str
    rules: str
    after: int
    upto: int

    @property
    def follows(self) -> bool:
        """Whether what notifies everybody notifies them, where nothing else is said."""
        return self.upto == FOREVER


# --- writing ---


def add_notices(tx: Transaction, notices: Sequence[Notice], pos_of: Mapping[int, Position]) -> None:
    """Store notices in the order of their positions."""
    counted: dict[tuple[int, str], tuple[int, int]] = {}
    rows = []
    for one in notices:
        n, h = counted.get((one.room, one.thread), (0, 0))
        counted[one.room, one.thread] = n + 1, h + one.h
        rows.append((one.room, one.thread, pos_of[one.ev], n + 1, h + one.h))
    tx.do(
        "INSERT INTO notice (room, thread, pos, n, h)"
        " SELECT w.room, w.thread, w.pos, COALESCE(l.n, 0) + w.n, COALESCE(l.h, 0) + w.h"
        " FROM ROWS(:rows AS room bigint, thread text, pos bigint, n int, h int) w"
        " LEFT JOIN notice l ON l.room = w.room AND l.thread = w.thread AND l.pos ="
        " (SELECT max(x.pos) FROM notice x WHERE x.room = w.room AND x.thread = w.thread)",
        rows=rows,
    )


def note_threads(tx: Transaction, last: Mapping[tuple[int, str], Position]) -> None:
    """Note the last notice of threads, but for the main one; given by room and thread."""
    tx.do(
        "INSERT INTO notice_thread (room, thread, pos) SELECT w.room, w.thread, w.pos"
        " FROM ROWS(:rows AS room bigint, thread text, pos bigint) w"
        " WHERE true ON CONFLICT (room, thread) DO UPDATE SET pos = excluded.pos",
        rows=[(*key, pos) for key, pos in last.items()],
    )


def add_personal(tx: Transaction, rows: Sequence[Personal], pos_of: Mapping[int, Position]) -> None:
    """Store what events are to single users."""
    tx.insert(
        "notice_personal",
        ("room", "user_id", "thread", "pos", "n", "h", "room_n", "room_h"),
        [(*row[:3], pos_of[row.ev], *row[4:]) for row in rows],
    )


def retract(tx: Transaction, room: int, thread: str, pos: int) -> None:
    """The event at a position was redacted: it is nothing to anybody any more."""
    key: dict[str, str | int] = {"room": room, "pos": pos}
    tx.do("DELETE FROM notice_personal WHERE room = :room AND pos = :pos AND user_id <> ''", **key)
    tx.do(
        "INSERT INTO notice_personal (room, user_id, thread, pos, n, h, room_n, room_h)"
        " SELECT x.room, :everybody, x.thread, x.pos, 0, 0, 1, x.h - COALESCE((SELECT y.h"
        " FROM notice y WHERE y.room = x.room AND y.thread = x.thread AND y.pos < x.pos"
        " ORDER BY y.pos DESC LIMIT 1), 0) FROM notice x"
        " WHERE x.room = :room AND x.thread = :thread AND x.pos = :pos"
        " ON CONFLICT (room, user_id, pos) DO NOTHING",
        thread=thread,
        everybody=EVERYBODY,
        **key,
    )


def mark(tx: Transaction, marks: Sequence[Mark], pos_of: Mapping[int, Position]) -> None:
    """Move marks to new events, which are ahead of all others; of several, the last counts."""
    latest = {(one.room, one.user_id, one.thread): pos_of[one.ev] for one in marks}
    tx.do(
        "INSERT INTO read_mark (room, user_id, thread, pos)"
        " SELECT w.room, w.user_id, w.thread, w.pos"
        " FROM ROWS(:rows AS room bigint, user_id text, thread text, pos bigint) w"
        " WHERE true ON CONFLICT (room, user_id, thread) DO UPDATE SET pos = excluded.pos",
        rows=[(*key, pos) for key, pos in latest.items()],
    )


def mark_read(tx: Transaction, room: int, user_id: str, thread: str, pos: int) -> None:
    """Move one mark forwards to a position; it does not go back."""
    key: dict[str, str | int] = {"room": room, "user_id": user_id, "pos": pos}
    tx.do(
        "INSERT INTO read_mark (room, user_id, thread, pos)"
        " VALUES (:room, :user_id, :thread, :pos) ON CONFLICT (room, user_id, thread)"
        " DO UPDATE SET pos = excluded.pos WHERE excluded.pos > read_mark.pos",
        thread=thread,
        **key,
    )
    if thread == WHOLE:  # what was read of single threads up to here says nothing more
        tx.do(
            "DELETE FROM read_mark WHERE room = :room AND user_id = :user_id"
            " AND thread <> '' AND pos <= :pos",
            **key,
        )


# --- users with rules of their own ---


def push_members(tx: Transaction, rooms: Collection[int]) -> list[tuple[PushMember, int]]:
    """The joined users of rooms who have rules of their own, each with how many are joined."""
    rows = tx.rows(
        "SELECT p.room, p.user_id, p.rules, p.after, p.upto, s.joined FROM push_member p"
        " JOIN room_summary s ON s.room = p.room WHERE p.room = ANY(:rooms)",
        rooms=list(rooms),
    )
    return [(PushMember(*row), joined) for *row, joined in rows]


def push_member_rooms(tx: Transaction, user_id: str) -> list[tuple[int, str, PushMember | None]]:
    """(room, room ID, what is stored) of the rooms to which a user is joined."""
    rows = tx.rows(
        "SELECT m.room, r.room_id, p.rules, p.after, p.upto FROM local_member m"
        " JOIN room r ON r.room = m.room"
        " LEFT JOIN push_member p ON p.room = m.room AND p.user_id = m.user_id"
        " WHERE m.user_id = :user_id AND m.membership = 'join'",
        user_id=user_id,
    )
    return [
        (room, room_id, None if rules is None else PushMember(room, user_id, rules, after, upto))
        for room, room_id, rules, after, upto in rows
    ]


def put_push_members(tx: Transaction, members: Sequence[PushMember]) -> None:
    """Store what is known of users with rules of their own, and that their rooms have such."""
    tx.do(
        "INSERT INTO push_member (room, user_id, rules, after, upto)"
        " SELECT w.room, w.user_id, w.rules, w.after, w.upto FROM ROWS(:rows AS room bigint,"
        " user_id text, rules text, after bigint, upto bigint) w WHERE true"
        " ON CONFLICT (room, user_id) DO UPDATE SET rules = excluded.rules,"
        " after = excluded.after, upto = excluded.upto",
        rows=members,
    )
    tx.do(
        "UPDATE room SET custom_rules = 1 WHERE room = ANY(:rooms) AND custom_rules = 0",
        rooms=sorted({member.room for member in members}),
    )


def drop_push_members(tx: Transaction, gone: Collection[tuple[int, str]]) -> None:
    """Forget users, given by room, who are no longer joined."""
    tx.do(
        "DELETE FROM push_member WHERE (room, user_id) IN (SELECT w.room, w.user_id"
        " FROM ROWS(:rows AS room bigint, user_id text) w)",
        rows=list(gone),
    )


class Newcomer(NamedTuple):
    """What a local user was in a room, None for nothing, and their own push rules, if any."""

    membership: str | None
    rules: str | None


def newcomers(
    tx: Transaction, members: Collection[tuple[int, str]]
) -> dict[tuple[int, str], Newcomer]:
    """What users, given by room, were so far."""
    rows = tx.rows(
        "SELECT w.room, w.user_id, m.membership, a.content"
        " FROM ROWS(:members AS room bigint, user_id text) w"
        " LEFT JOIN local_member m ON m.room = w.room AND m.user_id = w.user_id"
        " LEFT JOIN account_data a ON a.user_id = w.user_id AND a.room = 0"
        " AND a.type = 'm.push_rules'",
        members=list(members),
    )
    return {(room, user_id): Newcomer(*rest) for room, user_id, *rest in rows}


# --- counting ---


class Timeline(NamedTuple):
    """A thread of a room for a user: up to where it is read, and the unread notices of everybody.

    Those of positions outside of (after, upto] are not the user's.
    """

    room: int
    thread: str
    read: int
    after: int
    upto: int
    n: int
    h: int


def timelines(tx: Transaction, user_id: str, rooms: Collection[int]) -> list[Timeline]:
    """The main thread of each room, and the threads with notices since the room was read."""
    rows = tx.rows(
        "WITH w AS MATERIALIZED (SELECT r.room, COALESCE(a.pos, 0) AS read,"
        " COALESCE(c.after, 0) AS after, COALESCE(c.upto, :forever) AS upto"
        " FROM ROWS(:rooms AS room bigint) r"
        " LEFT JOIN read_mark a ON a.room = r.room AND a.user_id = :user_id AND a.thread = ''"
        " LEFT JOIN push_member c ON c.room = r.room AND c.user_id = :user_id),"
        " v AS MATERIALIZED (SELECT w.room, 'main' AS thread, w.read, w.after, w.upto FROM w"
        " UNION ALL SELECT w.room, t.thread, w.read, w.after, w.upto FROM w"
        " JOIN notice_thread t ON t.room = w.room AND t.pos > w.read),"
        " b AS MATERIALIZED (SELECT v.room, v.thread, v.after, v.upto,"
        " CASE WHEN m.pos > v.read THEN m.pos ELSE v.read END AS read FROM v"
        " LEFT JOIN read_mark m ON m.room = v.room AND m.user_id = :user_id"
        " AND m.thread = v.thread),"
        " k AS MATERIALIZED (SELECT b.room, b.thread, b.read, b.after, b.upto,"
        " (SELECT max(x.pos) FROM notice x WHERE x.room = b.room AND x.thread = b.thread"
        " AND x.pos <= b.upto) AS high,"
        " (SELECT max(x.pos) FROM notice x WHERE x.room = b.room AND x.thread = b.thread"
        " AND x.pos <= CASE WHEN b.read > b.after THEN b.read ELSE b.after END) AS low FROM b)"
        " SELECT k.room, k.thread, k.read, k.after, k.upto, COALESCE(y.n, 0) - COALESCE(x.n, 0),"
        " COALESCE(y.h, 0) - COALESCE(x.h, 0) FROM k"
        " LEFT JOIN notice y ON y.room = k.room AND y.thread = k.thread AND y.pos = k.high"
        " LEFT JOIN notice x ON x.room = k.room AND x.thread = k.thread AND x.pos = k.low",
        user_id=user_id,
        rooms=[(room,) for room in rooms],
        forever=FOREVER,
    )
    return [
        Timeline(room, thread, read, after, upto, max(0, n), max(0, h))
        for room, thread, read, after, upto, n, h in rows
    ]


class Stored(NamedTuple):
    """A stored `Personal`, at its position."""

    room: int
    user_id: str
    thread: str
    pos: int
    n: int
    h: int
    room_n: int
    room_h: int


def exceptions(tx: Transaction, user_id: str, after: Collection[tuple[int, int]]) -> list[Stored]:
    """The exceptions that are for a user or for everybody, behind a position of each room."""
    rows = tx.rows(
        "SELECT p.room, p.user_id, p.thread, p.pos, p.n, p.h, p.room_n, p.room_h"
        " FROM ROWS(:after AS room bigint, pos bigint) w JOIN notice_personal p"
        " ON p.room = w.room AND p.user_id = ANY(:users) AND p.pos > w.pos",
        after=list(after),
        users=[EVERYBODY, user_id],
    )
    return [Stored(*row) for row in rows]


class News(NamedTuple):
    """One thing that happened in a room.

    `kind`: EVENT, of the sender `user_id`, where n is 1 for a redaction; NOTICE; or PERSONAL.
    """

    room: int
    pos: int
    kind: int
    user_id: str
    thread: str
    n: int
    h: int


EVENT, NOTICE, PERSONAL = 1, 2, 3


def news(tx: Transaction, after: Collection[tuple[int, int]]) -> list[News]:
    """What happened behind a position of each room, in the order of positions and kinds."""
    rows = tx.rows(
        "WITH w AS MATERIALIZED (SELECT room, pos FROM ROWS(:after AS room bigint, pos bigint) r)"
        " SELECT e.room AS room, e.pos AS pos, 1 AS kind, e.sender, '',"
        " CASE e.type WHEN 'm.room.redaction' THEN 1 ELSE 0 END, 0"
        " FROM w JOIN event e ON e.room = w.room AND e.pos > w.pos"
        " WHERE e.rejected = 0 AND e.soft_failed = 0 AND e.outlier = 0"
        " UNION ALL SELECT x.room, x.pos, 2, '', x.thread, 1, x.h - COALESCE((SELECT y.h"
        " FROM notice y WHERE y.room = x.room AND y.thread = x.thread AND y.pos < x.pos"
        " ORDER BY y.pos DESC LIMIT 1), 0) FROM (SELECT w.room, w.pos, 'main' AS thread FROM w"
        " UNION ALL SELECT w.room, w.pos, t.thread FROM w"
        " JOIN notice_thread t ON t.room = w.room AND t.pos > w.pos) v"
        " JOIN notice x ON x.room = v.room AND x.thread = v.thread AND x.pos > v.pos"
        " UNION ALL SELECT p.room, p.pos, 3, p.user_id, p.thread, p.n, p.h"
        " FROM w JOIN notice_personal p ON p.room = w.room AND p.pos > w.pos"
        " ORDER BY pos, kind",
        after=list(after),
    )
    return [News(*row) for row in rows]
