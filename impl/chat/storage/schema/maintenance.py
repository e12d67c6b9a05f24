"""Background updates (background_updates.py), and what a restore leaves behind (backups)."""

from sqlalchemy import BigInteger, Column, Integer, Table, Text, text

from chat.storage.schema.base import metadata

background_update = Table(  # what is still to be done
    "background_update",
    metadata,
    Column("name", Text, primary_key=True),
    Column("number", Integer, nullable=False),  # they are done in this order
    Column("progress", Text, nullable=False, server_default=text("'{}'")),  # JSON, its own
    Column("rows_done", BigInteger, nullable=False, server_default=text("0")),
    sqlite_with_rowid=False,
)

log_gap = Table(  # positions that nobody can answer: lost between a backup and its restore
    "log_gap",
    metadata,
    Column("after", BigInteger, primary_key=True, autoincrement=False),
    Column("upto", BigInteger, nullable=False),
)
