"""Events, in their two orders (events.py)."""

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text, text

from chat.storage.schema.base import Number, metadata

event = Table(
    "event",
    metadata,
    Column("ev", Number, primary_key=True, autoincrement=False),
    Column("event_id", Text, nullable=False, unique=True),
    Column("room", BigInteger, nullable=False),
    Column("pos", BigInteger),  # sync order: NULL for outliers, negative for backfilled events
    Column("depth", BigInteger, nullable=False),  # room order: depth, then pos
    Column("type", Text, nullable=False),
    Column("state_key", Text),
    Column("sender", Text, nullable=False),
    Column("origin_server_ts", BigInteger, nullable=False),
    Column("json", Text, nullable=False),  # the PDU
    Column("before_line", BigInteger),  # the state before it; NULL where that is unknown
    Column("before_pos", Integer),
    Column("after_line", BigInteger),  # the state after it; NULL where it is that before
    Column("after_pos", Integer),
    Column("main_pos", Integer),  # of the main line once it was in, where not given by the above
    Column("replaces", BigInteger),  # the state event before it under the same key
    Column("redacted_by", Text),  # the ID of the redaction
    Column("txn_device", Text),  # which device of ours sent it, and its name for it
    Column("txn_id", Text),
    Column("rejected", SmallInteger, nullable=False, server_default=text("0")),
    Column("soft_failed", SmallInteger, nullable=False, server_default=text("0")),
    Column("outlier", SmallInteger, nullable=False, server_default=text("0")),
)
Index("event_by_room_order", event.c.room, event.c.depth, event.c.pos)
Index("event_by_sync_order", event.c.room, event.c.pos)
Index("event_by_time", event.c.room, event.c.origin_server_ts, event.c.ev)

answered_request = Table(  # requests of clients that must not be repeated (requests.py)
    "answered_request",
    metadata,
    Column("device", BigInteger, primary_key=True, autoincrement=False),  # digests
    Column("request", Text, primary_key=True),
    Column("ev", BigInteger, nullable=False),  # what answered it; 0: no event
    Column("created_ts", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

event_txn = Table(  # its form of before; nothing but the first schema's code knows it
    "event_txn",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("device_id", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("ev", BigInteger, nullable=False),
    Column("created_ts", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
