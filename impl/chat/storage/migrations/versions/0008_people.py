"""Presence, user directory, search, delayed events."""

import sqlalchemy as sa
from alembic import op

from chat.storage.background_updates import schedule

revision = "0008"
down_revision = "0007"

BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
WAITING = sa.text("send_ts IS NOT NULL")
SEARCH_TABLES = ("search_words", "search_words_progress")
TABLES = (
    "delayed_event",
    "presence",
    "presence_device",
    "presence_flush",
    "profile_carry",
    "user_word",
)


def upgrade() -> None:
    """Create the tables, and fill the user directory."""
    _create_tables()
    _create_presence()
    _create_search()
    schedule("user_directory", 1)


def downgrade() -> None:
    """Drop the tables."""
    op.execute("DELETE FROM background_update WHERE name = 'user_directory'")
    for table in (*TABLES, *SEARCH_TABLES):
        op.drop_table(table)


def _create_search() -> None:
    """The full-text index; the server fills it."""
    op.create_table(
        "search_words_progress",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=False),
        sa.Column("next_ev", sa.BigInteger(), nullable=False),
        sa.Column("last_ev", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE search_words USING fts5"
            "(marks, words, content='', tokenize='unicode61 remove_diacritics 0')"
        )
    else:
        op.execute("CREATE TABLE search_words (rowid BIGINT PRIMARY KEY, words TSVECTOR NOT NULL)")
        op.execute("CREATE INDEX search_words_by_word ON search_words USING gin (words)")


def _create_tables() -> None:
    op.create_table(
        "profile_carry",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("after_room", sa.BigInteger(), nullable=False),
        sa.Column("held_until_ts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "user_word",
        sa.Column("word", BYTEWISE, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("word", "user_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("user_word_by_user", "user_word", ["user_id"], unique=False)
    op.create_table(
        "delayed_event",
        sa.Column("delay_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("room_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("state_key", sa.Text(), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("delay_ms", sa.BigInteger(), nullable=False),
        sa.Column("since_ts", sa.BigInteger(), nullable=False),
        sa.Column("send_ts", sa.BigInteger(), nullable=True),
        sa.Column("sending", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("finalised_ts", sa.BigInteger(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("delay_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "delayed_event_by_send_ts",
        "delayed_event",
        ["send_ts"],
        unique=False,
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )
    op.create_index(
        "delayed_event_by_request",
        "delayed_event",
        ["user_id", "device_id", "request"],
        unique=True,
    )


def _create_presence() -> None:
    op.create_table(
        "presence",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("status_msg", sa.Text(), nullable=True),
        sa.Column("last_active_ts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_ts", sa.BigInteger(), nullable=True),
        sa.Column("dirty", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("user_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("presence_by_pos", "presence", ["pos"], unique=False)
    _index_where("presence_by_next_ts", "next_ts", "next_ts IS NOT NULL")
    _index_where("presence_dirty", "user_id", "dirty = 1")
    _index_where("presence_there", "user_id", "state > 0")
    op.create_table(
        "presence_device",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("until_ts", sa.BigInteger(), nullable=False),
        sa.Column("by_hand", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "device_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "presence_flush",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("ts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )


def _index_where(name: str, column: str, where: str) -> None:
    only = sa.text(where)
    op.create_index(
        name, "presence", [column], unique=False, sqlite_where=only, postgresql_where=only
    )
