"""Requests of clients by digests, as their paths are long."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """A new table: what the old one remembers is of a day, and only who repeats it asks."""
    op.create_table(
        "answered_request",
        sa.Column("device", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("request", sa.Text, primary_key=True),
        sa.Column("ev", sa.BigInteger, nullable=False),
        sa.Column("created_ts", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Without it."""
    op.drop_table("answered_request")
