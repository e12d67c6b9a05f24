"""What new events are to the users of a room, and whom they mark as having read, at write time.

Each event is classified once, for everybody with the predefined rules. Looked at one by one are
the users whom it mentions, and members with push rules of their own.
Spec: client-server-api/#receiving-notifications and #server-behaviour-14
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from chat.protocol.push_rules import CompiledRules, PushEvent, evaluate
from chat.protocol.relations import THREAD, RelatesTo, relation_of
from chat.services import push_rules
from chat.services.push_classes import (
    FOR_ALL,
    FOR_MENTIONED,
    NOTHING,
    Outcome,
    mentioned,
    outcome,
    push_event,
)
from chat.services.push_members import newcomer
from chat.services.rooms import derived
from chat.services.rooms.opened import fetch
from chat.services.threads import MAIN, threads_of
from chat.storage import relations, room_lists, unread
from chat.storage.engine import Transaction
from chat.storage.relations import THREADED
from chat.storage.unread import WHOLE, Mark, Newcomer, Notice, Personal, PushMember

if TYPE_CHECKING:
    from chat.services.rooms.followers import Accepted, Positions, Write
    from chat.services.rooms.opened import OpenRoom

MEMBER, REDACTION = "m.room.member", "m.room.redaction"


class _Writes:
    """What is to be written."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.personal: list[Personal] = []
        self.marks: list[Mark] = []
        self.came: list[PushMember] = []
        self.gone: list[tuple[int, str]] = []
        self.last: dict[tuple[int, str], int] = {}  # of threads with notices: the newest event

    def drop(self, ev: int) -> None:
        """The event was redacted in the same breath."""
        self.notices = [one for one in self.notices if one.ev != ev]
        self.personal = [one for one in self.personal if one.ev != ev]

    def write(self, tx: Transaction, pos_of: "Positions") -> None:
        """Write it all."""
        if self.notices:
            unread.add_notices(tx, self.notices, pos_of)
        if self.personal:
            unread.add_personal(tx, self.personal, pos_of)
        if self.last:
            unread.note_threads(tx, {key: pos_of[ev] for key, ev in self.last.items()})
        if self.marks:
            unread.mark(tx, self.marks, pos_of)
        if self.gone:
            unread.drop_push_members(tx, self.gone)
        if self.came:
            unread.put_push_members(tx, self.came)


def follow(tx: Transaction, accepted: "Sequence[Accepted]") -> "Write | None":
    """Classify new events, and take what redacted ones were back."""
    live = [one for one in accepted if one.live]
    if not live:
        return None
    writes = _Writes()
    movements = _movements(tx, live)
    customs = _customs(tx, live)
    _fetch_mentioned(tx, live)
    for one, thread in zip(live, _threads(tx, live), strict=True):
        came = movements.get(one.row.ev)
        if came is not None:
            _move(one, came, writes)
        _mark_sender(one, thread, came, writes)
        if came is None or not came.is_invite:
            _classify(one, thread, customs.get(one.row.room, ()), writes)
    _retract(tx, live, writes)
    return writes.write


# --- threads ---


def _threads(tx: Transaction, live: "Sequence[Accepted]") -> list[str]:
    found = [(one.row.room, relation_of(one.event.content)) for one in live]
    threaded = {one.row.room for one in live if one.room.room.related >= THREADED}
    threaded |= {room for room, relation in found if relation and relation.rel_type == THREAD}
    wanted: list[tuple[int, RelatesTo | None]] = [
        (room, relation if room in threaded else None) for room, relation in found
    ]
    if not threaded:
        return [MAIN] * len(live)
    unwritten = {(one.row.room, str(one.event.event_id)): one.event.content for one in live}
    return threads_of(tx, wanted, unwritten)


# --- who comes and goes ---


class _Movement(NamedTuple):
    """A membership event of a user of this server, and what they were before."""

    before: str
    after: str
    rules: str | None

    @property
    def joins(self) -> bool:
        return self.after == "join" != self.before

    @property
    def leaves(self) -> bool:
        return self.before == "join" != self.after

    @property
    def is_invite(self) -> bool:
        return self.after == "invite"


def _movements(tx: Transaction, live: "Sequence[Accepted]") -> dict[int, _Movement]:
    members = [
        one
        for one in live
        if one.event.type == MEMBER
        and (one.event.state_key or "").partition(":")[2] == one.server_name
    ]
    if not members:
        return {}
    keys = {(one.row.room, one.event.state_key or "") for one in members}
    known = unread.newcomers(tx, keys)
    found = {}
    for one in members:
        key = one.row.room, one.event.state_key or ""
        so_far, after = known[key], derived.membership_of(one.event)
        found[one.row.ev] = _Movement(so_far.membership or "leave", after, so_far.rules)
        known[key] = Newcomer(after, so_far.rules)
    return found


def _move(one: "Accepted", moved: _Movement, writes: _Writes) -> None:
    user_id, room = one.event.state_key or "", one.row.room
    if moved.joins and moved.rules is not None:
        rules = push_rules.compiled(user_id, moved.rules)
        name = push_rules.digest(moved.rules)
        writes.came.append(newcomer(room, user_id, name, rules, one.room.room.room_id))
        writes.gone = [gone for gone in writes.gone if gone != (room, user_id)]
    if moved.joins:
        writes.marks.append(Mark(room, user_id, WHOLE, one.row.ev))
    if moved.leaves:
        writes.gone.append((room, user_id))
        writes.came = [came for came in writes.came if (came.room, came.user_id) != (room, user_id)]
    if moved.is_invite and moved.before != "invite" and one.event.sender != user_id:
        rules_text = moved.rules
        result = Outcome(1, 0)
        if rules_text is not None:
            of_user = push_rules.compiled(user_id, rules_text)
            result = outcome(evaluate(of_user.rules, push_event(one.event, one.room), None))
        if result.n:
            writes.personal.append(Personal(room, user_id, MAIN, one.row.ev, 1, result.h, 0, 0))


