"""What the connections of sliding sync were sent.

Each answer that changes how rooms stand with a connection gets a version, and a row for each such
room. The client names the version that it has; what was sent with others never arrived. So the rows
of a connection are those of versions that arrived, one per room, and those of the answers that the
next request may name: as many as there were changes, however many requests and rooms there are.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from chat.storage.engine import Transaction
from chat.storage.receipts import Receipt

CONNECTIONS_OF_DEVICE = 10
PENDING_ANSWERS = 4  # of which the client may name one


class Sent(NamedTuple):
    """How a room stands with a connection.

    `upto`: the log position up to which the client knows the room; None while it is kept up to
    date, so that it knows the room as far as its token says. `limit`: of its timeline; `config`:
    the number of what was asked of its state.
    """

    upto: int | None
    limit: int
    config: int
    is_dm: bool


class Connection(NamedTuple):
    """A connection, and its rooms as of a version."""

    connection: int
    user_id: str
    device_id: str
    conn_id: str
    configs: list[str]
    used_ts: int
    rooms: dict[int, Sent]


def open_new(tx: Transaction, user_id: str, device_id: str, conn_id: str, now_ms: int) -> int:
    """A new connection in place of the one of this name; those used least recently make room."""
    drop_named(tx, user_id, device_id, conn_id)
    others = tx.rows(
        "SELECT connection FROM sliding_connection WHERE user_id = :user_id"
        " AND device_id = :device_id ORDER BY used_ts DESC, connection",
        user_id=user_id,
        device_id=device_id,
    )
    drop(tx, [connection for (connection,) in others[CONNECTIONS_OF_DEVICE - 1 :]])
    number = secrets.randbits(53)
    tx.insert(
        "sliding_connection",
        (
            "connection",
            "user_id",
            "device_id",
            "conn_id",
            "version",
            "newest",
            "configs",
            "used_ts",
        ),
        [(number, user_id, device_id, conn_id, 0, 0, "[]", now_ms)],
    )
    return number


def find(tx: Transaction, connection: int, version: int) -> Connection | None:
    """A connection as of a version; None where it is gone, or this version no longer counts."""
    row = tx.row(
        "SELECT user_id, device_id, conn_id, version, configs, used_ts FROM sliding_connection"
        " WHERE connection = :connection",
        connection=connection,
    )
    if row is None or version < row[3]:
        return None
    user_id, device_id, conn_id, arrived, configs, used_ts = row
    found = tx.rows(
        "SELECT room, version, upto, timeline_limit, config, is_dm FROM sliding_room"
        " WHERE connection = :connection AND (version <= :arrived OR version = :version)"
        " ORDER BY version",
        connection=connection,
        arrived=arrived,
        version=version,
    )
    if version > arrived and (not found or found[-1][1] != version):
        return None
    rooms = {
        room: Sent(upto, limit, config, bool(is_dm))
        for room, _, upto, limit, config, is_dm in found
    }
    wanted = msgspec.json.decode(configs, type=list[str])
    return Connection(connection, user_id, device_id, conn_id, wanted, used_ts, rooms)


def record(
    tx: Transaction,
    connection: int,
    version: int,
    rooms: Mapping[int, Sent],
    configs: Sequence[str],
    now_ms: int,
) -> int | None:
    """Note what an answer to the client that has `version` changes; the answer's own version.

    None where the connection is gone, or `version` no longer counts.
    """
    row = tx.row(
        "SELECT version, newest FROM sliding_connection WHERE connection = :connection"
        " FOR NO KEY UPDATE",
        connection=connection,
    )
    if row is None or version < row[0]:
        return None
    arrived: int = row[0]
    new: int = row[1] + 1
    _settle(tx, connection, arrived, version)
    tx.do(
        "DELETE FROM sliding_room WHERE connection = :connection AND version > :version"
        " AND version <= :old",
        connection=connection,
        version=version,
        old=new - PENDING_ANSWERS,
    )
    tx.do(
        "UPDATE sliding_connection SET version = :version, newest = :new, used_ts = :now,"
        " configs = :configs WHERE connection = :connection",
        connection=connection,
        # With the first answer there is nothing before it to go back to.
        version=version or new,
        new=new,
        now=now_ms,
        configs=msgspec.json.encode(list(configs)).decode(),
    )
    tx.insert(
        "sliding_room",
        ("connection", "room", "version", "upto", "timeline_limit", "config", "is_dm"),
        [
            (connection, room, new, one.upto, one.limit, one.config, int(one.is_dm))
            for room, one in rooms.items()
        ],
    )
    return new


def _settle(tx: Transaction, connection: int, arrived: int, version: int) -> None:
    """Now that `version` has arrived, its rows count, and the others of its time never will."""
    if version == arrived:
        return
    tx.do(
        "DELETE FROM sliding_room WHERE connection = :connection AND version > :arrived"
        " AND version <> :version",
        connection=connection,
        arrived=arrived,
        version=version,
    )
    tx.do(
        "DELETE FROM sliding_room WHERE connection = :connection AND version < :version"
        " AND room IN (SELECT n.room FROM sliding_room n WHERE n.connection = :connection"
        " AND n.version = :version)",
        connection=connection,
        version=version,
    )


def touch(tx: Transaction, connection: int, now_ms: int) -> None:
    """Note that a connection is in use."""
    tx.do(
        "UPDATE sliding_connection SET used_ts = :now WHERE connection = :connection",
        connection=connection,
        now=now_ms,
    )


def drop_named(tx: Transaction, user_id: str, device_id: str, conn_id: str) -> None:
    """End the connection of this name, if there is one."""
    row = tx.row(
        "SELECT connection FROM sliding_connection WHERE user_id = :user_id"
        " AND device_id = :device_id AND conn_id = :conn_id",
        user_id=user_id,
        device_id=device_id,
        conn_id=conn_id,
    )
    if row is not None:
        drop(tx, [row[0]])


def drop_devices(tx: Transaction, user_id: str, device_ids: Collection[str]) -> None:
    """End all connections of devices."""
    rows = tx.rows(
        "SELECT connection FROM sliding_connection WHERE user_id = :user_id"
        " AND device_id = ANY(:devices)",
        user_id=user_id,
        devices=list(device_ids),
    )
    drop(tx, [connection for (connection,) in rows])


def drop_unused(tx: Transaction, before_ms: int, limit: int) -> int:
    """End at most `limit` connections that were not used since a time; how many there were."""
    rows = tx.rows(
        "SELECT connection FROM sliding_connection WHERE used_ts < :before"
        " ORDER BY used_ts LIMIT :limit",
        before=before_ms,
        limit=limit,
    )
    drop(tx, [connection for (connection,) in rows])
    return len(rows)


def drop(tx: Transaction, connections: Sequence[int]) -> None:
    """End connections."""
    if not connections:
        return
    for table in ("sliding_room", "sliding_connection"):
        tx.do(
            f"DELETE FROM {table} WHERE connection = ANY(:connections)",  # noqa: S608 - names above
            connections=list(connections),
        )


# --- what lists of rooms are made from ---


class Place(NamedTuple):
    """When something last happened in a room: its last event, and its last receipt."""

    event: int
    receipt: int


def places(tx: Transaction, rooms: Collection[int], upto: int) -> dict[int, Place]:
    """The last event and receipt of rooms up to a log position; 0 for none."""
    rows = tx.rows(
        "SELECT w.room, (SELECT e.pos FROM event e WHERE e.room = w.room AND e.pos <= :upto"
        " AND e.rejected = 0 AND e.soft_failed = 0 AND e.outlier = 0"
        " ORDER BY e.pos DESC LIMIT 1), (SELECT max(r.pos) FROM receipts r WHERE r.room = w.room"
        " AND r.pos <= :upto) FROM ROWS(:rooms AS room bigint) w",
        rooms=[(room,) for room in rooms],
        upto=upto,
    )
    return {room: Place(event or 0, receipt or 0) for room, event, receipt in rows}


def bumps(tx: Transaction, rooms: Collection[int], upto: int) -> dict[int, int]:
    """The position of the last event of rooms that moves them up in a list of rooms."""
    rows = tx.rows(
        "SELECT w.room, (SELECT e.pos FROM event e WHERE e.room = w.room AND e.pos <= :upto"
        " AND e.type IN ('m.room.create', 'm.room.message', 'm.room.encrypted', 'm.sticker',"
        " 'm.call.invite', 'm.poll.start', 'm.beacon_info')"
        " ORDER BY e.pos DESC LIMIT 1) FROM ROWS(:rooms AS room bigint) w",
        rooms=[(room,) for room in rooms],
        upto=upto,
    )
    return {room: pos for room, pos in rows if pos}


def removals(tx: Transaction, user_id: str) -> set[int]:
    """Rooms that the user is out of because somebody else said so, and that are not forgotten."""
    rows = tx.rows(
        "SELECT m.room FROM local_member m JOIN event e ON e.ev = m.ev"
        " WHERE m.user_id = :user_id AND m.membership IN ('leave', 'ban') AND m.forgotten = 0"
        " AND e.sender <> :user_id",
        user_id=user_id,
    )
    return {room for (room,) in rows}


def receipts_on(
    tx: Transaction, rooms: Collection[int], event_ids: Collection[str], user_id: str
) -> list[Receipt]:
    """The receipts of rooms for these events, and the user's own, in their order."""
    rows = tx.rows(
        "SELECT room, user_id, type, thread_id, event_id, ts FROM receipts"
        " WHERE room = ANY(:rooms) AND (user_id = :user_id OR event_id = ANY(:events))"
        " ORDER BY pos",
        rooms=list(rooms),
        events=list(event_ids),
        user_id=user_id,
    )
    return [Receipt(*row) for row in rows]


def account_data_of_type(tx: Transaction, user_id: str, kind: str) -> list[tuple[int, str]]:
    """(room, or 0; content as JSON text) of one type of a user's account data."""
    rows = tx.rows(
        "SELECT room, content FROM account_data WHERE user_id = :user_id AND type = :type",
        user_id=user_id,
        type=kind,
    )
    return [(room, content) for room, content in rows]
