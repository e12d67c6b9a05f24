"""Work that mostly needs no database, because what it asks for is remembered."""

from collections.abc import Callable
from typing import NoReturn, TypeVar

from chat.services.server import Server
from chat.storage.engine import Transaction

T = TypeVar("T")


class _DatabaseNeeded(Exception):
    """What is remembered is not enough."""


class _Offline(Transaction):
    """A transaction for work that needs none."""

    def _refuse(self, *_args: object, **_params: object) -> NoReturn:
        raise _DatabaseNeeded

    rows = row = run = do = insert = numbers = positions = _refuse


def offline_first(server: Server, room: int, work: Callable[[Transaction], T]) -> T:
    """What `work` makes of what is remembered; where that is not enough, it reads.

    Of those who want the same of a room, one reads, and the others find it read.
    """
    offline = _Offline(server.store)
    try:
        return work(offline)
    except _DatabaseNeeded:
        pass
    with server.sync.loading(room):
        try:
            return work(offline)
        except _DatabaseNeeded:
            return server.store.read(work)