def _mark_sender(one: "Accepted", thread: str, moved: _Movement | None, writes: _Writes) -> None:
    """Who sends an event has read its thread, but not by a new name that is carried into rooms."""
    sender = one.event.sender
    if sender.partition(":")[2] != one.server_name:
        return
    if moved is not None and one.event.state_key == sender:
        return
    writes.marks.append(Mark(one.row.room, sender, thread, one.row.ev))


# --- what an event is to whom ---


class _Custom(NamedTuple):
    """A member with rules of their own."""

    member: PushMember
    rules: CompiledRules
    joined: int


def _customs(tx: Transaction, live: "Sequence[Accepted]") -> dict[int, list[_Custom]]:
    rooms = {one.row.room for one in live if one.room.room.custom_rules}
    if not rooms:
        return {}
    members = unread.push_members(tx, rooms)
    compiled = _compiled(tx, [member for member, _ in members])
    found: dict[int, list[_Custom]] = {}
    for member, joined in members:
        rules = compiled[member.user_id]
        found.setdefault(member.room, []).append(_Custom(member, rules, joined))
    return found


def _compiled(tx: Transaction, members: Sequence[PushMember]) -> dict[str, CompiledRules]:
    found: dict[str, CompiledRules] = {}
    missing = []
    for member in members:
        known = tx.push_rules.get((member.user_id, member.rules))
        if known is None:
            missing.append(member.user_id)
        else:
            found[member.user_id] = known
    if missing:
        stored = room_lists.account_data_of(tx, missing, push_rules.PUSH_RULES)
        for user_id, text in stored.items():
            found[user_id] = push_rules.compiled(user_id, text)
            tx.push_rules.put((user_id, push_rules.digest(text)), found[user_id])
    return found


def _fetch_mentioned(tx: Transaction, live: "Sequence[Accepted]") -> None:
    """Learn the memberships of all mentioned users by one statement."""
    wanted: dict[OpenRoom, list[tuple[str, str]]] = {}
    for one in live:
        for user_id in mentioned(one.event, one.server_name):
            wanted.setdefault(one.room, []).append(derived.member_key(user_id))
    if wanted:
        fetch(tx, wanted)


def _classify(one: "Accepted", thread: str, customs: Sequence[_Custom], writes: _Writes) -> None:
    event = push_event(one.event, one.room)
    for_all = outcome(evaluate(FOR_ALL, event, None))
    room, ev = one.row.room, one.row.ev
    if for_all.n:
        writes.notices.append(Notice(room, thread, ev, for_all.h))
    differing = _differing(one, event, for_all, customs)
    for user_id, result in differing:
        writes.personal.append(Personal(room, user_id, thread, ev, *result, *for_all))
    if thread != MAIN and (for_all.n or differing):
        writes.last[room, thread] = ev


def _differing(
    one: "Accepted", event: PushEvent, for_all: Outcome, customs: Sequence[_Custom]
) -> list[tuple[str, Outcome]]:
    """The users to whom an event is something else than what is stored of it for all."""
    found = []
    done: set[str] = {one.event.sender}
    for custom in customs:
        user_id = custom.member.user_id
        if user_id not in done:
            done.add(user_id)
            of_user = _outcome_for(custom, one, event)
            if of_user != (for_all if custom.member.follows else NOTHING):
                found.append((user_id, of_user))
    named = mentioned(one.event, one.server_name) - done
    for_mentioned = outcome(evaluate(FOR_MENTIONED, event, None)) if named else for_all
    if for_mentioned != for_all:
        found += [(user_id, for_mentioned) for user_id in sorted(named) if _is_joined(one, user_id)]
    return found


def _is_joined(one: "Accepted", user_id: str) -> bool:
    return derived.membership_of(one.room.event(derived.member_key(user_id))) == "join"


def _outcome_for(custom: _Custom, one: "Accepted", event: PushEvent) -> Outcome:
    name = None
    if custom.rules.needs_display_name:
        member = one.room.event(derived.member_key(custom.member.user_id))
        said = None if member is None else member.content.get("displayname")
        name = said if isinstance(said, str) else None
    event.member_count = custom.joined
    return outcome(evaluate(custom.rules.rules, event, name))


# --- redactions ---


def _retract(tx: Transaction, live: "Sequence[Accepted]", writes: _Writes) -> None:
    """What a redacted event was to its readers, it is no more."""
    own = {str(one.event.event_id): one.row for one in live}
    wanted = []
    for one in live:
        if one.event.type != REDACTION or one.event.redacts is None:
            continue
        row = own.get(one.event.redacts)
        if row is not None and row.room == one.row.room:
            writes.drop(row.ev)
        else:
            wanted.append((one.row.room, str(one.event.redacts)))
    if not wanted:
        return
    stored = list(relations.known_parents(tx, wanted).values())
    found = [(row.room, relation_of(msgspec.json.decode(body)["content"])) for row, body in stored]
    for (row, _), thread in zip(stored, threads_of(tx, found, {}), strict=True):
        if row.pos is not None and row.pos > 0:
            unread.retract(tx, row.room, thread, row.pos)
