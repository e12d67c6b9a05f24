"""Questions about several rooms or users at once, for what lists or compares them."""

from collections.abc import Collection

from chat.storage.engine import Transaction


def account_data_of(tx: Transaction, user_ids: Collection[str], kind: str) -> dict[str, str]:
    """The global account data of one type, as JSON text, of those users who have it."""
    if not user_ids:
        return {}
    rows = tx.rows(
        "SELECT user_id, content FROM account_data"
        " WHERE user_id = ANY(:user_ids) AND room = 0 AND type = :type",
        user_ids=list(user_ids),
        type=kind,
    )
    return dict(rows)


def joined_guests(tx: Transaction, room_id: str) -> list[str]:
    """The guest accounts of this server that are joined to a room."""
    rows = tx.rows(
        "SELECT m.user_id FROM room r JOIN local_member m ON m.room = r.room"
        " JOIN users u ON u.name = m.user_id"
        " WHERE r.room_id = :room_id AND m.membership = 'join' AND u.is_guest = 1"
        " ORDER BY m.user_id",
        room_id=room_id,
    )
    return [user_id for (user_id,) in rows]
