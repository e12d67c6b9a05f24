"""What users have set about invites and about other users, where the server has to obey it."""

import json
from collections.abc import Collection
from typing import Any

from chat.protocol.errors import InviteBlocked
from chat.storage import room_lists
from chat.storage.engine import Transaction

INVITE_PERMISSION = "m.invite_permission_config"
IGNORED_USERS = "m.ignored_user_list"


def ignored_users(tx: Transaction, user_id: str) -> frozenset[str]:
    """Whom a user ignores; never themselves. Spec: client-server-api/#ignoring-users"""
    content = _contents(tx, [user_id], IGNORED_USERS).get(user_id, {})
    ignored = content.get("ignored_users")
    return frozenset(ignored) - {user_id} if isinstance(ignored, dict) else frozenset()


def who_block_invites(tx: Transaction, user_ids: Collection[str]) -> set[str]:
    """Those of the users who want no invites at all. Spec: client-server-api/#invite-permission"""
    contents = _contents(tx, user_ids, INVITE_PERMISSION)
    return {user for user, content in contents.items() if content.get("default_action") == "block"}


def check_invitable(tx: Transaction, user_ids: Collection[str]) -> None:
    """Raises InviteBlocked where one of the users wants no invites."""
    if who_block_invites(tx, user_ids):
        raise InviteBlocked("An invited user accepts no invites")


def _contents(tx: Transaction, user_ids: Collection[str], kind: str) -> dict[str, dict[str, Any]]:
    found = room_lists.account_data_of(tx, user_ids, kind)
    return {user_id: json.loads(content) for user_id, content in found.items()}
