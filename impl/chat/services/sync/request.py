"""Answering a sync: look, and where there is nothing to tell, wait and look again.

What is new is read in one snapshot, and as much as possible not read at all: the same code runs
first without a database, on what is remembered, and again with one where that was not enough.
"""

from collections.abc import Collection

from msgspec.structs import replace

from chat.protocol.errors import InvalidParam
from chat.services.caller import Caller
from chat.services.log_tail import EVERYBODY
from chat.services.server import Server
from chat.services.sync import extras, presence, since
from chat.services.sync.answer import Answer, Answering
from chat.services.sync.extras import DeviceLists
from chat.services.sync.offline import offline_first
from chat.services.sync.query import EVERYTHING, Query, Token, parse_token

MAX_WAIT_MS = 120_000


def sync(server: Server, query: Query) -> Answer:
    """What is new for a user and device since a token, at once or as soon as there is something.

    Waits for `query.timeout_ms`, at most two minutes, and no longer once the server closes down or
    the client is gone.
    Nothing waits without a token or with `full_state`.
    """
    server.notifier.refresh(query.came_s)
    if query.since is not None and server.notifier.is_lost(query.since.pos):
        query = replace(query, since=None)
    if query.since is not None:
        extras.confirm_messages(server, query.caller, query.since.devices)
        server.sync.device(query.caller.user_id, query.caller.device_id).members.came_with(
            query.since.pos
        )
    started_ms = server.clock.now_ms()
    until_ms = started_ms + min(query.timeout_ms, MAX_WAIT_MS)
    answer = look(server, query)
    while query.since is not None and not query.full_state and answer.is_empty:
        left_ms = until_ms - server.clock.now_ms()
        if left_ms <= 0 or not _wait(server, query, answer.token, left_ms):
            break
        query = replace(query, since=answer.token)
        answer = look(server, query)
    return answer


def changed_lists(server: Server, caller: Caller, since_text: str, upto: str) -> DeviceLists:
    """Whose devices changed since a token, up to now: what came after `upto` does no harm.

    Raises InvalidParam. Spec: client-server-api/#get_matrixclientv3keyschanges
    """
    start = parse_token(since_text)
    if start is None or parse_token(upto) is None:
        raise InvalidParam("from and to must be tokens that sync gave out")
    if server.notifier.is_lost(start.pos):
        start = Token(0, 0)
    return look(server, Query(caller, start, EVERYTHING)).devices or DeviceLists()


def _wait(server: Server, query: Query, token: Token, timeout_ms: int) -> bool:
    user_id = query.caller.user_id
    user = server.sync.users.get(user_id)
    rooms: Collection[int] = () if user is None else user.joined
    if query.presence:
        rooms = (*rooms, EVERYBODY)
    return server.notifier.wait(user_id, rooms, token.pos, timeout_ms / 1000, query.connection)


def look(server: Server, query: Query) -> Answer:
    """What is new, without waiting."""
    if since.nothing_new(server, query) and presence.nothing_new(server, query):
        keys = extras.keys_known(server, query.caller)
        if keys is not None and query.since is not None and not query.full_state:
            pos = max(server.notifier.position, query.since.pos)
            return Answer(Token(pos, pos), None, [], [], DeviceLists(), keys)
    if since.tail_is_behind(server, query):
        server.notifier.refresh()
    plan = since.remembered(server, query)
    if plan is None:
        return server.store.read(
            lambda tx: Answering(tx, server, query, since.stored(tx, server, query)).answer()
        )
    room = plan.joined[0].room if plan.joined else 0
    return offline_first(server, room, lambda tx: Answering(tx, server, query, plan).answer())
