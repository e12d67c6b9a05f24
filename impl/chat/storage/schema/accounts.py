"""Accounts, devices and sessions (users.py, devices.py, uia.py)."""

from sqlalchemy import BigInteger, Column, Index, SmallInteger, Table, Text, text

from chat.storage.schema.base import metadata

users = Table(
    "users",
    metadata,
    Column("name", Text, primary_key=True),  # the full user ID
    Column("password_hash", Text),  # bcrypt
    Column("admin", SmallInteger, nullable=False, server_default=text("0")),
    Column("is_guest", SmallInteger, nullable=False, server_default=text("0")),
    Column("deactivated", SmallInteger, nullable=False, server_default=text("0")),
    Column("user_type", Text),
    Column("creation_ts", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

profile_fields = Table(
    "profile_fields",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

registration_nonces = Table(
    "registration_nonces",
    metadata,
    Column("nonce", Text, primary_key=True),
    Column("expires_ts", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

uia_sessions = Table(
    "uia_sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("user_id", Text),
    Column("operation", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("completed", Text, nullable=False),  # JSON {stage: result}
    Column("expires_ts", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

devices = Table(
    "devices",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("device_id", Text, primary_key=True),
    Column("display_name", Text),
    Column("created_ts", BigInteger, nullable=False),
    Column("last_seen_ts", BigInteger),
    Column("last_seen_ip", Text),
    Column("key_counts_pos", BigInteger),  # when its supply of one-time keys last changed
    sqlite_with_rowid=False,
)

device_lists = Table(  # when the devices of a user, or their keys, last changed
    "device_lists",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("pos", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("device_lists_by_pos", device_lists.c.pos)

access_tokens = Table(
    "access_tokens",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("device_id", Text, nullable=False),
    Column("expires_ts", BigInteger),
    Column("replaced", Text),  # digest of the refresh token that it was bought with, until used
    sqlite_with_rowid=False,
)
Index("access_tokens_by_device", access_tokens.c.user_id, access_tokens.c.device_id)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("device_id", Text, nullable=False),
    Column("expires_ts", BigInteger),
    sqlite_with_rowid=False,
)
Index("refresh_tokens_by_device", refresh_tokens.c.user_id, refresh_tokens.c.device_id)
