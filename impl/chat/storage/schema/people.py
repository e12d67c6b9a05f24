"""Profiles on their way into rooms, the user directory, search, presence, delayed events."""

from sqlalchemy import BigInteger, Column, Index, SmallInteger, Table, Text, text

from chat.storage.schema.base import metadata

# Tables whose names begin like this are an index (search.py): not listed here, as their form is the
# database's own, and filled anew wherever they are empty.
SEARCH_INDEX = "search_words"

# Compared byte by byte whatever the database's locale, so that a prefix is a range.
Bytewise = Text().with_variant(Text(collation="C"), "postgresql")

profile_carry = Table(  # users whose new name or picture is not in all their rooms yet
    "profile_carry",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("generation", BigInteger, nullable=False),  # of the profile: one more per change
    Column("after_room", BigInteger, nullable=False),  # rooms up to this one have it
    Column("held_until_ts", BigInteger, nullable=False),  # a worker is at it until then
    sqlite_with_rowid=False,
)

user_word = Table(  # the user directory (user_directory.py)
    "user_word",
    metadata,
    Column("word", Bytewise, primary_key=True),
    Column("user_id", Text, primary_key=True),
    sqlite_with_rowid=False,
)
Index("user_word_by_user", user_word.c.user_id)

delayed_event = Table(  # (delayed_events.py)
    "delayed_event",
    metadata,
    Column("delay_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("device_id", Text, nullable=False),
    Column("request", Text, nullable=False),  # the path that scheduled it: a repeat changes nothing
    Column("room_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("state_key", Text),
    Column("content", Text, nullable=False),
    Column("delay_ms", BigInteger, nullable=False),
    Column("since_ts", BigInteger, nullable=False),  # scheduled or last restarted
    Column("send_ts", BigInteger),  # due; NULL once it is final
    Column("sending", SmallInteger, nullable=False, server_default=text("0")),
    Column("finalised_ts", BigInteger),
    Column("event_id", Text),
    Column("error", Text),  # JSON
    sqlite_with_rowid=False,
)
_waiting = text("send_ts IS NOT NULL")
Index(
    "delayed_event_by_send_ts",
    delayed_event.c.send_ts,
    sqlite_where=_waiting,
    postgresql_where=_waiting,
)
Index(
    "delayed_event_by_request",
    delayed_event.c.user_id,
    delayed_event.c.device_id,
    delayed_event.c.request,
    unique=True,
)

presence = Table(  # who is there (presence.py)
    "presence",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("state", SmallInteger, nullable=False, server_default=text("0")),
    Column("status_msg", Text),
    Column("last_active_ts", BigInteger, nullable=False, server_default=text("0")),
    Column("next_ts", BigInteger),  # when time alone may change the state, or earlier
    Column("dirty", SmallInteger, nullable=False, server_default=text("0")),  # others do not know
    Column("pos", BigInteger),  # where others were last told
    sqlite_with_rowid=False,
)
Index("presence_by_pos", presence.c.pos)
_due = text("next_ts IS NOT NULL")
Index("presence_by_next_ts", presence.c.next_ts, sqlite_where=_due, postgresql_where=_due)
_dirty = text("dirty = 1")
Index("presence_dirty", presence.c.user_id, sqlite_where=_dirty, postgresql_where=_dirty)
_there = text("state > 0")
Index("presence_there", presence.c.user_id, sqlite_where=_there, postgresql_where=_there)

presence_device = Table(  # what devices show of their users, until a time
    "presence_device",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("device_id", Text, primary_key=True),
    Column("state", SmallInteger, nullable=False),
    Column("until_ts", BigInteger, nullable=False),
    Column("by_hand", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

presence_flush = Table(  # one row: when others were last told
    "presence_flush",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("ts", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
