"""Changed profiles that are not in all rooms of their users yet.

A change raises the generation of its user's row and begins anew at the first room. One worker at a
time has hold of a row, for a while; when it dies, another one goes on after the last room noted.
"""

from typing import NamedTuple

from chat.storage.engine import Transaction


class Carry(NamedTuple):
    """A user's profile on its way: the rooms up to `after_room` have that of `generation`."""

    user_id: str
    generation: int
    after_room: int


def note(tx: Transaction, user_id: str) -> None:
    """The user's profile changed: all rooms are to have it."""
    tx.do(
        "INSERT INTO profile_carry (user_id, generation, after_room, held_until_ts)"
        " VALUES (:user_id, 1, 0, 0) ON CONFLICT (user_id)"
        " DO UPDATE SET generation = profile_carry.generation + 1, after_room = 0",
        user_id=user_id,
    )


def hold(tx: Transaction, user_id: str, now_ms: int, until_ms: int) -> Carry | None:
    """Take hold of a user's row; None where there is none, or somebody else is at it."""
    row = tx.row(
        "UPDATE profile_carry SET held_until_ts = :until"
        " WHERE user_id = :user_id AND held_until_ts <= :now RETURNING generation, after_room",
        user_id=user_id,
        now=now_ms,
        until=until_ms,
    )
    return Carry(user_id, *row) if row else None


def rooms_after(tx: Transaction, carry: Carry, limit: int) -> list[tuple[int, str]]:
    """The next (room, room ID) that the user is joined to, in order."""
    rows = tx.rows(
        "SELECT m.room, r.room_id FROM local_member m JOIN room r ON r.room = m.room"
        " WHERE m.user_id = :user_id AND m.room > :after AND m.membership = 'join'"
        " ORDER BY m.room LIMIT :limit",
        user_id=carry.user_id,
        after=carry.after_room,
        limit=limit,
    )
    return [(room, room_id) for room, room_id in rows]


def advance(tx: Transaction, carry: Carry, after_room: int, until_ms: int) -> Carry | None:
    """Note how far it is, and keep hold; the row as it is now, which may have begun anew."""
    row = tx.row(
        "UPDATE profile_carry SET held_until_ts = :until, after_room ="
        " CASE WHEN generation = :generation THEN :after ELSE after_room END"
        " WHERE user_id = :user_id RETURNING generation, after_room",
        user_id=carry.user_id,
        generation=carry.generation,
        after=after_room,
        until=until_ms,
    )
    return Carry(carry.user_id, *row) if row else None


def finish(tx: Transaction, carry: Carry) -> bool:
    """Remove the row; False where the profile has changed again meanwhile."""
    removed = tx.run(
        "DELETE FROM profile_carry WHERE user_id = :user_id AND generation = :generation",
        user_id=carry.user_id,
        generation=carry.generation,
    )
    return removed > 0


def release(tx: Transaction, user_id: str) -> None:
    """Let go of a user's row before its work is done."""
    tx.do("UPDATE profile_carry SET held_until_ts = 0 WHERE user_id = :user_id", user_id=user_id)


def left_behind(tx: Transaction, now_ms: int, limit: int) -> list[str]:
    """Users whose rows nobody has hold of."""
    rows = tx.rows(
        "SELECT user_id FROM profile_carry WHERE held_until_ts <= :now LIMIT :limit",
        now=now_ms,
        limit=limit,
    )
    return [user_id for (user_id,) in rows]
