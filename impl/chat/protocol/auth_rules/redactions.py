"""Redactions: rule 11 of versions 1 and 2, and when a redaction takes effect."""

from chat.protocol.auth_rules.numbering import refusal
from chat.protocol.auth_rules.room_state import RoomState
from chat.protocol.event import Event


def check_redaction(event: Event, state: RoomState) -> None:
    """v1–2, rule 11. Raises AuthRefused unless the sender may redact the event."""
    if state.level_of(event.sender) >= state.level_for("redact"):  # 11.1
        return
    server = event.event_id.partition(":")[2]
    if event.redacts is not None and event.redacts.partition(":")[2] == server:  # 11.2
        return
    raise refusal(state.rules, "redaction", "The sender may not redact this event")  # 11.3


def takes_effect(redaction: Event, target: Event, state: RoomState) -> bool:
    """Whether an accepted redaction is applied to its target, both of the same room.

    Versions 1 and 2 decided it by their rule 11. Spec: rooms/v3/#handling-redactions
    """
    if redaction.room_id != target.room_id or redaction.redacts != target.event_id:
        return False
    if state.rules.redactions_authorised:
        return True
    same_server = redaction.sender.partition(":")[2] == target.sender.partition(":")[2]
    return same_server or state.level_of(redaction.sender) >= state.level_for("redact")
