"""Relations of events on their way into rooms: refusing what breaks their rules, and storing them.

Spec: client-server-api/#avoiding-duplicate-annotations, #validation-of-mthread-relationships
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from chat.protocol.errors import DuplicateAnnotation, Unknown
from chat.protocol.event import Event
from chat.protocol.event_builder import Draft
from chat.protocol.relations import ANNOTATION, REPLACE, THREAD, may_replace, relation_of
from chat.storage import relations
from chat.storage.engine import Transaction
from chat.storage.events import EventRow
from chat.storage.relations import RELATED, THREADED, Relation

if TYPE_CHECKING:
    from chat.services.rooms.followers import Accepted, Positions, Write

REDACTION = "m.room.redaction"

_decode = msgspec.json.decode


def check(tx: Transaction, room: int, draft: Draft, unwritten: Mapping[str, Event]) -> None:
    """Refuse a message whose relation is not allowed to it, under the room's lock.

    `unwritten`: accepted events that are not stored yet, by ID; redacted ones among them are not
    told apart. Raises DuplicateAnnotation, and Unknown for a thread that cannot be.
    """
    relation = relation_of(draft.content)
    if relation is None or draft.state_key is not None:
        return
    if relation.rel_type == ANNOTATION and relation.key is not None:
        _check_first(tx, room, draft, unwritten)
    elif relation.rel_type == THREAD:
        _check_root(tx, room, relation.event_id, unwritten)


def _check_first(tx: Transaction, room: int, draft: Draft, unwritten: Mapping[str, Event]) -> None:
    """The same user cannot say the same of an event twice."""
    wanted = relation_of(draft.content)
    assert wanted is not None
    stored = relations.own_annotations(tx, (room, wanted.event_id), draft.sender)
    said = [(kind, _decode(body)["content"]) for kind, body in stored]
    said += [
        (event.type, event.content)
        for event in unwritten.values()
        if event.sender == draft.sender and event.room_id == draft.room_id
    ]
    for kind, content in said:
        if kind == draft.type and relation_of(content) == wanted:
            raise DuplicateAnnotation("You have annotated the event so before")


def _check_root(tx: Transaction, room: int, root_id: str, unwritten: Mapping[str, Event]) -> None:
    """Nothing that relates to another event can be the root of a thread."""
    if root_id in unwritten:
        content = unwritten[root_id].content
    else:
        known = relations.known_parents(tx, [(room, root_id)]).get((room, root_id))
        if known is None or known[0].redacted_by is not None:
            return
        content = _decode(known[1])["content"]
    if relation_of(content) is not None:
        raise Unknown("A thread cannot begin at an event that relates to another one")


def follow(tx: Transaction, accepted: "Sequence[Accepted]") -> "Write | None":
    """Store what new events relate to, and forget the relations of redacted ones."""
    found = {one.row.ev: relation for one in accepted if (relation := _relation(one)) is not None}
    redacted = [one for one in accepted if one.event.type == REDACTION]
    if redacted:
        _forget(tx, redacted, accepted, found)
    if not found:
        return None
    levels: dict[int, int] = {}
    for one in accepted:
        if one.row.ev in found:
            level = THREADED if found[one.row.ev].rel_type == THREAD else RELATED
            levels[one.row.room] = max(level, levels.get(one.row.room, 0))
    known = {one.row.room: one.room.room.related for one in accepted}
    raised = {room: level for room, level in levels.items() if known[room] < level}
    return partial(_write, list(found.values()), raised)


def _write(
    found: Sequence[Relation], raised: Mapping[int, int], tx: Transaction, pos_of: "Positions"
) -> None:
    relations.add(tx, found, pos_of)
    if raised:
        relations.note_related(tx, raised)


def _relation(one: "Accepted") -> Relation | None:
    return relation_row(one.row, one.event.content)


def relation_row(row: EventRow, content: Mapping[str, object]) -> Relation | None:
    """What is stored of an event's relation; None where it has none."""
    relation = relation_of(content)
    if relation is None:
        return None
    is_edit = relation.rel_type == REPLACE
    lawful = not is_edit or may_replace(row.type, row.state_key, content)
    return Relation(
        row.room,
        relation.event_id,
        relation.rel_type,
        row.depth,
        row.ev,
        row.sender,
        row.origin_server_ts,
        lawful,
    )


def _forget(
    tx: Transaction,
    redacted: "Sequence[Accepted]",
    accepted: "Sequence[Accepted]",
    found: dict[int, Relation],
) -> None:
    """Drop the relations of redacted events, be they stored or among `found`."""
    own: dict[str, EventRow] = {one.event.event_id: one.row for one in accepted}
    stored = []
    for redaction in redacted:
        row = own.get(redaction.event.redacts or "")
        if row is not None and row.room == redaction.row.room:
            found.pop(row.ev, None)
        else:
            stored.append((redaction.row.room, redaction.event.redacts or ""))
    if stored:
        targets = relations.known_parents(tx, stored).values()
        rows = [relation_row(row, _decode(body)["content"]) for row, body in targets]
        relations.remove(tx, [row for row in rows if row is not None])
