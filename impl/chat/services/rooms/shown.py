"""Events as one user sees them: what is the same for everybody, and `unsigned`.

Spec: client-server-api/#room-event-format
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from chat.services.caller import Caller
from chat.services.rooms import client_events
from chat.services.rooms.client_events import ClientEvent, EventCache
from chat.storage import events
from chat.storage.cooperation import in_turns
from chat.storage.engine import Transaction
from chat.storage.events import SENT_LATER, EventRow

_encode = msgspec.json.encode


class Moment(NamedTuple):
    """When events are shown, and the reader's membership at each of them, by number."""

    now_ms: int
    memberships: Mapping[int, str]

    def fields(self, row: EventRow) -> bytes:
        """`age`, and `membership` where it is known."""
        age = b'"age":%d' % max(0, self.now_ms - row.origin_server_ts)
        membership = self.memberships.get(row.ev)
        return age if membership is None else age + b',"membership":' + _encode(membership)


def show(
    tx: Transaction,
    cache: EventCache,
    caller: Caller,
    room_id: str | None,
    rows: Sequence[EventRow],
    moment: Moment | None = None,
    bundled: Mapping[int, bytes] = MappingProxyType({}),
) -> list[bytes]:
    """The JSON of events of one room, in their order. `room_id` is left out where it is None.

    `bundled`: the field `m.relations` of those who have it, by number.
    """
    replaced = events.by_numbers(tx, [row.replaces for row in rows if row.replaces])
    redactions = events.by_ids(tx, [row.redacted_by for row in rows if row.redacted_by])
    wanted = {row.ev: row for row in (*rows, *replaced.values(), *redactions.values())}
    loaded = client_events.load(tx, cache, list(wanted.values()))
    shown = []
    for row in rows:
        before = None if row.replaces is None else loaded.get(row.replaces)
        redaction = redactions.get(row.redacted_by) if row.redacted_by else None
        because = None if redaction is None else loaded[redaction.ev]
        unsigned = _unsigned(row, caller, before, because, room_id, moment)
        if (relations := bundled.get(row.ev)) is not None:
            unsigned = b"%b,%b" % (unsigned, relations) if unsigned else relations
        shown.append(loaded[row.ev].shown(unsigned, room_id))
    return shown


def show_state(
    tx: Transaction, cache: EventCache, room_id: str | None, rows: Sequence[EventRow]
) -> list[bytes]:
    """The JSON of state events of one room, in their order, without what they replaced."""
    loaded = client_events.load(tx, cache, rows)
    return [loaded[row.ev].shown(b"", room_id) for row in in_turns(rows)]


def sent_as(row: EventRow, caller: Caller) -> bytes:
    """The field of `unsigned` by which the sender knows the event before its ID; may be empty.

    Spec: client-server-api/#transaction-identifiers, MSC4140 for what was sent later
    """
    if row.txn_id is None or row.sender != caller.user_id:
        return b""
    if row.txn_device == caller.device_id:
        return b'"transaction_id":' + _encode(row.txn_id)
    if row.txn_device == SENT_LATER:
        return b'"org.matrix.msc4140.delay_id":' + _encode(row.txn_id)
    return b""


def _unsigned(
    row: EventRow,
    caller: Caller,
    before: ClientEvent | None,
    because: ClientEvent | None,
    room_id: str | None,
    moment: Moment | None,
) -> bytes:
    fields = [] if moment is None else [moment.fields(row)]
    if named := sent_as(row, caller):
        fields.append(named)
    if before is not None:
        fields.append(
            b'"replaces_state":%b,"prev_sender":%b,"prev_content":%b'
            % (_encode(before.event_id), _encode(before.sender), before.content)
        )
    if because is not None:
        fields.append(b'"redacted_because":' + because.shown(b"", room_id))
    return b",".join(fields)
