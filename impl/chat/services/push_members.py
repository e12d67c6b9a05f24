"""Users with push rules of their own, as the writers of events know them: by the rooms they are in.

Plain messages of a room notify most users. Who is never notified by them has fewer exceptions
when nothing is the rule, so for each user and room it is decided what is the rule. That changes
what is stored, never what is counted.
"""

from collections.abc import Sequence

from chat.protocol.event import Event
from chat.protocol.identifiers import EventId
from chat.protocol.push_rules import CompiledRules, PushEvent, evaluate
from chat.protocol.room_versions import rules_for
from chat.services.push_classes import outcome
from chat.storage import streams, unread
from chat.storage.engine import Transaction
from chat.storage.unread import FOREVER, PushMember

NOWHERE = {"prev_events": [], "auth_events": [], "depth": 1, "origin_server_ts": 0}
SAMPLES = ("m.room.message", "m.room.encrypted")


def follows(rules: CompiledRules, room_id: str) -> bool:
    """Whether plain messages of a room notify who has these rules."""
    return any(outcome(evaluate(rules.rules, _sample(kind, room_id), None)).n for kind in SAMPLES)


def _sample(kind: str, room_id: str) -> PushEvent:
    pdu = {"type": kind, "room_id": room_id, "sender": "", "content": {}, **NOWHERE}
    return PushEvent(Event.trusted(EventId(""), pdu, rules_for("12")), 3, 0, lambda _: 50)


def renew(tx: Transaction, user_id: str, stored: str, digest: str, rules: CompiledRules) -> None:
    """Let the rooms of a user know their new rules, of which `stored` is the text."""
    head = streams.head(tx)
    elsewhere = follows(rules, "")
    members, woken = [], []
    for room, room_id, known in unread.push_member_rooms(tx, user_id):
        wanted = follows(rules, room_id) if room_id in stored else elsewhere
        member = known or PushMember(room, user_id, digest, 0, FOREVER)
        member = member._replace(rules=digest)
        if wanted and not member.follows:
            woken.append(member)
        elif member.follows and not wanted:
            members.append(member._replace(upto=head))
        else:
            members.append(member)
    if woken:
        members += _woken(tx, user_id, woken, head)
    if members:
        unread.put_push_members(tx, members)


def _woken(
    tx: Transaction, user_id: str, members: Sequence[PushMember], head: int
) -> list[PushMember]:
    """Let notices count again from now on, except where older ones of them are still unread."""
    lines = unread.timelines(tx, user_id, [member.room for member in members])
    unread_rooms = {line.room for line in lines if line.n}
    return [
        member if member.room in unread_rooms else member._replace(after=head, upto=FOREVER)
        for member in members
    ]


def newcomer(
    room: int, user_id: str, digest: str, rules: CompiledRules, room_id: str
) -> PushMember:
    """How a user with these rules comes to a room."""
    return PushMember(room, user_id, digest, 0, FOREVER if follows(rules, room_id) else 0)
