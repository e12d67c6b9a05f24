"""What users are notified of: the list of past notifications, and whom an event is pushed to.

Spec: client-server-api/#listing-notifications
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chat.protocol import canonical_json
from chat.protocol.errors import InvalidParam
from chat.protocol.event import Event
from chat.protocol.push_rules import PushEvent, PushRule, compile_rules, evaluate
from chat.services import push_rules
from chat.services.caller import Caller
from chat.services.push_classes import Outcome, outcome, push_event
from chat.services.rooms import derived, shown
from chat.services.rooms.opened import OpenRoom
from chat.services.rooms.shown import Moment
from chat.services.rooms.visibility import memberships_at, view
from chat.services.server import Server
from chat.storage import account_data, events, notifications, room_lists, rooms, streams
from chat.storage.engine import Transaction
from chat.storage.notifications import Notified

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
FIRST_STRETCH = 10_000  # positions of the log that are looked at first; then more and more
GROWTH = 8

_TOKEN = re.compile(r"n([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Notification:
    """An event, as JSON, of which a user was notified at `ts`."""

    event: bytes
    room_id: str
    actions: Sequence[Any]
    is_read: bool
    ts: int


@dataclass(frozen=True, slots=True)
class Page:
    """Notifications, the latest first; `next_token` is None where none follow."""

    found: list[Notification]
    next_token: str | None


def page(
    server: Server, caller: Caller, start: str | None, limit: int | None, *, only_highlights: bool
) -> Page:
    """A page of a user's notifications; it may be short although more follow.

    Raises InvalidParam for a token that is none.
    """
    matched = None if start is None else _TOKEN.fullmatch(start)
    if start is not None and matched is None:
        raise InvalidParam("from is no token that the server gave out")
    wanted = max(1, min(DEFAULT_LIMIT if limit is None else limit, MAX_LIMIT))

    def work(tx: Transaction) -> Page:
        high = int(matched[1]) if matched is not None else streams.head(tx) + 1
        rows = _read(tx, caller.user_id, high, wanted + 1, only_highlights=only_highlights)
        told = rows[:wanted]
        token = f"n{told[-1].row.pos}" if len(rows) > wanted else None
        return Page(_Showing(tx, server, caller).of(told), token)

    return server.store.read(work)


def _read(
    tx: Transaction, user_id: str, high: int, limit: int, *, only_highlights: bool
) -> list[Notified]:
    """The latest notifications before a position; older stretches of the log grow."""
    found: list[Notified] = []
    stretch = FIRST_STRETCH
    while len(found) < limit and high > 0:
        low = max(0, high - stretch)
        found += notifications.between(
            tx, user_id, low, high, limit - len(found), only_highlights=only_highlights
        )
        high, stretch = (low + 1 if low else 0), stretch * GROWTH
    return found


class _Showing:
    """Notifications on their way to their user."""

    def __init__(self, tx: Transaction, server: Server, caller: Caller) -> None:
        self._tx = tx
        self._server = server
        self._caller = caller
        self._rules: tuple[PushRule, ...] | None = None
        self._opened: dict[str, OpenRoom | None] = {}

    def of(self, rows: Sequence[Notified]) -> list[Notification]:
        """As the user sees them, without events that were there before they came."""
        texts: dict[int, bytes] = {}
        for room_id in {one.room_id for one in rows}:
            texts |= self._texts(room_id, [one for one in rows if one.room_id == room_id])
        bodies = events.bodies(self._tx, texts)
        return [
            Notification(
                texts[one.row.ev],
                one.room_id,
                self._actions(one, bodies[one.row.ev]),
                one.is_read,
                one.row.origin_server_ts,
            )
            for one in rows
            if one.row.ev in texts
        ]

    def _texts(self, room_id: str, found: Sequence[Notified]) -> dict[int, bytes]:
        cache, rows = self._server.sync.events, [one.row for one in found]
        invites = [row for row in rows if row.state_key == self._caller.user_id]
        if len(invites) < len(rows):
            seen_by = view(self._tx, cache, self._caller.user_id, room_id)
            then = memberships_at(self._tx, cache, seen_by, rows)
            rows = [row for row in rows if then.get(row.ev) == "join" or row in invites]
        moment = Moment(self._server.clock.now_ms(), {})
        texts = shown.show(self._tx, cache, self._caller, None, rows, moment)
        return {row.ev: text for row, text in zip(rows, texts, strict=True)}

    def _actions(self, one: Notified, body: str) -> Sequence[Any]:
        """What the user's rules say now, if that is still what they said; else the bare facts."""
        room = self._room(one.room_id)
        if room is not None:
            pdu = canonical_json.decode(body)
            event = Event.trusted(one.row.event_id, pdu, room.rules)
            rule = evaluate(self._own_rules(), push_event(event, room, self._joined(room)), None)
            if rule is not None and outcome(rule) == Outcome(1, one.h):
                return rule.actions
        return ["notify", {"set_tweak": "highlight"}] if one.h else ["notify"]

    def _room(self, room_id: str) -> OpenRoom | None:
        if room_id not in self._opened:
            room = rooms.get(self._tx, room_id)
            self._opened[room_id] = None if room is None else OpenRoom(self._tx, room, None)
        return self._opened[room_id]

    def _joined(self, room: OpenRoom) -> int:
        return rooms.summaries(self._tx, [room.room.room])[room.room.room].joined

    def _own_rules(self) -> tuple[PushRule, ...]:
        if self._rules is None:
            user_id = self._caller.user_id
            stored = account_data.get(self._tx, user_id, account_data.GLOBAL, push_rules.PUSH_RULES)
            self._rules = compile_rules(push_rules.effective(user_id, stored))
        return self._rules


# --- for whoever pushes ---


@dataclass(frozen=True, slots=True)
class Push:
    """A user who is to be told of an event, and how."""

    user_id: str
    actions: Sequence[Any]


def pushes(tx: Transaction, room: OpenRoom, event: Event) -> Iterator[Push]:
    """The users of this server in a room whom an event notifies, one by one, with the actions of
    the rule that matched. Spec: client-server-api/#server-behaviour-14
    """
    joined = rooms.summaries(tx, [room.room.room])[room.room.room].joined
    users = [one for one in rooms.local_users(tx, room.room.room) if one != event.sender]
    stored = room_lists.account_data_of(tx, users, push_rules.PUSH_RULES)
    pushed = push_event(event, room, joined)
    for user_id in users:
        rule = _rule_for(user_id, stored.get(user_id), room, pushed)
        if rule is not None and rule.notifies:
            yield Push(user_id, rule.actions)


def _rule_for(
    user_id: str, stored: str | None, room: OpenRoom, event: PushEvent
) -> PushRule | None:
    rules = push_rules.compiled(user_id, stored or push_rules.UNCHANGED)
    name = None
    if rules.needs_display_name:
        member = room.event(derived.member_key(user_id))
        said = None if member is None else member.content.get("displayname")
        name = said if isinstance(said, str) else None
    return evaluate(rules.rules, event, name)
