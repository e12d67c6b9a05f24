"""End-to-end encryption (keys.py)."""

from sqlalchemy import BigInteger, Column, SmallInteger, Table, Text

from chat.storage.schema.base import metadata

device_keys = Table(
    "device_keys",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("device_id", Text, primary_key=True),
    Column("body", Text, nullable=False),
    sqlite_with_rowid=False,
)

one_time_keys = Table(
    "one_time_keys",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("device_id", Text, primary_key=True),
    Column("algorithm", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("added_ts", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

fallback_keys = Table(
    "fallback_keys",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("device_id", Text, primary_key=True),
    Column("algorithm", Text, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("used", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

to_device = Table(  # messages that wait for a device
    "to_device",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("device_id", Text, primary_key=True),
    Column("pos", BigInteger, primary_key=True, autoincrement=False),
    Column("sender", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("content", Text, nullable=False),
    sqlite_with_rowid=False,
)
