"""Every table, as SQLAlchemy Core metadata; migrations/ brings a database there.

Times are milliseconds (BIGINT), flags SMALLINT, JSON is TEXT. Rooms, state keys and events are
interned: `room`, `k` and `ev` are numbers of their rows. Rows that a client can sync carry their
position in the change log as `pos` (see streams.py). Room state is explained in state.py.
"""

from functools import lru_cache

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects import postgresql

metadata = MetaData()

SCHEMA_LOCK = 0x63686174  # advisory lock of PostgreSQL, held while the schema changes
SEQUENCE_BLOCK = 32  # numbers that a worker takes at once from a sequence of PostgreSQL
SEQUENCES = ("room", "ev", "k", "line")

# SQLite makes a column its rowid, and so the table half as large, for INTEGER PRIMARY KEY only.
Number = BigInteger().with_variant(Integer(), "sqlite")


@lru_cache(maxsize=256)
def column_types(table: str) -> dict[str, str]:
    """PostgreSQL's type of each column of a table."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    columns = metadata.tables[table].columns
    return {column.name: column.type.compile(dialect) for column in columns}


# --- numbers ---

sequences = Table(  # SQLite's; PostgreSQL has real ones, named sequence_…
    "sequences",
    metadata,
    Column("name", Text, primary_key=True),
    Column("next", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# --- the change log (streams.py) ---

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

# --- rooms ---

room = Table(
    "room",
    metadata,
    Column("room", Number, primary_key=True, autoincrement=False),
    Column("room_id", Text, nullable=False, unique=True),
    Column("version", Text, nullable=False),
    # Under this row's lock: the history of its current state, and its forward extremities.
    Column("main_line", BigInteger, nullable=False),
    Column("head", Integer, nullable=False),  # last position on the main line
    Column("tips", Text, nullable=False),  # JSON [[event_id, depth], …]
    Column("imported", SmallInteger, nullable=False, server_default=text("0")),  # see state.py
    Column("redactions", Integer, nullable=False, server_default=text("0")),  # how many there were
    Column("partial_state", SmallInteger, nullable=False, server_default=text("0")),
)

room_summary = Table(  # derived from the current state
    "room_summary",
    metadata,
    Column("room", Number, primary_key=True, autoincrement=False),
    Column("joined", Integer, nullable=False, server_default=text("0")),
    Column("invited", Integer, nullable=False, server_default=text("0")),
    Column("name", Text),
    Column("topic", Text),
    Column("canonical_alias", Text),
    Column("avatar_url", Text),
    Column("join_rule", Text),
    Column("history_visibility", Text),
    Column("guest_access", Text),
    Column("room_type", Text),
    Column("encryption", Text),
)

published_room = Table(  # the public room directory
    "published_room",
    metadata,
    Column("room", Number, primary_key=True, autoincrement=False),
)

room_alias = Table(
    "room_alias",
    metadata,
    Column("alias", Text, primary_key=True),
    Column("room", BigInteger, nullable=False),
    Column("creator", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("room_alias_by_room", room_alias.c.room)

local_member = Table(  # memberships of this server's users; derived, but for `forgotten`
    "local_member",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("membership", Text, nullable=False),
    Column("ev", BigInteger, nullable=False),
    Column("pos", BigInteger, nullable=False),
    Column("forgotten", SmallInteger, nullable=False, server_default=text("0")),
    sqlite_with_rowid=False,
)
Index("local_member_by_room", local_member.c.room, local_member.c.membership)

# --- events ---

event = Table(
    "event",
    metadata,
    Column("ev", Number, primary_key=True, autoincrement=False),
    Column("event_id", Text, nullable=False, unique=True),
    Column("room", BigInteger, nullable=False),
    Column("pos", BigInteger),  # sync order: NULL for outliers, negative for backfilled events
    Column("depth", BigInteger, nullable=False),  # room order: depth, then pos
    Column("type", Text, nullable=False),
    Column("state_key", Text),
    Column("sender", Text, nullable=False),
    Column("origin_server_ts", BigInteger, nullable=False),
    Column("json", Text, nullable=False),  # the PDU
    Column("before_line", BigInteger),  # the state before it; NULL where that is unknown
    Column("before_pos", Integer),
    Column("after_line", BigInteger),  # the state after it; NULL where it is that before
    Column("after_pos", Integer),
    Column("main_pos", Integer),  # of the main line once it was in, where not given by the above
    Column("replaces", BigInteger),  # the state event before it under the same key
    Column("redacted_by", Text),  # the ID of the redaction
    Column("txn_device", Text),  # which device of ours sent it, and its name for it
    Column("txn_id", Text),
    Column("rejected", SmallInteger, nullable=False, server_default=text("0")),
    Column("soft_failed", SmallInteger, nullable=False, server_default=text("0")),
    Column("outlier", SmallInteger, nullable=False, server_default=text("0")),
)
Index("event_by_room_order", event.c.room, event.c.depth, event.c.pos)
Index("event_by_sync_order", event.c.room, event.c.pos)

event_txn = Table(  # requests of clients that must not be repeated
    "event_txn",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("device_id", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("ev", BigInteger, nullable=False),
    Column("created_ts", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# --- room state (state.py) ---

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

# --- accounts (users.py, devices.py, uia.py) ---

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

# --- what belongs to one user (account_data.py) ---

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

# --- receipts and typing notices (receipts.py) ---

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

# --- end-to-end encryption (keys.py) ---

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

# --- media (media.py) ---

media = Table(
    "media",
    metadata,
    Column("media_id", Text, primary_key=True),
    Column("uploader", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("name", Text),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_ts", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
