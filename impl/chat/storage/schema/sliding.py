"""Connections of sliding sync, and what each was sent (sliding.py)."""

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text, text

from chat.storage.schema.base import metadata
from chat.storage.schema.events import event

sliding_connection = Table(
    "sliding_connection",
    metadata,
    Column("connection", BigInteger, primary_key=True, autoincrement=False),  # drawn at random
    Column("user_id", Text, nullable=False),
    Column("device_id", Text, nullable=False),
    Column("conn_id", Text, nullable=False),  # the client's name for it
    Column("version", BigInteger, nullable=False),  # of the last answer known to have arrived
    Column("newest", BigInteger, nullable=False),  # the last version given out
    Column("configs", Text, nullable=False),  # JSON: what state was asked for, by number
    Column("used_ts", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "sliding_connection_by_name",
    sliding_connection.c.user_id,
    sliding_connection.c.device_id,
    sliding_connection.c.conn_id,
    unique=True,
)
Index("sliding_connection_by_use", sliding_connection.c.used_ts)

sliding_room = Table(  # how a room was sent, as of the answer that changed that
    "sliding_room",
    metadata,
    Column("connection", BigInteger, primary_key=True, autoincrement=False),
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("upto", BigInteger),  # NULL: everything up to the client's position
    Column("timeline_limit", Integer, nullable=False),
    Column("config", Integer, nullable=False),
    Column("is_dm", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What moves a room up in a client's list. The statement that looks for it repeats these words.
_bumps = text(
    "type IN ('m.room.create', 'm.room.message', 'm.room.encrypted', 'm.sticker',"
    " 'm.call.invite', 'm.poll.start', 'm.beacon_info')"
)
Index("event_bumps", event.c.room, event.c.pos, sqlite_where=_bumps, postgresql_where=_bumps)
