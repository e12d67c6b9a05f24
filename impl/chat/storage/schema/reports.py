"""What users have reported to the administrators (reports.py)."""

from sqlalchemy import BigInteger, Column, Index, Table, Text

from chat.storage.schema.base import metadata

report = Table(
    "report",
    metadata,
    Column("report_id", Text, primary_key=True),
    Column("received_ts", BigInteger, nullable=False),
    Column("reporter", Text, nullable=False),
    # What is reported: an event in its room, a room, or a user.
    Column("event_id", Text),
    Column("room_id", Text),
    Column("user_id", Text),
    Column("reason", Text),
    sqlite_with_rowid=False,
)
Index("report_by_time", report.c.received_ts, report.c.report_id)
