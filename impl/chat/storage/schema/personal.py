"""What belongs to one user; receipts and typing notices."""

from sqlalchemy import BigInteger, Column, Index, Table, Text

from chat.storage.schema.base import metadata

account_data = Table(
    "account_data",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("room", BigInteger, primary_key=True, autoincrement=False),  # 0: global
    Column("type", Text, primary_key=True),
    Column("content", Text, nullable=False),
    Column("pos", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("account_data_by_pos", account_data.c.user_id, account_data.c.pos)

filters = Table(
    "filters",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("filter_id", Text, primary_key=True),
    Column("definition", Text, nullable=False),
    sqlite_with_rowid=False,
)

receipts = Table(
    "receipts",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("thread_id", Text, primary_key=True),  # "" where unthreaded
    Column("event_id", Text, nullable=False),
    Column("ts", BigInteger, nullable=False),
    Column("pos", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("receipts_by_pos", receipts.c.room, receipts.c.pos)

typing = Table(
    "typing",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", Text, primary_key=True),
    Column("expires_ts", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
