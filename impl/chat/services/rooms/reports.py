"""Reports of bad content to the administrators. Spec: client-server-api/#reporting-content"""

import secrets

from chat.protocol.errors import Forbidden, NotFound
from chat.services.caller import Caller
from chat.services.rooms.visibility import view, visible
from chat.services.server import Server
from chat.storage import events, reports, rooms, users
from chat.storage.engine import Transaction
from chat.storage.reports import Report


def report_room(server: Server, caller: Caller, room_id: str, reason: str) -> None:
    """Report a room, which the caller need not have entered. Raises NotFound."""

    def work(tx: Transaction) -> None:
        if rooms.find(tx, room_id) is None:
            raise NotFound("There is no such room")
        reports.add(tx, _report(server, caller, room_id=room_id, reason=reason))

    server.store.write(work)


def report_event(
    server: Server, caller: Caller, room_id: str, event_id: str, reason: str | None
) -> None:
    """Report an event. Raises NotFound unless the caller is joined to its room and may see it."""

    def work(tx: Transaction) -> None:
        if not _sees(tx, server, caller, room_id, event_id):
            raise NotFound("There is no such event, or you are not in its room")
        report = _report(server, caller, event_id=event_id, room_id=room_id, reason=reason)
        reports.add(tx, report)

    server.store.write(work)


def report_user(server: Server, caller: Caller, user_id: str, reason: str) -> None:
    """Report a user of this server. Raises NotFound."""

    def work(tx: Transaction) -> None:
        if not users.exists(tx, user_id):
            raise NotFound("There is no such user")
        reports.add(tx, _report(server, caller, user_id=user_id, reason=reason))

    server.store.write(work)


def _sees(tx: Transaction, server: Server, caller: Caller, room_id: str, event_id: str) -> bool:
    try:
        seen_by = view(tx, server.sync.events, caller.user_id, room_id)
    except (Forbidden, NotFound):
        return False
    row = events.by_id(tx, event_id)
    if seen_by.membership != "join" or row is None or row.room != seen_by.room.room:
        return False
    return bool(visible(tx, server.sync.events, seen_by, [row]))


def _report(
    server: Server,
    caller: Caller,
    *,
    event_id: str | None = None,
    room_id: str | None = None,
    user_id: str | None = None,
    reason: str | None,
) -> Report:
    report_id, now_ms = secrets.token_hex(12), server.clock.now_ms()
    text = None if reason is None else reason.replace("\0", "")  # no column can hold it
    return Report(report_id, now_ms, caller.user_id, event_id, room_id, user_id, text)
