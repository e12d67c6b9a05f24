"""Who is there (protocol/presence.py), and who has been told of it.

A row that others have not been told of is `dirty`; a flush gives all of them one position of the
change log.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from chat.protocol.presence import Device, Person, Sign, State
from chat.storage import streams
from chat.storage.engine import Transaction
from chat.storage.streams import Change, Kind

SETTLED_AT_ONCE = 1_000
TOLD_AT_ONCE = 10_000


class Shown(NamedTuple):
    """A user as others see them; `last_active_ms` is 0 for never."""

    user_id: str
    state: State
    status_msg: str | None
    last_active_ms: int


_SHOWN = "p.user_id, p.state, p.status_msg, p.last_active_ts"


def _shown(rows: Iterable[tuple[Any, ...]]) -> list[Shown]:
    return [Shown(user_id, State(state), *rest) for user_id, state, *rest in rows]


# --- what becomes of people ---


def take(tx: Transaction, signs: Sequence[Sign]) -> None:
    """Take in what devices show, in the order in which they did."""
    people = _lock(tx, {sign.user_id for sign in signs})
    for sign in signs:
        people[sign.user_id].take(sign)
    _settle(tx, people.values(), max(sign.at_ms for sign in signs))


def settle(tx: Transaction, user_ids: Collection[str], now_ms: int) -> None:
    """Work out anew where users are, of whom only time has passed."""
    _settle(tx, _lock(tx, user_ids).values(), now_ms)


def _lock(tx: Transaction, user_ids: Collection[str]) -> dict[str, Person]:
    """The users as they are, unchanged by others until the end of the transaction."""
    tx.do(
        "INSERT INTO presence (user_id) SELECT w.user_id FROM ROWS(:users AS user_id text) w"
        " WHERE true ON CONFLICT (user_id) DO NOTHING",
        users=[(user_id,) for user_id in sorted(user_ids)],
    )
    return _people(tx, user_ids, " ORDER BY user_id FOR NO KEY UPDATE")


def _people(tx: Transaction, user_ids: Collection[str], how: str = "") -> dict[str, Person]:
    rows = tx.rows(
        "SELECT user_id, state, status_msg, last_active_ts, next_ts, dirty FROM presence"  # noqa: S608 - constants
        f" WHERE user_id = ANY(:users){how}",
        users=list(user_ids),
    )
    people = {
        user_id: Person(user_id, State(state), status_msg, active_ms, next_ms, dirty == 1)
        for user_id, state, status_msg, active_ms, next_ms, dirty in rows
    }
    for user_id, device_id, state, until_ms, by_hand in tx.rows(
        "SELECT user_id, device_id, state, until_ts, by_hand FROM presence_device"
        " WHERE user_id = ANY(:users)",
        users=list(people),
    ):
        people[user_id].devices[device_id] = Device(State(state), until_ms, by_hand == 1)
    return people


def _settle(tx: Transaction, people: Collection[Person], now_ms: int) -> None:
    for person in people:
        person.settle(now_ms)
    tx.do(
        "INSERT INTO presence (user_id, state, status_msg, last_active_ts, next_ts, dirty)"
        " SELECT w.user_id, w.state, w.status_msg, w.last_active_ts, w.next_ts, w.dirty"
        " FROM ROWS(:rows AS user_id text, state int, status_msg text, last_active_ts bigint,"
        " next_ts bigint, dirty int) w WHERE true ON CONFLICT (user_id) DO UPDATE SET"
        " state = excluded.state, status_msg = excluded.status_msg,"
        " last_active_ts = excluded.last_active_ts, next_ts = excluded.next_ts,"
        " dirty = excluded.dirty",
        rows=[
            (one.user_id, one.state, one.status_msg, one.last_active_ms, one.next_ms, int(one.news))
            for one in people
        ],
    )
    _write_devices(tx, people, now_ms)


def _write_devices(tx: Transaction, people: Collection[Person], now_ms: int) -> None:
    tx.do(
        "INSERT INTO presence_device (user_id, device_id, state, until_ts, by_hand)"
        " SELECT w.user_id, w.device_id, w.state, w.until_ts, w.by_hand"
        " FROM ROWS(:rows AS user_id text, device_id text, state int, until_ts bigint,"
        " by_hand int) w WHERE true ON CONFLICT (user_id, device_id) DO UPDATE SET"
        " state = excluded.state, until_ts = excluded.until_ts, by_hand = excluded.by_hand",
        rows=[
            (one.user_id, device_id, device.state, device.until_ms, int(device.by_hand))
            for one in people
            for device_id, device in one.devices.items()
        ],
    )
    tx.do(
        "DELETE FROM presence_device WHERE user_id = ANY(:users) AND until_ts <= :now",
        users=[one.user_id for one in people],
        now=now_ms,
    )


def due(tx: Transaction, now_ms: int) -> list[str]:
    """Users whose state may have changed by time alone, some of those who are longest due."""
    rows = tx.rows(
        "SELECT user_id FROM presence WHERE next_ts <= :now ORDER BY next_ts LIMIT :limit",
        now=now_ms,
        limit=SETTLED_AT_ONCE,
    )
    return [user_id for (user_id,) in rows]


# --- telling others ---


def has_news(tx: Transaction, before_ms: int) -> bool:
    """Whether there is something to tell, and nothing was told since a time."""
    return (
        tx.row(
            "SELECT 1 FROM presence WHERE dirty = 1"
            " AND NOT EXISTS (SELECT 1 FROM presence_flush WHERE ts > :before) LIMIT 1",
            before=before_ms,
        )
        is not None
    )


def flush(tx: Transaction, now_ms: int, before_ms: int) -> None:
    """Give everything that others have not been told of its place in the log, as one change.

    Nothing happens where something was told since `before_ms`.
    """
    claimed = tx.run(
        "INSERT INTO presence_flush (id, ts) VALUES (1, :now) ON CONFLICT (id)"
        " DO UPDATE SET ts = excluded.ts WHERE presence_flush.ts <= :before",
        now=now_ms,
        before=before_ms,
    )
    if not claimed:
        return
    rows = tx.rows(
        "SELECT user_id FROM presence WHERE dirty = 1 ORDER BY user_id LIMIT :limit"
        " FOR NO KEY UPDATE",
        limit=TOLD_AT_ONCE,
    )
    if rows:
        (pos,) = streams.append(tx, [Change(Kind.PRESENCE, None, None, None)])
        tx.do(
            "UPDATE presence SET pos = :pos, dirty = 0 WHERE user_id = ANY(:users)",
            pos=pos,
            users=[user_id for (user_id,) in rows],
        )


# --- reading ---


def find(tx: Transaction, user_id: str) -> Person | None:
    """A user, None for one who was never there."""
    return _people(tx, [user_id]).get(user_id)


def share_room(tx: Transaction, user_id: str, other_id: str) -> bool:
    """Whether two users of this server are joined to the same room."""
    return (
        tx.row(
            "SELECT 1 FROM local_member a JOIN local_member b ON b.room = a.room"
            " WHERE a.user_id = :one AND a.membership = 'join'"
            " AND b.user_id = :other AND b.membership = 'join' LIMIT 1",
            one=user_id,
            other=other_id,
        )
        is not None
    )


def flushed(tx: Transaction, pos: int) -> list[tuple[Shown, frozenset[int]]]:
    """Of whom was told at a position of the log, and to which rooms they are joined."""
    rows = tx.rows(
        f"SELECT {_SHOWN}, m.room FROM presence p LEFT JOIN local_member m"  # noqa: S608 - columns
        " ON m.user_id = p.user_id AND m.membership = 'join' WHERE p.pos = :pos",
        pos=pos,
    )
    rooms: dict[Shown, set[int]] = {}
    for *columns, room in rows:
        (shown,) = _shown([tuple(columns)])
        rooms.setdefault(shown, set()).add(room)
    return [(shown, frozenset(found - {None})) for shown, found in rooms.items()]


_SHARES = (
    "(p.user_id = :user_id OR EXISTS (SELECT 1 FROM local_member o"
    " WHERE o.user_id = p.user_id AND o.membership = 'join' AND o.room = ANY(:rooms)))"
)


def changed(
    tx: Transaction, user_id: str, rooms: Collection[int], after: int, upto: int
) -> list[Shown]:
    """The user, and who is joined to one of the rooms, told of at positions in (after, upto]."""
    return _shown(
        tx.rows(
            f"SELECT {_SHOWN} FROM presence p WHERE p.pos > :after AND p.pos <= :upto"  # noqa: S608 - constants
            f" AND {_SHARES} ORDER BY p.pos, p.user_id",
            user_id=user_id,
            rooms=list(rooms),
            after=after,
            upto=upto,
        )
    )


def present(
    tx: Transaction, user_id: str, rooms: Collection[int], *, offline_too: bool
) -> list[Shown]:
    """The user, and who is joined to one of the rooms, if they are there."""
    which = "" if offline_too else "p.state > 0 AND "
    return _shown(
        tx.rows(
            f"SELECT {_SHOWN} FROM presence p WHERE {which}{_SHARES} ORDER BY p.user_id",  # noqa: S608 - constants
            user_id=user_id,
            rooms=list(rooms),
        )
    )
