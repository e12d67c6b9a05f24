"""Relations, threads, unread counts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = (
    "relation",
    "thread",
    "thread_member",
    "notice",
    "notice_thread",
    "notice_personal",
    "read_mark",
    "push_member",
)


def upgrade() -> None:
    """Create the tables, and two flags of rooms."""
    _create_relations()
    _create_notices()
    _create_marks()
    for name in ("related", "custom_rules"):
        zero = sa.text("0")
        op.add_column("room", sa.Column(name, sa.SmallInteger, nullable=False, server_default=zero))


def downgrade() -> None:
    """Drop them."""
    for name in ("related", "custom_rules"):
        op.drop_column("room", name)
    for table in TABLES:
        op.drop_table(table)


def _number(name: str, *, key: bool = False) -> sa.Column[int]:
    if key:
        return sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False)
    return sa.Column(name, sa.BigInteger, nullable=False)


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def _create_relations() -> None:
    op.create_table(
        "relation",
        _number("room", key=True),
        _text("parent_id", key=True),
        _text("rel_type", key=True),
        _number("depth", key=True),
        _number("pos", key=True),
        _number("ev"),
        _text("sender"),
        _number("ts"),
        sa.Column("lawful", sa.SmallInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "thread",
        _number("room", key=True),
        _text("root_id", key=True),
        sa.Column("replies", sa.Integer, nullable=False),
        _number("ev"),
        _number("depth"),
        _number("pos"),
        sqlite_with_rowid=False,
    )
    op.create_index("thread_by_latest", "thread", ["room", "depth", "pos"])
    op.create_table(
        "thread_member",
        _number("room", key=True),
        _text("root_id", key=True),
        _text("user_id", key=True),
        sa.Column("replies", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )


def _create_notices() -> None:
    op.create_table(
        "notice",
        _number("room", key=True),
        _text("thread", key=True),
        _number("pos", key=True),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("h", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notice_thread",
        _number("room", key=True),
        _text("thread", key=True),
        _number("pos"),
        sqlite_with_rowid=False,
    )
    op.create_index("notice_thread_by_pos", "notice_thread", ["room", "pos"])
    op.create_table(
        "notice_personal",
        _number("room", key=True),
        _text("user_id", key=True),
        _number("pos", key=True),
        _text("thread"),
        *(
            sa.Column(name, sa.SmallInteger, nullable=False)
            for name in ("n", "h", "room_n", "room_h")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("notice_personal_by_pos", "notice_personal", ["room", "pos"])


def _create_marks() -> None:
    op.create_table(
        "read_mark",
        _number("room", key=True),
        _text("user_id", key=True),
        _text("thread", key=True),
        _number("pos"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "push_member",
        _number("room", key=True),
        _text("user_id", key=True),
        _text("rules"),
        sa.Column("after", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        _number("upto"),
        sqlite_with_rowid=False,
    )
