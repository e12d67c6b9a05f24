"""Rules 5.4.1.7, 5.4.1.8 and 7: third-party invites."""

from collections.abc import Iterator
from itertools import islice, product
from typing import Any

from chat.protocol.auth_rules.numbering import refusal
from chat.protocol.auth_rules.room_state import RoomState
from chat.protocol.errors import ChatError
from chat.protocol.event import Event
from chat.protocol.room_versions import RoomRules
from chat.protocol.signatures import load_verify_key, signatures_by, verify_json

MAX_ATTEMPTS = 256  # pairs of signature and key tried; an honest invite has one to four


def check_third_party_invite(event: Event, state: RoomState) -> None:
    """7.1. Raises AuthRefused unless the sender may invite."""
    if state.level_of(event.sender) < state.level_for("invite"):
        raise refusal(state.rules, "third_party_invite", "The sender may not invite")


def check_third_party_signature(
    signed: dict[str, Any], invitation: Event, rules: RoomRules
) -> None:
    """5.4.1.7. Raises AuthRefused unless a key of the invitation signed the answer to it."""
    attempts = product(_signatures(signed), _public_keys(invitation))
    for (server, key_id), public_key in islice(attempts, MAX_ATTEMPTS):
        if _is_signed(signed, server, key_id, public_key):
            return
    raise refusal(rules, "third_party.otherwise", "No key of the third-party invite signed it")


def _signatures(signed: dict[str, Any]) -> Iterator[tuple[str, str]]:
    servers = signed.get("signatures")
    for server in servers if isinstance(servers, dict) else ():
        for key_id in signatures_by(signed, server):
            yield server, key_id


def _public_keys(invitation: Event) -> Iterator[str]:
    content = invitation.content
    more = content.get("public_keys")
    entries = [content, *(more if isinstance(more, list) else [])]
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("public_key"), str):
            yield entry["public_key"]


def _is_signed(signed: dict[str, Any], server: str, key_id: str, public_key: str) -> bool:
    try:
        verify_json(signed, server, key_id, load_verify_key(public_key))
    except ChatError:
        return False
    return True
