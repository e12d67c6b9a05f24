"""Room state (state.py)."""

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text, text

from chat.storage.schema.base import Number, metadata

state_key = Table(
    "state_key",
    metadata,
    Column("k", Number, primary_key=True, autoincrement=False),
    Column("type", Text, nullable=False),
    Column("state_key", Text, nullable=False),
)
Index("state_key_by_name", state_key.c.type, state_key.c.state_key, unique=True)

state_now = Table(
    "state_now",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("k", BigInteger, primary_key=True, autoincrement=False),
    Column("ev", BigInteger, nullable=False),  # 0: the key vanished by resolution
    Column("since", Integer, nullable=False),  # position on the main line
    Column("mem", SmallInteger, nullable=False),  # see state.Mem
    sqlite_with_rowid=False,
)
_joined = text("mem = 2")
_present = text("mem > 0")
Index(
    "state_now_joined",
    state_now.c.room,
    state_now.c.k,
    sqlite_where=_joined,
    postgresql_where=_joined,
)
Index(
    "state_now_rooms_of_member",
    state_now.c.k,
    state_now.c.room,
    sqlite_where=_present,
    postgresql_where=_present,
)

state_log = Table(
    "state_log",
    metadata,
    Column("line", BigInteger, primary_key=True, autoincrement=False),
    Column("k", BigInteger, primary_key=True, autoincrement=False),
    Column("pos", Integer, primary_key=True, autoincrement=False),
    Column("ev", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("state_log_by_pos", state_log.c.line, state_log.c.pos)

state_line = Table(  # branches only
    "state_line",
    metadata,
    Column("line", Number, primary_key=True, autoincrement=False),
    Column("room", BigInteger, nullable=False),
    Column("parent", BigInteger),
    Column("parent_pos", Integer),
    Column("depth", Integer, nullable=False),
    Column("top", Integer, nullable=False),
)
Index("state_line_by_room", state_line.c.room)
