"""Display names and avatars on their way into the member events of a user's rooms.

What is to be carried stands in the database, written together with the change. The request that
changed the profile does the first rooms itself, so that most users see the change at once; for the
rest it leaves a greenlet behind. A worker that dies leaves the row to the job of all workers.

The profile is read anew for each batch, and a change in mid-work begins the rooms anew, so that the
newest value is the last one in every room.

Spec: client-server-api/#events-on-change-of-profile-information
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import gevent

from chat.protocol.errors import ChatError
from chat.protocol.event_builder import Draft
from chat.protocol.identifiers import RoomId, UserId
from chat.services.rooms import membership
from chat.services.server import Server
from chat.storage import profile_carry, users
from chat.storage.engine import DATABASE_ERRORS, DatabaseConflict, Transaction
from chat.storage.profile_carry import Carry

log = logging.getLogger(__name__)

AT_ONCE = 20  # rooms that a request waits for
BATCH = 20  # rooms in one transaction
HOLD_MS = 60_000  # for one batch, which takes less than a second
USERS_AT_ONCE = 100
SHOWN_IN_ROOMS = ("displayname", "avatar_url")


def carry(server: Server, user_id: str) -> None:
    """Carry a profile into the first rooms, and into the others in the background."""
    with _left_to_the_job():
        held = _hold(server, user_id)
        if held is None:
            return  # somebody else is at it, and will see the change
        rest = _batch(server, held, AT_ONCE)
        if rest is not None:
            gevent.spawn(_carry_rest, server, rest)


def resume(server: Server) -> None:
    """Go on with what workers left behind: a job."""
    now_ms = server.clock.now_ms()
    waiting = server.store.read(
        lambda tx: profile_carry.left_behind(tx, now_ms, USERS_AT_ONCE), snapshot=False
    )
    for user_id in waiting:
        held = _hold(server, user_id)
        if held is not None:
            _carry_rest(server, held)


def _hold(server: Server, user_id: str) -> Carry | None:
    now_ms = server.clock.now_ms()
    return server.store.write(lambda tx: profile_carry.hold(tx, user_id, now_ms, now_ms + HOLD_MS))


def _carry_rest(server: Server, held: Carry) -> None:
    rest: Carry | None = held
    with _left_to_the_job():
        while rest is not None and not server.notifier.closed:
            rest = _batch(server, rest, BATCH)
        if rest is not None:
            server.store.write(lambda tx: profile_carry.release(tx, held.user_id))


@contextmanager
def _left_to_the_job() -> Iterator[None]:
    """A database that fails ends the work here and now; the row that was held is found later."""
    try:
        yield
    except (*DATABASE_ERRORS, DatabaseConflict) as error:
        log.warning("a profile will be carried on later", extra={"error": str(error)})


def _batch(server: Server, held: Carry, limit: int) -> Carry | None:
    """Carry the profile into some more rooms; what is left to do."""

    def prepare(tx: Transaction) -> tuple[list[tuple[int, str]], list[Draft]]:
        rooms = profile_carry.rooms_after(tx, held, limit)
        content = membership.profile_content("join", shown_profile(tx, held.user_id))
        user_id = UserId(held.user_id)
        return rooms, [
            Draft(RoomId(room_id), user_id, membership.MEMBER, content, held.user_id)
            for _, room_id in rooms
        ]

    rooms, drafts = server.store.read(prepare)
    for outcome in server.writer.append_each(drafts):
        if isinstance(outcome, Exception) and not isinstance(outcome, ChatError):
            raise outcome  # a refusal, after a ban say, lets the room keep the old profile
    until_ms = server.clock.now_ms() + HOLD_MS
    last = rooms[-1][0] if rooms else held.after_room

    def note(tx: Transaction) -> Carry | None:
        if len(rooms) < limit and profile_carry.finish(tx, held):
            return None
        return profile_carry.advance(tx, held, last, until_ms)

    return server.store.write(note)


def shown_profile(tx: Transaction, user_id: str) -> dict[str, object]:
    """The fields of a profile that stand in member events."""
    profile = users.profile(tx, user_id)
    return {name: profile[name] for name in SHOWN_IN_ROOMS if name in profile}
