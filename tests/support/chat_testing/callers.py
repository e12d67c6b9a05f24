"""Registered users of a test's server, as the callers of requests."""

from typing import Any

from chat.services.caller import Caller
from chat.services.server import Server
from chat.storage import users
from chat.storage.engine import Transaction
from chat.storage.users import User


def a_user(server: Server, name: str, **caller: Any) -> Caller:
    """A registered user with a display name, at a device."""
    user_id = f"@{name}:{server.name}"

    def work(tx: Transaction) -> None:
        made = User(user_id, None, is_guest=caller.get("is_guest", False))
        users.insert(tx, made, server.clock.now_ms())
        users.set_profile_field(tx, user_id, "displayname", name.title())

    server.store.write(work)
    return Caller(user_id, f"{name.upper()}1", **caller)
