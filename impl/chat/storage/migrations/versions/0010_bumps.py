"""An index of what moves rooms up in the lists of sliding sync."""

import sqlalchemy as sa

from chat.storage.migrations import online

revision = "0010"
down_revision = "0009"

BUMPS = sa.text(
    "type IN ('m.room.create', 'm.room.message', 'm.room.encrypted', 'm.sticker',"
    " 'm.call.invite', 'm.poll.start', 'm.beacon_info')"
)


def upgrade() -> None:
    """Find a room's last message at once, whatever came after it."""
    online.create_index(
        "event_bumps", "event", ["room", "pos"], sqlite_where=BUMPS, postgresql_where=BUMPS
    )


def downgrade() -> None:
    """Without it."""
    online.drop_index("event_bumps", "event")
