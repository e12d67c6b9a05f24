"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SEQUENCES = ("room", "ev", "k", "line")
SEQUENCE_BLOCK = 32
TABLES = (
    "access_tokens",
    "account_data",
    "change_log",
    "device_keys",
    "device_lists",
    "devices",
    "event",
    "event_txn",
    "fallback_keys",
    "filters",
    "local_member",
    "media",
    "one_time_keys",
    "profile_fields",
    "published_room",
    "receipts",
    "refresh_tokens",
    "registration_nonces",
    "room",
    "room_alias",
    "room_summary",
    "sequences",
    "state_key",
    "state_line",
    "state_log",
    "state_now",
    "stream",
    "to_device",
    "typing",
    "uia_sessions",
    "users",
)


def upgrade() -> None:
    """Create every table and sequence."""
    _create_tables()
    if op.get_bind().dialect.name == "postgresql":
        for name in SEQUENCES:
            op.execute(f"CREATE SEQUENCE sequence_{name} INCREMENT BY {SEQUENCE_BLOCK}")
    for name in SEQUENCES:
        op.execute(f"INSERT INTO sequences (name, next) VALUES ('{name}', 1)")
    op.execute("INSERT INTO stream (id, head) VALUES (1, 0)")


def downgrade() -> None:
    """Drop everything."""
    for table in TABLES:
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for name in SEQUENCES:
            op.execute(f"DROP SEQUENCE sequence_{name}")


