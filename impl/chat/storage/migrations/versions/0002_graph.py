"""The event graph: backward extremities, auth edges."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """What the JSON of events cannot answer by itself."""
    op.create_table(
        "event_missing",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("ev", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("room", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("event_missing_by_room", "event_missing", ["room"])
    op.create_table(
        "event_auth",
        sa.Column("ev", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("k", sa.BigInteger, nullable=False),
        sa.Column("depth", sa.Integer, nullable=False),
        sa.Column("auth", sa.Text, nullable=False),
    )
    op.create_table(
        "auth_live",
        sa.Column("room", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ev", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("n", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "redaction_waiting",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("ev", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("room", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("redaction_waiting_by_room", "redaction_waiting", ["room"])
    op.add_column(
        "room", sa.Column("auth_pos", sa.Integer, nullable=False, server_default=sa.text("0"))
    )


def downgrade() -> None:
    """Back to linear rooms."""
    op.drop_column("room", "auth_pos")
    for table in ("redaction_waiting", "auth_live", "event_auth", "event_missing"):
        op.drop_table(table)
