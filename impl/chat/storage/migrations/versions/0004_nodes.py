"""Equal nodes: leases and shared counters; rooms and history on their way out."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the tables that nodes share."""
    op.create_table(
        "worker",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("beats", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("worker", sa.Text),
        sa.Column("generation", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sqlite_with_rowid=False,
    )
    unlogged = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "rate_limit",
        sa.Column("bucket", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("full_at_us", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
        # Without a log its commits wait for no disk; after a crash it is empty.
        prefixes=["UNLOGGED"] if unlogged else [],
    )
    op.create_table(
        "ratelimit_override",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("messages_per_second", sa.BigInteger, nullable=False),
        sa.Column("burst_count", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ended_room",
        sa.Column("room", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ended_ts", sa.BigInteger, nullable=False),
        sa.Column("main_line", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "history_purge",
        sa.Column("room", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("depth", sa.BigInteger, nullable=False),
        sa.Column("seen_depth", sa.BigInteger, nullable=False),
        sa.Column("seen_pos", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Remove them."""
    for table in (
        "history_purge",
        "ended_room",
        "ratelimit_override",
        "rate_limit",
        "lease",
        "worker",
    ):
        op.drop_table(table)
