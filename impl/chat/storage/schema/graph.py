"""The event graph, as far as the events' own JSON cannot answer (graph.py)."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from chat.storage.schema.base import Number, metadata

event_missing = Table(  # backward extremities: prev events that are not part of the graph
    "event_missing",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("ev", BigInteger, primary_key=True, autoincrement=False),  # who names it
    Column("room", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("event_missing_by_room", event_missing.c.room)

event_auth = Table(  # the auth events of each state event
    "event_auth",
    metadata,
    Column("ev", Number, primary_key=True, autoincrement=False),
    Column("k", BigInteger, nullable=False),  # the key that the event sets
    Column("depth", Integer, nullable=False),  # 1 + the greatest of its auth events
    Column("auth", Text, nullable=False),  # their numbers, separated by spaces
)

auth_live = Table(  # how often the auth chains of the state cite an event, as of room.auth_pos
    "auth_live",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("ev", BigInteger, primary_key=True, autoincrement=False),
    Column("n", Integer, nullable=False),
    sqlite_with_rowid=False,
)

redaction_waiting = Table(  # redactions of events that are not here yet
    "redaction_waiting",
    metadata,
    Column("event_id", Text, primary_key=True),  # what is redacted
    Column("ev", BigInteger, primary_key=True, autoincrement=False),
    Column("room", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("redaction_waiting_by_room", redaction_waiting.c.room)
