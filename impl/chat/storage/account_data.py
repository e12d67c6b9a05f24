"""Account data (global and per room, tags among them) and stored filters.

The room is its interned number; 0 stands for the global account data of a user.
"""

import json
from hashlib import sha256
from typing import Any

from chat.storage import streams
from chat.storage.engine import Transaction
from chat.storage.streams import Change, Kind

GLOBAL = 0


def get(tx: Transaction, user_id: str, room: int, kind: str) -> str | None:
    """The content as JSON text, or None where it was never set."""
    row = tx.row(
        "SELECT content FROM account_data"
        " WHERE user_id = :user_id AND room = :room AND type = :type",
        user_id=user_id,
        room=room,
        type=kind,
    )
    return row[0] if row else None


def put(tx: Transaction, user_id: str, room: int, kind: str, content: str) -> None:
    """Replace the content; the superseded one leaves no row."""
    change = Change(Kind.ACCOUNT_DATA, room or None, user_id, None)
    (pos,) = streams.append(tx, [change])
    tx.do(
        "INSERT INTO account_data (user_id, room, type, content, pos)"
        " VALUES (:user_id, :room, :type, :content, :pos) ON CONFLICT (user_id, room, type)"
        " DO UPDATE SET content = excluded.content, pos = excluded.pos",
        user_id=user_id,
        room=room,
        type=kind,
        content=content,
        pos=pos,
    )


def changed(tx: Transaction, user_id: str, after: int, upto: int) -> list[tuple[int, str, str]]:
    """(room or 0, type, content) of what changed at positions in (after, upto], in their order."""
    found = tx.rows(
        "SELECT room, type, content FROM account_data"
        " WHERE user_id = :user_id AND pos > :after AND pos <= :upto ORDER BY pos",
        user_id=user_id,
        after=after,
        upto=upto,
    )
    return [(room, kind, content) for room, kind, content in found]


def add_filter(tx: Transaction, user_id: str, definition: dict[str, Any]) -> str:
    """Store a filter and return its ID; the same definition has the same ID."""
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"))
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    tx.run(
        "INSERT INTO filters (user_id, filter_id, definition) VALUES (:user_id, :id, :text)"
        " ON CONFLICT (user_id, filter_id) DO NOTHING",
        user_id=user_id,
        id=digest,
        text=text,
    )
    return digest


def find_filter(tx: Transaction, user_id: str, filter_id: str) -> str | None:
    """The definition as JSON text, or None."""
    row = tx.row(
        "SELECT definition FROM filters WHERE user_id = :user_id AND filter_id = :id",
        user_id=user_id,
        id=filter_id,
    )
    return row[0] if row else None
