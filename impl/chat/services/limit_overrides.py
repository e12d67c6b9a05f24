"""Users' own limits: how many messages they may send, or that no limit holds for them."""

from chat.config.model import RateLimit
from chat.services.server import Server
from chat.storage import limits
from chat.storage.engine import Transaction


def get(server: Server, user_id: str) -> RateLimit | None:
    """A user's own limit; None where the common ones hold. 0 and 0: none holds."""
    found = server.store.read(lambda tx: limits.override_of(tx, user_id), snapshot=False)
    return None if found is None else RateLimit(per_second=found[0], burst_count=found[1])


def put(server: Server, user_id: str, messages_per_second: int, burst_count: int) -> None:
    """Give a user a limit of their own, from their next request on."""

    def work(tx: Transaction) -> None:
        limits.set_override(tx, user_id, messages_per_second, burst_count)

    server.store.write(work)


def remove(server: Server, user_id: str) -> None:
    """Have the common limits hold for a user again."""

    def work(tx: Transaction) -> None:
        limits.remove_override(tx, user_id)

    server.store.write(work)
