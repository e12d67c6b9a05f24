"""Rooms: what operations on them need."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Reports; events by the time at which they were sent."""
    op.create_table(
        "report",
        sa.Column("report_id", sa.Text(), nullable=False),
        sa.Column("received_ts", sa.BigInteger(), nullable=False),
        sa.Column("reporter", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text()),
        sa.Column("room_id", sa.Text()),
        sa.Column("user_id", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("report_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("report_by_time", "report", ["received_ts", "report_id"])
    op.create_index("event_by_time", "event", ["room", "origin_server_ts", "ev"])


def downgrade() -> None:
    """Drop both."""
    op.drop_index("event_by_time", "event")
    op.drop_table("report")
