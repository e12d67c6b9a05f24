"""Sessions of user-interactive authentication, which any worker can finish."""

import json
from dataclasses import dataclass
from typing import Any

from chat.storage.engine import Transaction


@dataclass(frozen=True, slots=True)
class UiaSession:
    """A session: what it is bound to, and the stages completed so far with their results."""

    session_id: str
    user_id: str | None
    operation: str
    body: dict[str, Any]
    completed: dict[str, Any]


def create(tx: Transaction, session: UiaSession, now_ms: int, lifetime_ms: int) -> None:
    """Begin a session; expired ones go."""
    tx.run("DELETE FROM uia_sessions WHERE expires_ts < :now", now=now_ms)
    tx.run(
        "INSERT INTO uia_sessions (session_id, user_id, operation, body, completed, expires_ts)"
        " VALUES (:id, :user_id, :operation, :body, :completed, :expires)",
        id=session.session_id,
        user_id=session.user_id,
        operation=session.operation,
        body=json.dumps(session.body),
        completed=json.dumps(session.completed),
        expires=now_ms + lifetime_ms,
    )


def find(tx: Transaction, session_id: str, now_ms: int) -> UiaSession | None:
    """The session, or None where it is unknown, finished or expired."""
    row = tx.row(
        "SELECT session_id, user_id, operation, body, completed FROM uia_sessions"
        " WHERE session_id = :id AND expires_ts >= :now",
        id=session_id,
        now=now_ms,
    )
    if row is None:
        return None
    found_id, user_id, operation, body, completed = row
    return UiaSession(found_id, user_id, operation, json.loads(body), json.loads(completed))


def set_completed(tx: Transaction, session_id: str, completed: dict[str, Any]) -> None:
    """Write down the stages completed so far."""
    tx.run(
        "UPDATE uia_sessions SET completed = :completed WHERE session_id = :id",
        completed=json.dumps(completed),
        id=session_id,
    )


def finish(tx: Transaction, session_id: str) -> bool:
    """End the session; False where another request has ended it already."""
    return tx.run("DELETE FROM uia_sessions WHERE session_id = :id", id=session_id) > 0
