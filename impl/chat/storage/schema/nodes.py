"""What equal nodes share (leases.py, limits.py)."""

from sqlalchemy import BigInteger, Column, Table, Text, text

from chat.storage.schema.base import metadata

worker = Table(  # every worker process of every node that gives signs of life
    "worker",
    metadata,
    Column("name", Text, primary_key=True),
    Column("beats", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

lease = Table(  # pieces of background work, each with one owner
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("worker", Text),  # free when that is no row of `worker`
    Column("generation", BigInteger, nullable=False, server_default=text("0")),
    sqlite_with_rowid=False,
)

rate_limit = Table(  # unlogged in PostgreSQL: a crash forgets it
    "rate_limit",
    metadata,
    Column("bucket", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("full_at_us", BigInteger, nullable=False),  # when the bucket will be full again
    sqlite_with_rowid=False,
)

ratelimit_override = Table(
    "ratelimit_override",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("messages_per_second", BigInteger, nullable=False),  # both 0: no limit
    Column("burst_count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

ended_room = Table(  # rooms that every user of this server has left and forgotten (purge.py)
    "ended_room",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("ended_ts", BigInteger, nullable=False),
    Column("main_line", BigInteger),  # while it is purged: `room` has no row for it any more
    sqlite_with_rowid=False,
)

history_purge = Table(  # rooms whose early history is on its way out (purge.py)
    "history_purge",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("depth", BigInteger, nullable=False),  # events below go
    Column("seen_depth", BigInteger, nullable=False),  # how far the rest was looked through
    Column("seen_pos", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