def _create_tables() -> None:
    op.create_table(
        "access_tokens",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("expires_ts", sa.BigInteger(), nullable=True),
        sa.Column("replaced", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("token_hash"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "access_tokens_by_device", "access_tokens", ["user_id", "device_id"], unique=False
    )
    op.create_table(
        "account_data",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("room", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "room", "type"),
        sqlite_with_rowid=False,
    )
    op.create_index("account_data_by_pos", "account_data", ["user_id", "pos"], unique=False)
    op.create_table(
        "change_log",
        sa.Column("pos", NUMBER, autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("room", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("ref", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("pos"),
    )
    op.create_table(
        "device_keys",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "device_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "device_lists",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("device_lists_by_pos", "device_lists", ["pos"], unique=False)
    op.create_table(
        "devices",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=True),
        sa.Column("created_ts", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_ts", sa.BigInteger(), nullable=True),
        sa.Column("last_seen_ip", sa.Text(), nullable=True),
        sa.Column("key_counts_pos", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("user_id", "device_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "event",
        sa.Column("ev", NUMBER, autoincrement=False, nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("room", sa.BigInteger(), nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=True),
        sa.Column("depth", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("state_key", sa.Text(), nullable=True),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("origin_server_ts", sa.BigInteger(), nullable=False),
        sa.Column("json", sa.Text(), nullable=False),
        sa.Column("before_line", sa.BigInteger(), nullable=True),
        sa.Column("before_pos", sa.Integer(), nullable=True),
        sa.Column("after_line", sa.BigInteger(), nullable=True),
        sa.Column("after_pos", sa.Integer(), nullable=True),
        sa.Column("main_pos", sa.Integer(), nullable=True),
        sa.Column("replaces", sa.BigInteger(), nullable=True),
        sa.Column("redacted_by", sa.Text(), nullable=True),
        sa.Column("txn_device", sa.Text(), nullable=True),
        sa.Column("txn_id", sa.Text(), nullable=True),
        sa.Column("rejected", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("soft_failed", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("outlier", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("ev"),
        sa.UniqueConstraint("event_id"),
    )
    op.create_index("event_by_room_order", "event", ["room", "depth", "pos"], unique=False)
    op.create_index("event_by_sync_order", "event", ["room", "pos"], unique=False)
    op.create_table(
        "event_txn",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("ev", sa.BigInteger(), nullable=False),
        sa.Column("created_ts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "device_id", "path"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fallback_keys",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("used", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "device_id", "algorithm"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "filters",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("filter_id", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "filter_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "local_member",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("room", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("membership", sa.Text(), nullable=False),
        sa.Column("ev", sa.BigInteger(), nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=False),
        sa.Column("forgotten", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "room"),
        sqlite_with_rowid=False,
    )
    op.create_index("local_member_by_room", "local_member", ["room", "membership"], unique=False)
    op.create_table(
        "media",
        sa.Column("media_id", sa.Text(), nullable=False),
        sa.Column("uploader", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_ts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("media_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "one_time_keys",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("added_ts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "device_id", "algorithm", "key_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "profile_fields",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "field"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "published_room",
        sa.Column("room", NUMBER, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("room"),
    )
    op.create_table(
        "receipts",
        sa.Column("room", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("ts", sa.BigInteger(), nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("room", "user_id", "type", "thread_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("receipts_by_pos", "receipts", ["room", "pos"], unique=False)
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("expires_ts", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("token_hash"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "refresh_tokens_by_device", "refresh_tokens", ["user_id", "device_id"], unique=False
    )
    op.create_table(
        "registration_nonces",
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("expires_ts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("nonce"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "room",
        sa.Column("room", NUMBER, autoincrement=False, nullable=False),
        sa.Column("room_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("main_line", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.Integer(), nullable=False),
        sa.Column("tips", sa.Text(), nullable=False),
        sa.Column("imported", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("redactions", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("partial_state", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("room"),
        sa.UniqueConstraint("room_id"),
    )
    op.create_table(
        "room_alias",
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("room", sa.BigInteger(), nullable=False),
        sa.Column("creator", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("alias"),
        sqlite_with_rowid=False,
    )
    op.create_index("room_alias_by_room", "room_alias", ["room"], unique=False)
    op.create_table(
        "room_summary",
        sa.Column("room", NUMBER, autoincrement=False, nullable=False),
        sa.Column("joined", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("invited", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("topic", sa.Text(), nullable=True),
        sa.Column("canonical_alias", sa.Text(), nullable=True),
        sa.Column("avatar_url", sa.Text(), nullable=True),
        sa.Column("join_rule", sa.Text(), nullable=True),
        sa.Column("history_visibility", sa.Text(), nullable=True),
        sa.Column("guest_access", sa.Text(), nullable=True),
        sa.Column("room_type", sa.Text(), nullable=True),
        sa.Column("encryption", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("room"),
    )
    op.create_table(
        "sequences",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "state_key",
        sa.Column("k", NUMBER, autoincrement=False, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("state_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("k"),
    )
    op.create_index("state_key_by_name", "state_key", ["type", "state_key"], unique=True)
    op.create_table(
        "state_line",
        sa.Column("line", NUMBER, autoincrement=False, nullable=False),
        sa.Column("room", sa.BigInteger(), nullable=False),
        sa.Column("parent", sa.BigInteger(), nullable=True),
        sa.Column("parent_pos", sa.Integer(), nullable=True),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("top", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("line"),
    )
    op.create_index("state_line_by_room", "state_line", ["room"], unique=False)
    op.create_table(
        "state_log",
        sa.Column("line", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("k", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("pos", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ev", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("line", "k", "pos"),
        sqlite_with_rowid=False,
    )
    op.create_index("state_log_by_pos", "state_log", ["line", "pos"], unique=False)
    op.create_table(
        "state_now",
        sa.Column("room", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("k", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ev", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("mem", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("room", "k"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "state_now_joined",
        "state_now",
        ["room", "k"],
        unique=False,
        sqlite_where=sa.text("mem = 2"),
        postgresql_where=sa.text("mem = 2"),
    )
    op.create_index(
        "state_now_rooms_of_member",
        "state_now",
        ["k", "room"],
        unique=False,
        sqlite_where=sa.text("mem > 0"),
        postgresql_where=sa.text("mem > 0"),
    )
    op.create_table(
        "stream",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("head", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "to_device",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("pos", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "device_id", "pos"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "typing",
        sa.Column("room", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("expires_ts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("room", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "uia_sessions",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("completed", sa.Text(), nullable=False),
        sa.Column("expires_ts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "users",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("admin", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_guest", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("deactivated", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("user_type", sa.Text(), nullable=True),
        sa.Column("creation_ts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_with_rowid=False,
    )
