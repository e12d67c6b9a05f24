"""What a sync request asks for: its token and its filter."""

import re
from functools import lru_cache

import msgspec

from chat.protocol.errors import BadJson, InvalidParam, NotFound
from chat.protocol.filters import SyncFilter, compile_sync_filter
from chat.services.caller import Caller
from chat.services.connection import ClientConnection
from chat.services.server import Server
from chat.storage import account_data

_TOKEN = re.compile(r"s([0-9]{1,18})(?:_([0-9]{1,18}))?")
EVERYTHING = SyncFilter()
MAX_KEPT_FILTER = 8_192  # characters of a filter that is kept compiled


class Token(msgspec.Struct, frozen=True):
    """A position of the change log, written `s<pos>`.

    `devices` is how far messages to the device were delivered; it is behind `pos`, and written
    too, only where there were more of them than fit one answer.
    """

    pos: int
    devices: int

    def __str__(self) -> str:
        return f"s{self.pos}" if self.devices == self.pos else f"s{self.pos}_{self.devices}"


class Query(msgspec.Struct, frozen=True):
    """A sync request. `timeout_ms` is how long to wait for news; `state_after` asks for the state
    at the end of the timeline in place of that at its start; `connection` is where the answer goes;
    `presence` asks for that of others.
    """

    caller: Caller
    since: Token | None
    filter: SyncFilter
    full_state: bool = False
    state_after: bool = False
    timeout_ms: int = 0
    connection: ClientConnection | None = None
    came_s: float | None = None  # when the request came, by time.perf_counter()
    presence: bool = False


def parse_token(text: str | None) -> Token | None:
    """The token in `since`; an empty one is none. Raises InvalidParam."""
    if not text:
        return None
    found = _TOKEN.fullmatch(text)
    if found is None:
        raise InvalidParam("since is no token that sync gave out")
    pos = int(found[1])
    return Token(pos, min(pos, int(found[2])) if found[2] else pos)


def filter_of(server: Server, caller: Caller, text: str | None) -> SyncFilter:
    """The filter that is meant by its ID or given inline. Raises InvalidParam, NotFound."""
    if not text:
        return EVERYTHING
    if not text.startswith("{"):
        text = _stored(server, caller.user_id, text)
    return _compiled(text) if len(text) <= MAX_KEPT_FILTER else _compile(text)


def _stored(server: Server, user_id: str, filter_id: str) -> str:
    kept = server.sync.filters
    text = kept.get((user_id, filter_id))
    if text is None:
        text = server.store.read(lambda tx: account_data.find_filter(tx, user_id, filter_id))
        if text is None:
            raise NotFound("There is no such filter")
        kept.put((user_id, filter_id), text)
    return text


def _compile(text: str) -> SyncFilter:
    try:
        return compile_sync_filter(msgspec.json.decode(text))
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise InvalidParam("The filter is not JSON") from error
    except BadJson as error:
        raise InvalidParam(f"The filter is not usable: {error.message}") from error


# Equal texts give one object, so that what is built for a filter can be kept by it.
_compiled = lru_cache(maxsize=1_024)(_compile)
