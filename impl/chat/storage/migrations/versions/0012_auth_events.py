"""Have the auth events of the first servers' state events stored."""

from alembic import op

from chat.storage.background_updates import schedule

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """The server does it while it works; until then it reads the events' JSON."""
    schedule("auth_events", 2)


def downgrade() -> None:
    """What is stored stays."""
    op.execute("DELETE FROM background_update WHERE name = 'auth_events'")
