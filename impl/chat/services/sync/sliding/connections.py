"""Connections of sliding sync: what each was sent, remembered here and kept in the database.

What a version of a connection says never changes, so any worker may remember it. A token that names
a version is good as long as the database has it; in memory perhaps a little longer, which only
shows its owner what they may see anyway.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chat.services.caller import Caller
from chat.services.server import Server
from chat.services.sync.memory import KnownMembers
from chat.services.sync.sliding.wish import Pos, Required, Rules, UnknownPos
from chat.storage import sliding
from chat.storage.engine import Transaction
from chat.storage.sliding import Sent

MOST_CONFIGS = 100  # different wishes for state that a connection may have had
USED_EVERY_MS = 24 * 3_600_000  # how often it is noted that a connection is in use
UNUSED_MS = 30 * 24 * 3_600_000  # after this a connection has expired
DROPPED_AT_ONCE = 1_000


@dataclass(slots=True)
class Known:
    """A connection as a version has it.

    `answered`: the rules of the last answer that found nothing else to tell, and its lists.
    """

    number: int
    version: int
    caller: Caller
    conn_id: str
    rooms: Mapping[int, Sent]
    configs: list[str]
    used_ts: int
    members: KnownMembers
    parent: int = 0  # the version that its answer was made from
    answered: tuple[Rules, dict[str, int]] | None = None
    required: dict[int, Required] = field(default_factory=dict)

    def config(self, number: int) -> Required:
        """What of the state was asked for, by its number."""
        found = self.required.get(number)
        if found is None:
            found = self.required[number] = Required.from_text(self.configs[number])
        return found


def new(caller: Caller, conn_id: str, now_ms: int) -> Known:
    """A connection that was sent nothing yet, and that nobody else knows of."""
    return Known(0, 0, caller, conn_id, {}, [], now_ms, KnownMembers())


def find(server: Server, caller: Caller, conn_id: str, pos: Pos) -> Known:
    """The connection of a token, as its version has it. Raises UnknownPos."""
    kept = server.sync.connections
    known = kept.get((pos.connection, pos.version))
    if known is None:
        found = server.store.read(lambda tx: sliding.find(tx, pos.connection, pos.version))
        if found is None:
            raise UnknownPos("This connection has expired")
        owner = Caller(found.user_id, found.device_id)
        members = server.sync.connection_members.of(pos.connection, KnownMembers)
        known = Known(
            pos.connection,
            pos.version,
            owner,
            found.conn_id,
            found.rooms,
            found.configs,
            found.used_ts,
            members,
        )
        kept.put((pos.connection, pos.version), known)
    owner = known.caller
    if (owner.user_id, owner.device_id) != (caller.user_id, caller.device_id):
        raise UnknownPos("This is a connection of another device")
    if known.conn_id != conn_id:
        raise UnknownPos("This is another connection")
    return known


def keep_alive(server: Server, known: Known) -> None:
    """Note now and then that a connection is in use."""
    now_ms = server.clock.now_ms()
    if now_ms - known.used_ts > USED_EVERY_MS:
        known.used_ts = now_ms
        server.store.write(lambda tx: sliding.touch(tx, known.number, now_ms))


def record(server: Server, known: Known, changes: Mapping[int, Sent], configs: list[str]) -> Known:
    """The connection once an answer has changed how these rooms stand with it.

    Raises UnknownPos where a later answer has arrived at the client meanwhile.
    """
    now_ms = server.clock.now_ms()

    def work(tx: Transaction) -> tuple[int, int]:
        number = known.number or sliding.open_new(
            tx, known.caller.user_id, known.caller.device_id, known.conn_id, now_ms
        )
        version = sliding.record(tx, number, known.version, changes, configs, now_ms)
        if version is None:
            raise UnknownPos("The connection has gone on")
        return number, version

    if len(configs) > MOST_CONFIGS:
        raise UnknownPos("The connection has asked for too many different things")
    number, version = server.store.write(work)
    members = known.members
    if not known.number:
        server.sync.connection_members.put(number, members)
    rooms = {**known.rooms, **changes}
    recorded = Known(
        number,
        version,
        known.caller,
        known.conn_id,
        rooms,
        configs,
        now_ms,
        members,
        known.version,
    )
    server.sync.connections.put((number, version), recorded)
    server.sync.connections.drop((number, known.parent))  # it was seen that the answer arrived
    return recorded


def expire(server: Server) -> None:
    """End the connections that were not used for long."""
    before_ms = server.clock.now_ms() - UNUSED_MS
    while (
        server.store.write(lambda tx: sliding.drop_unused(tx, before_ms, DROPPED_AT_ONCE))
        == DROPPED_AT_ONCE
    ):
        pass
