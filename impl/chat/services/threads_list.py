"""The threads of a room, the one with the latest reply first.

Spec: client-server-api/#querying-threads-in-a-room
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chat.services.caller import Caller
from chat.services.rooms import history
from chat.services.rooms.history import Reader, place_of, token
from chat.services.rooms.visibility import view, visible
from chat.services.server import Server
from chat.storage import relations
from chat.storage.engine import Transaction
from chat.storage.events import END, EventRow
from chat.storage.relations import Parent

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_READ = 500  # threads looked at for one page; beyond, the page ends early with a token
BY_IGNORED = ""  # stands for the redaction of a root that the reader does not want to see


@dataclass(frozen=True, slots=True)
class Page:
    """Roots of threads as JSON; `next_batch` is None where nothing follows."""

    events: list[bytes]
    next_batch: str | None


def page(
    server: Server,
    caller: Caller,
    room_id: str,
    *,
    start: str | None,
    limit: int | None,
    participated: bool,
) -> Page:
    """A page of the threads whose roots and replies the caller may see.

    A root sent by somebody whom the caller ignores is shown redacted; a thread in which nobody else
    wrote is left out. Raises Forbidden, NotFound for an unknown room, InvalidParam for a token that
    is none.
    """

    def work(tx: Transaction) -> Page:
        seen_by = view(tx, server.sync.events, caller.user_id, room_id)
        reader = Reader(tx, server, caller, seen_by, history.EVERYTHING)
        before = place_of(tx, seen_by.room.room, start) if start else END
        wanted = max(1, min(DEFAULT_LIMIT if limit is None else limit, MAX_LIMIT))
        found: list[EventRow] = []
        for _ in range(0, MAX_READ, wanted + 1):
            roots = relations.thread_roots(
                tx,
                seen_by.room.room,
                before,
                wanted + 1,
                caller.user_id if participated else None,
            )
            rows = visible(tx, server.sync.events, seen_by, [row for _, row in roots])
            shown = {row.ev for row in rows} & _heard(tx, reader, rows)
            for place, row in roots:
                if len(found) == wanted:
                    return Page(reader.show(found), token(before))
                before = place
                if row.ev in shown:
                    found.append(_veiled(reader, row))
            if len(roots) <= wanted:
                return Page(reader.show(found), None)
        return Page(reader.show(found), token(before))

    return server.store.read(work)


def _heard(tx: Transaction, reader: Reader, rows: Sequence[EventRow]) -> set[int]:
    """The roots of threads in which somebody wrote whom the reader does not ignore."""
    if not reader.ignored:
        return {row.ev for row in rows}
    roots: dict[Parent, EventRow] = {(row.room, row.event_id): row for row in rows}
    members = relations.thread_members(tx, roots.keys())
    return {row.ev for key, row in roots.items() if members.get(key, {}).keys() - reader.ignored}


def _veiled(reader: Reader, row: EventRow) -> EventRow:
    if row.sender in reader.ignored and row.redacted_by is None:
        return row._replace(redacted_by=BY_IGNORED)
    return row
