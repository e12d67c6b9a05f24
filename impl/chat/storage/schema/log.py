"""Numbers, and the change log (streams.py)."""

from sqlalchemy import BigInteger, Column, SmallInteger, Table, Text

from chat.storage.schema.base import Number, metadata

sequences = Table(  # SQLite's; PostgreSQL has real ones, named sequence_…
    "sequences",
    metadata,
    Column("name", Text, primary_key=True),
    Column("next", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

stream = Table(  # one row
    "stream",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("head", BigInteger, nullable=False),
)

change_log = Table(
    "change_log",
    metadata,
    Column("pos", Number, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    Column("room", BigInteger),
    Column("user_id", Text),
    Column("ref", BigInteger),
)

log_time = Table(  # everything up to `pos` was there at `ts` (ms)
    "log_time",
    metadata,
    Column("pos", Number, primary_key=True, autoincrement=False),
    Column("ts", BigInteger, nullable=False),
)
