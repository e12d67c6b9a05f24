"""What users have set about invites and about other users, where the server has to obey it."""

import json
from collections.abc import Collection
from typing import Any, NamedTuple

from chat.protocol.errors import InviteBlocked
from chat.storage import room_lists
from chat.storage.engine import Transaction

INVITE_PERMISSION = "m.invite_permission_config"
IGNORED_USERS = "m.ignored_user_list"


class Preferences(NamedTuple):
    """Whom a user ignores, and whether they want no invites at all."""

    ignored: frozenset[str]
    blocks_invites: bool


def of(tx: Transaction, user_id: str) -> Preferences:
    """What a user has set, by one statement."""
    kinds = (IGNORED_USERS, INVITE_PERMISSION)
    found = room_lists.global_account_data(tx, user_id, kinds)
    ignored, permission = (json.loads(found.get(kind, "{}")) for kind in kinds)
    return Preferences(_ignored(user_id, ignored), _blocks(permission))


def ignored_users(tx: Transaction, user_id: str) -> frozenset[str]:
    """Whom a user ignores; never themselves. Spec: client-server-api/#ignoring-users"""
    return of(tx, user_id).ignored


def check_invitable(tx: Transaction, user_ids: Collection[str]) -> None:
    """Raises InviteBlocked where one of the users wants no invites.

    Spec: client-server-api/#invite-permission
    """
    found = room_lists.account_data_of(tx, user_ids, INVITE_PERMISSION)
    if any(_blocks(json.loads(content)) for content in found.values()):
        raise InviteBlocked("An invited user accepts no invites")


def _ignored(user_id: str, content: dict[str, Any]) -> frozenset[str]:
    ignored = content.get("ignored_users")
    return frozenset(ignored) - {user_id} if isinstance(ignored, dict) else frozenset()


def _blocks(content: dict[str, Any]) -> bool:
    return content.get("default_action") == "block"
