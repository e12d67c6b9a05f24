"""What goes with messages: relations, threads, unread counts (relations.py, unread.py)."""

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text, text

from chat.storage.schema.base import metadata

relation = Table(  # which events point to an event by m.relates_to; redacted ones do not
    "relation",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("parent_id", Text, primary_key=True),  # the event may not be known here
    Column("rel_type", Text, primary_key=True),
    Column("depth", BigInteger, primary_key=True, autoincrement=False),  # its place in room order
    Column("pos", BigInteger, primary_key=True, autoincrement=False),
    Column("ev", BigInteger, nullable=False),
    Column("sender", Text, nullable=False),
    Column("ts", BigInteger, nullable=False),
    Column("lawful", SmallInteger, nullable=False),  # may be aggregated, as far as it can tell
    sqlite_with_rowid=False,
)

thread = Table(  # derived from `relation`
    "thread",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("root_id", Text, primary_key=True),
    Column("replies", Integer, nullable=False),
    Column("ev", BigInteger, nullable=False),  # the latest reply, and its place in room order
    Column("depth", BigInteger, nullable=False),
    Column("pos", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("thread_by_latest", thread.c.room, thread.c.depth, thread.c.pos)

thread_member = Table(  # who wrote in a thread; derived from `relation`
    "thread_member",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("root_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("replies", Integer, nullable=False),
    sqlite_with_rowid=False,
)

notice = Table(  # events that notify everybody who has the server's own push rules
    "notice",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("thread", Text, primary_key=True),
    Column("pos", BigInteger, primary_key=True, autoincrement=False),
    Column("n", Integer, nullable=False),  # how many there are in the thread up to this one
    Column("h", Integer, nullable=False),  # how many of them are highlighted for everybody
    sqlite_with_rowid=False,
)

notice_thread = Table(  # threads, but for the main one, with their last notice
    "notice_thread",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("thread", Text, primary_key=True),
    Column("pos", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("notice_thread_by_pos", notice_thread.c.room, notice_thread.c.pos)

notice_personal = Table(  # events that are to one user something else than to everybody
    "notice_personal",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", Text, primary_key=True),  # "" where an event is nothing to anybody any more
    Column("pos", BigInteger, primary_key=True, autoincrement=False),
    Column("thread", Text, nullable=False),
    Column("n", SmallInteger, nullable=False),  # whether it notifies the user
    Column("h", SmallInteger, nullable=False),  # whether highlighted
    Column("room_n", SmallInteger, nullable=False),  # what `notice` says of it
    Column("room_h", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("notice_personal_by_pos", notice_personal.c.room, notice_personal.c.pos)

read_mark = Table(  # up to where a user has read, by receipts and by sending
    "read_mark",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", Text, primary_key=True),
    Column("thread", Text, primary_key=True),  # "" for the whole room
    Column("pos", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

push_member = Table(  # joined users of this server with push rules of their own
    "push_member",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", Text, primary_key=True),
    Column("rules", Text, nullable=False),  # digest of the rules
    # Of the room's notices those at log positions in (after, upto] are the user's, too.
    Column("after", BigInteger, nullable=False, server_default=text("0")),
    Column("upto", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
