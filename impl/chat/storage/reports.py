"""What users have reported to the administrators."""

from typing import NamedTuple

from chat.storage.engine import Transaction


class Report(NamedTuple):
    """A report of an event in its room, of a room, or of a user; the other fields are None."""

    report_id: str
    received_ts: int
    reporter: str
    event_id: str | None
    room_id: str | None
    user_id: str | None
    reason: str | None


def add(tx: Transaction, report: Report) -> None:
    """Store a report."""
    tx.insert("report", Report._fields, [report])


def newest(tx: Transaction, limit: int) -> list[Report]:
    """The newest reports, the last one first."""
    rows = tx.rows(
        "SELECT report_id, received_ts, reporter, event_id, room_id, user_id, reason FROM report"
        " ORDER BY received_ts DESC, report_id DESC LIMIT :limit",
        limit=limit,
    )
    return [Report(*row) for row in rows]
