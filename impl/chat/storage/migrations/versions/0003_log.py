"""The change log: trimming."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the times by which the log is trimmed."""
    op.create_table(
        "log_time",
        sa.Column("pos", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("ts", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("log_time")
