"""The user directory: under which words users are found, and who may find whom.

Users are found by the beginnings of words of their localpart and display name, and by their ID. Who
shares a room with whom, or is in a public one, is asked of the current state of rooms when somebody
searches, so nothing here changes when users join and leave, however large the room.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any

from chat.storage.background_updates import Batch
from chat.storage.engine import Transaction, Value
from chat.storage.words import END_OF_PREFIX, words

WORDS = 24  # of one user
CANDIDATES = 5_000  # words looked at in one search, those nearest to the searched ones

# Whether the user `{user}` is joined to a room of :rooms or to one that anybody may look into.
_VISIBLE = (
    "EXISTS (SELECT 1 FROM state_key s JOIN state_now n ON n.k = s.k"
    " JOIN room_summary r ON r.room = n.room"
    " WHERE s.type = 'm.room.member' AND s.state_key = {user} AND n.mem > 0 AND n.mem = 2"
    " AND (r.join_rule = 'public' OR r.history_visibility = 'world_readable'"
    " OR n.room = ANY(:rooms)))"
)


def index(tx: Transaction, user_id: str, display_name: str | None) -> None:
    """Let a user be found by the ID and this display name, and no longer by an earlier one."""
    localpart = user_id[1:].partition(":")[0]
    found = {user_id.lower(), localpart, *words(localpart, WORDS)}
    found.update(words(display_name or "", WORDS))
    wanted = sorted(found)
    tx.do(
        "DELETE FROM user_word WHERE user_id = :user_id AND word <> ALL(:words)",
        user_id=user_id,
        words=wanted,
    )
    tx.do(
        "INSERT INTO user_word (word, user_id) SELECT w.word, w.user_id"
        " FROM ROWS(:rows AS word text, user_id text) w"
        " WHERE true ON CONFLICT (word, user_id) DO NOTHING",
        rows=[(word, user_id) for word in wanted],
    )


def remove(tx: Transaction, user_id: str) -> None:
    """Let a user no longer be found."""
    tx.do("DELETE FROM user_word WHERE user_id = :user_id", user_id=user_id)


def search(
    tx: Transaction,
    searcher: str,
    prefixes: Sequence[str],
    limit: int,
    *,
    local_suffix: str,
    everybody: bool,
    local_only: bool,
    local_first: bool,
) -> list[str]:
    """User IDs, best match first, of which every prefix begins a word; never the searcher's.

    Those whom the searcher may see, or `everybody`. `local_suffix` ends the IDs of local users.
    """
    ranges, params = _ranges(prefixes)
    where = "t.user_id <> :searcher"
    if not everybody:
        where += f" AND {_VISIBLE.format(user='t.user_id')}"
        params["rooms"] = _joined(tx, searcher)
    if local_only:
        where += " AND t.user_id LIKE :local ESCAPE '!'"
    order = "(t.user_id NOT LIKE :local ESCAPE '!'), " if local_first else ""
    if local_only or local_first:
        params["local"] = "%" + local_suffix.replace("!", "!!").replace("_", "!_")
    rows = tx.rows(
        "SELECT t.user_id FROM (SELECT w.word, w.user_id FROM user_word w"  # noqa: S608 - constants
        f" WHERE {ranges} ORDER BY w.word, w.user_id LIMIT :candidates) t"
        f" WHERE {where} GROUP BY t.user_id ORDER BY {order}min(t.word), t.user_id LIMIT :limit",
        searcher=searcher,
        candidates=CANDIDATES,
        limit=limit,
        **params,
    )
    return [user_id for (user_id,) in rows]


def _ranges(prefixes: Sequence[str]) -> tuple[str, dict[str, Value]]:
    """The condition that every prefix begins a word of a user; the longest one leads."""
    leading, *others = sorted(prefixes, key=len, reverse=True)
    where = "w.word >= :low0 AND w.word < :high0"
    params: dict[str, Value] = {"low0": leading, "high0": leading + END_OF_PREFIX}
    for i, prefix in enumerate(others, 1):
        where += (
            " AND EXISTS (SELECT 1 FROM user_word o WHERE o.user_id = w.user_id"  # noqa: S608 - numbers
            f" AND o.word >= :low{i} AND o.word < :high{i})"
        )
        params |= {f"low{i}": prefix, f"high{i}": prefix + END_OF_PREFIX}
    return where, params


def visible(tx: Transaction, searcher: str, user_ids: Collection[str]) -> set[str]:
    """Those of the users who share a room with the searcher, or are in a public one."""
    rows = tx.rows(
        "SELECT w.user_id FROM ROWS(:users AS user_id text) w"  # noqa: S608 - constants
        f" WHERE {_VISIBLE.format(user='w.user_id')}",
        users=[(user_id,) for user_id in user_ids],
        rooms=_joined(tx, searcher),
    )
    return {user_id for (user_id,) in rows}


def _joined(tx: Transaction, user_id: str) -> list[int]:
    rows = tx.rows(
        "SELECT room FROM local_member WHERE user_id = :user_id AND membership = 'join'",
        user_id=user_id,
    )
    return [room for (room,) in rows]


def fill(tx: Transaction, progress: dict[str, Any], size: int) -> Batch:
    """A background update: users from before there was a directory."""
    rows = tx.rows(
        "SELECT u.name, p.value FROM users u LEFT JOIN profile_fields p ON p.user_id = u.name"
        " AND p.field = 'displayname' WHERE u.name > :after AND u.deactivated = 0"
        " ORDER BY u.name LIMIT :size",
        after=progress.get("after", ""),
        size=size,
    )
    for user_id, name in rows:
        display_name = None if name is None else json.loads(name)
        index(tx, user_id, display_name if isinstance(display_name, str) else None)
    return Batch(len(rows), {"after": rows[-1][0]} if len(rows) == size else None)
