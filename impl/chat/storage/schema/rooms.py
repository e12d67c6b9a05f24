"""Rooms, their directory, and the memberships of this server's users."""

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text, text

from chat.storage.schema.base import Number, metadata

room = Table(
    "room",
    metadata,
    Column("room", Number, primary_key=True, autoincrement=False),
    Column("room_id", Text, nullable=False, unique=True),
    Column("version", Text, nullable=False),
    # Under this row's lock: the history of its current state, and its forward extremities.
    Column("main_line", BigInteger, nullable=False),
    Column("head", Integer, nullable=False),  # last position on the main line
    Column("tips", Text, nullable=False),  # JSON [[event_id, depth], …]
    Column("imported", SmallInteger, nullable=False, server_default=text("0")),  # see state.py
    Column("redactions", Integer, nullable=False, server_default=text("0")),  # how many there were
    Column("partial_state", SmallInteger, nullable=False, server_default=text("0")),
    Column("related", SmallInteger, nullable=False, server_default=text("0")),  # see rooms.Room
    Column("custom_rules", SmallInteger, nullable=False, server_default=text("0")),
    # The position on the main line up to which auth_live counts; 0: it does not yet (graph.py).
    Column("auth_pos", Integer, nullable=False, server_default=text("0")),
)

room_summary = Table(  # derived from the current state
    "room_summary",
    metadata,
    Column("room", Number, primary_key=True, autoincrement=False),
    Column("joined", Integer, nullable=False, server_default=text("0")),
    Column("invited", Integer, nullable=False, server_default=text("0")),
    Column("name", Text),
    Column("topic", Text),
    Column("canonical_alias", Text),
    Column("avatar_url", Text),
    Column("join_rule", Text),
    Column("history_visibility", Text),
    Column("guest_access", Text),
    Column("room_type", Text),
    Column("encryption", Text),
)

published_room = Table(  # the public room directory
    "published_room",
    metadata,
    Column("room", Number, primary_key=True, autoincrement=False),
)

room_alias = Table(
    "room_alias",
    metadata,
    Column("alias", Text, primary_key=True),
    Column("room", BigInteger, nullable=False),
    Column("creator", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("room_alias_by_room", room_alias.c.room)

local_member = Table(  # memberships of this server's users; derived, but for `forgotten`
    "local_member",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("membership", Text, nullable=False),
    Column("ev", BigInteger, nullable=False),
    Column("pos", BigInteger, nullable=False),
    Column("forgotten", SmallInteger, nullable=False, server_default=text("0")),
    sqlite_with_rowid=False,
)
Index("local_member_by_room", local_member.c.room, local_member.c.membership)
