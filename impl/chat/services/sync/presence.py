"""Who is there, told in classic sync: m.presence of the user and of all who share a room.

What is told at one position of the log is the same for everybody, and remembered: with it a waiting
sync learns without a statement that nobody in its rooms was meant.

Spec: client-server-api/#presence
"""

from collections.abc import Collection

import msgspec

from chat.protocol.presence import State
from chat.services.log_tail import EVERYBODY
from chat.services.presence import ago_ms, name_of
from chat.services.server import Server
from chat.services.sync.extras import newest
from chat.services.sync.memory import News
from chat.services.sync.query import Query
from chat.services.sync.since import Plan
from chat.storage import presence
from chat.storage.engine import Transaction
from chat.storage.presence import Shown

PRESENCE = "m.presence"
FEW = 10  # positions that are looked up one by one

_encode = msgspec.json.encode


def nothing_new(server: Server, query: Query) -> bool:
    """Whether it is certain, without a statement, that nobody was told of whom the user may see."""
    if not query.presence or query.since is None:
        return True
    since, user_id = query.since.pos, query.caller.user_id
    if not server.notifier.changed_since(user_id, (EVERYBODY,), since):
        return True
    user, positions = server.sync.users.get(user_id), _positions(server, since)
    if user is None or positions is None:
        return False
    known = [server.sync.presence.get(pos) for pos in positions]
    return all(one is not None and not one.concerns(user_id, user.joined) for one in known)


def events(tx: Transaction, server: Server, plan: Plan, query: Query) -> list[bytes]:
    """What is to be told of people: all who are there in a first sync and in new rooms."""
    if not query.presence:
        return []
    now_ms, wanted = server.clock.now_ms(), query.filter.presence
    people = _first(tx, server, plan, query) if not plan.since else _later(tx, server, plan, query)
    told = [event(one, now_ms) for one in people if wanted.matches(PRESENCE, one.user_id, {})]
    return newest(told, wanted)


def _first(tx: Transaction, server: Server, plan: Plan, query: Query) -> Collection[Shown]:
    offline_too = server.config.presence.include_offline_users_on_sync
    return presence.present(tx, query.caller.user_id, plan.user.joined, offline_too=offline_too)


def _later(tx: Transaction, server: Server, plan: Plan, query: Query) -> Collection[Shown]:
    user_id = query.caller.user_id
    new = [span.room for span in plan.joined if span.joined_by is not None]
    found = presence.present(tx, user_id, new, offline_too=False) if new else []
    return {one.user_id: one for one in (*found, *_changed(tx, server, plan, user_id))}.values()


def event(shown: Shown, now_ms: int) -> bytes:
    """The m.presence event of a user."""
    content: dict[str, object] = {
        "presence": name_of(shown.state),
        "currently_active": shown.state is State.ONLINE,
    }
    if (ago := ago_ms(shown.last_active_ms, now_ms)) is not None:
        content["last_active_ago"] = ago
    if shown.status_msg is not None:
        content["status_msg"] = shown.status_msg
    return _encode({"type": PRESENCE, "sender": shown.user_id, "content": content})


def _positions(server: Server, since: int, upto: int | None = None) -> list[int] | None:
    """Where the log tells of people; None where that is not known, or in too many places."""
    tail, upto = server.notifier.tail, upto or server.notifier.position
    if since < tail.floor or upto > tail.position:
        return None
    positions = [one.pos for one in tail.since(EVERYBODY, since, upto)]
    return positions if len(positions) <= FEW else None


def _changed(tx: Transaction, server: Server, plan: Plan, user_id: str) -> list[Shown]:
    positions = _positions(server, plan.since, plan.head)
    if positions is None:
        return presence.changed(tx, user_id, plan.user.joined, plan.since, plan.head)
    return [
        shown
        for pos in positions
        for shown, rooms in _news_at(tx, server, pos).people
        if shown.user_id == user_id or not rooms.isdisjoint(plan.user.joined)
    ]


def _news_at(tx: Transaction, server: Server, pos: int) -> News:
    known = server.sync.presence.get(pos)
    if known is None:
        known = News(presence.flushed(tx, pos))
        server.sync.presence.put(pos, known)
    return known
