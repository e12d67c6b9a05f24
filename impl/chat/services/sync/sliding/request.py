"""Answering a request of sliding sync: look, and where there is nothing to tell, wait.

As in classic sync, what is new is first looked for in what is remembered, and in the database where
that is not enough. A token stands for a position of the log and for what the connection was sent;
only where the latter changes is anything written.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from chat.services.server import Server
from chat.services.sync import extras, since
from chat.services.sync.offline import offline_first
from chat.services.sync.query import EVERYTHING, Query, Token
from chat.services.sync.since import Plan
from chat.services.sync.sliding import connections
from chat.services.sync.sliding.connections import Known
from chat.services.sync.sliding.extensions import Extending, Told
from chat.services.sync.sliding.room_list import Chooser, Chosen
from chat.services.sync.sliding.rooms import Result, Telling
from chat.services.sync.sliding.wish import Pos, UnknownPos, Wish
from chat.storage.engine import Transaction

MAX_WAIT_MS = 120_000
FAR_BEHIND = 1_000  # positions that a token may stay behind while nothing is told

_NOTHING = Told(b"{}", False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is new. `lists`: how many rooms each has; `rooms` and `extensions` are JSON."""

    pos: Pos
    lists: Mapping[str, int]
    rooms: Mapping[str, bytes]
    extensions: bytes


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look found, up to `head`."""

    head: int
    lists: Mapping[str, int]
    result: Result
    told: Told

    @property
    def is_news(self) -> bool:
        """Whether a client that waits is to hear of it."""
        return bool(self.result.bodies) or self.told.is_news


def sync(server: Server, wish: Wish) -> Answer:
    """What is new for a connection, at once or as soon as there is something.

    Waits for `wish.timeout_ms`, at most two minutes, and no longer once the server closes down or
    the client is gone; nothing waits in a connection's first request. Raises UnknownPos.
    """
    server.notifier.refresh()
    caller, messages = wish.caller, wish.rules.extensions.to_device
    if messages is not None and messages.since is not None:
        extras.confirm_messages(server, caller, messages.since)
    if wish.pos is None:
        known = connections.new(caller, wish.conn_id, server.clock.now_ms())
        return _answer(server, known, wish, _look(server, known, wish))
    if server.notifier.is_lost(wish.pos.pos):
        raise UnknownPos("What came before or after pos was lost when the server was restored")
    known = connections.find(server, caller, wish.conn_id, wish.pos)
    known.members.came_with(wish.pos.pos)
    connections.keep_alive(server, known)
    return _answer(server, known, wish, _await(server, known, wish))


def _await(server: Server, known: Known, wish: Wish) -> _Found:
    until_ms = server.clock.now_ms() + min(wish.timeout_ms, MAX_WAIT_MS)
    found = _look(server, known, wish)
    while not found.is_news:
        left_ms = until_ms - server.clock.now_ms()
        if left_ms <= 0 or not _wait(server, wish, found.head, left_ms):
            break
        found = _look(server, known, wish)
    return found


def _wait(server: Server, wish: Wish, position: int, timeout_ms: int) -> bool:
    user_id = wish.caller.user_id
    user = server.sync.users.get(user_id)
    rooms: Collection[int] = () if user is None else user.joined
    return server.notifier.wait(user_id, rooms, position, timeout_ms / 1000, wish.connection)


# --- looking ---


def _look(server: Server, known: Known, wish: Wish) -> _Found:
    """What is new, without waiting."""
    query = _query(wish)
    quiet = _nothing_new(server, known, wish, query)
    if quiet is not None:
        return quiet
    if wish.pos is None:
        return server.store.read(
            lambda tx: _looking(
                tx, server, known, wish, since.present(tx, server, wish.caller.user_id)
            )
        )
    if since.tail_is_behind(server, query):
        server.notifier.refresh()
    plan = since.remembered(server, query)
    if plan is None:
        return server.store.read(lambda tx: _looking_further(tx, server, known, wish, query))
    room = plan.joined[0].room if plan.joined else 0
    chosen: list[Chosen] = []  # by the first attempt that came so far

    def work(tx: Transaction) -> _Found:
        if not chosen:
            chosen.append(_chosen(tx, server, known, wish, plan))
        return _told(tx, server, known, wish, plan, chosen[0])

    return offline_first(server, room, work)


def _query(wish: Wish) -> Query:
    token = None if wish.pos is None else Token(wish.pos.pos, wish.pos.pos)
    return Query(wish.caller, token, EVERYTHING)


def _nothing_new(server: Server, known: Known, wish: Wish, query: Query) -> _Found | None:
    """The answer where it is certain, without a statement, that there is nothing to tell."""
    if wish.pos is None or known.answered is None or known.answered[0] != wish.rules:
        return None
    if not since.nothing_new(server, query):
        return None
    if extras.keys_known(server, wish.caller) is None:
        return None
    head = max(server.notifier.position, wish.pos.pos)
    told = _NOTHING
    messages = wish.rules.extensions.to_device
    if messages is not None:
        told = Told(b'{"to_device":{"next_batch":"s%d"}}' % (messages.since or head), False)
    return _Found(head, known.answered[1], Result(configs=known.configs), told)


def _looking_further(
    tx: Transaction, server: Server, known: Known, wish: Wish, query: Query
) -> _Found:
    plan = since.stored(tx, server, query)
    if not plan.since:
        raise UnknownPos("pos is from a future that is no more")
    return _looking(tx, server, known, wish, plan)


def _looking(tx: Transaction, server: Server, known: Known, wish: Wish, plan: Plan) -> _Found:
    return _told(tx, server, known, wish, plan, _chosen(tx, server, known, wish, plan))


def _chosen(tx: Transaction, server: Server, known: Known, wish: Wish, plan: Plan) -> Chosen:
    user_id = wish.caller.user_id
    return Chooser(tx, server, user_id, plan.user, known.rooms, plan.head).choose(wish.rules)


def _told(
    tx: Transaction, server: Server, known: Known, wish: Wish, plan: Plan, chosen: Chosen
) -> _Found:
    result = Telling(tx, server, wish, known, plan, chosen).tell()
    told = Extending(tx, server, wish, known, plan, chosen, result).tell()
    extras.device_keys(tx, server, wish.caller, plan.head)  # known from now on: see _nothing_new
    return _Found(plan.head, chosen.counts, result, told)


# --- answering ---


def _answer(server: Server, known: Known, wish: Wish, found: _Found) -> Answer:
    result, pos = found.result, found.head
    if wish.pos is not None and not found.is_news:
        if not result.sent:
            known.answered = (wish.rules, dict(found.lists))
        elif found.head - wish.pos.pos < FAR_BEHIND and _only_left_behind(known, result):
            # To stay where it is costs nothing now, and little next time.
            return Answer(wish.pos, found.lists, {}, found.told.body)
    if result.sent or wish.pos is None:
        known = connections.record(server, known, result.sent, result.configs)
    known.members.forget(result.gaps)
    known.members.note(result.members, pos)
    token = Pos(pos, known.number, known.version)
    return Answer(token, found.lists, result.bodies, found.told.body)


def _only_left_behind(known: Known, result: Result) -> bool:
    """Whether all that changes is that the client was not told of rooms it does not look at."""
    return all(
        room in known.rooms and one.upto is not None and known.rooms[room].upto is None
        for room, one in result.sent.items()
    )
