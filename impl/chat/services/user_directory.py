"""Searching for users.

Spec: client-server-api/#user-directory
"""

from dataclasses import dataclass

from chat.protocol.errors import InvalidParam
from chat.services.caller import Caller
from chat.services.server import Server
from chat.storage import user_directory, users
from chat.storage.engine import Transaction
from chat.storage.words import words

MAX_RESULTS = 50
MAX_WORDS = 8  # of a search term; further ones are ignored


@dataclass(frozen=True, slots=True)
class Found:
    """A user as the directory shows it."""

    user_id: str
    display_name: str | None
    avatar_url: str | None


def search(server: Server, caller: Caller, term: str, limit: int) -> tuple[list[Found], bool]:
    """The users whom a term means, best match first, and whether there are more than `limit`.

    Raises InvalidParam for NUL in the term.
    Spec: client-server-api/#post_matrixclientv3user_directorysearch
    """
    config = server.config.user_directory
    prefixes = _prefixes(term)
    limit = min(limit, MAX_RESULTS)
    if not config.enabled or not prefixes:
        return [], False

    def work(tx: Transaction) -> tuple[list[Found], bool]:
        found = user_directory.search(
            tx,
            caller.user_id,
            prefixes,
            limit + 1,
            local_suffix=f":{server.name}",
            everybody=config.search_all_users,
            local_only=config.exclude_remote_users,
            local_first=config.prefer_local_users,
        )
        profiles = users.profiles(tx, found[:limit])
        return [_shown(user_id, profiles[user_id]) for user_id in found[:limit]], len(found) > limit

    return server.store.read(work)


def _prefixes(term: str) -> list[str]:
    """What words must begin with; an ID, or its beginning, is looked for as a whole."""
    if "\0" in term:
        raise InvalidParam("NUL is not allowed in a search term")
    term = term.strip()
    if term.startswith("@") and len(term) > 1 and " " not in term:
        return [term.lower()]
    return list(dict.fromkeys(words(term, MAX_WORDS)))


def _shown(user_id: str, profile: dict[str, object]) -> Found:
    name, avatar_url = profile.get("displayname"), profile.get("avatar_url")
    return Found(
        user_id,
        name if isinstance(name, str) and name else None,
        avatar_url if isinstance(avatar_url, str) and avatar_url else None,
    )
