"""The media repository (media.py)."""

from sqlalchemy import BigInteger, Column, Table, Text

from chat.storage.schema.base import metadata

media = Table(
    "media",
    metadata,
    Column("media_id", Text, primary_key=True),
    Column("uploader", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("name", Text),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_ts", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
