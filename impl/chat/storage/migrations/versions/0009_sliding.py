"""Sliding sync connections, and what each was sent."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Where the connections of sliding sync are kept."""
    op.create_table(
        "sliding_connection",
        sa.Column("connection", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("device_id", sa.Text, nullable=False),
        sa.Column("conn_id", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("newest", sa.BigInteger, nullable=False),
        sa.Column("configs", sa.Text, nullable=False),
        sa.Column("used_ts", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "sliding_connection_by_name",
        "sliding_connection",
        ["user_id", "device_id", "conn_id"],
        unique=True,
    )
    op.create_index("sliding_connection_by_use", "sliding_connection", ["used_ts"])
    op.create_table(
        "sliding_room",
        sa.Column("connection", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("room", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("upto", sa.BigInteger),
        sa.Column("timeline_limit", sa.Integer, nullable=False),
        sa.Column("config", sa.Integer, nullable=False),
        sa.Column("is_dm", sa.SmallInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Clients begin anew."""
    op.drop_table("sliding_room")
    op.drop_table("sliding_connection")
