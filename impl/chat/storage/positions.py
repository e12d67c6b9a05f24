"""Positions of the change log that PostgreSQL gives out with the commit.

They are given out under the lock of one row, which must not be held while Python thinks. So the
step of the counter, what carries the positions, and COMMIT travel as one message. Statements name a
position by its place after the `BASE`, which the step leaves in a setting of the session.
"""

from typing import TypeAlias

SILENT_LOGGER_MS = 300  # who holds the log and sends nothing for so long loses the transaction
BASE = "current_setting('chat.base')::bigint"  # the position before a transaction's first
TAKE = (
    "UPDATE stream SET head = head + :count RETURNING"  # noqa: S608 - a number
    " set_config('chat.base', (head - :count)::text, false),"
    f" set_config('idle_in_transaction_session_timeout', '{SILENT_LOGGER_MS}', true)"
)
TAKE_MORE = "UPDATE stream SET head = head + :count"
COMMIT_AND_TELL = b"COMMIT;SELECT current_setting('chat.base')"


class Positions:
    """The places that a transaction takes in the change log, one after the other."""

    __slots__ = ("base", "count")

    def __init__(self) -> None:
        self.base: int | None = None  # known after the commit
        self.count = 0


class Pending:
    """A position that is known after the commit, by `int()`. Before, it can only be written."""

    __slots__ = ("_of", "place")

    def __init__(self, of: Positions, place: int) -> None:
        self._of = of
        self.place = place

    def __int__(self) -> int:
        if self._of.base is None:
            raise RuntimeError("A position is not known before the commit")
        return self._of.base + self.place

    def __conform__(self, _protocol: object) -> "Pending":
        """psycopg2 asks for what knows how to write this value."""
        return self

    def getquoted(self) -> bytes:
        """The value in a statement."""
        return f"({BASE} + {self.place})".encode()


Position: TypeAlias = int | Pending
