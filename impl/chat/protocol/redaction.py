"""The redaction algorithm: what remains of an event. Spec: client-server-api/#redactions

It runs when an event is signed, hashed for its ID, or shown redacted; the stored event stays
whole, so that those who may see the original still can. Whether a redaction event takes effect
is decided by `auth_rules.redaction_applies`.
"""

from typing import Any

from chat.protocol.errors import InvalidEvent
from chat.protocol.room_versions import RedactionRules, RoomRules


def redact(pdu: dict[str, Any], rules: RoomRules) -> dict[str, Any]:
    """A new event holding only what its room version keeps; `unsigned` goes.

    Raises InvalidEvent where `content` is not an object.
    """
    kept_keys = rules.redaction.top_level
    kept = {key: value for key, value in pdu.items() if key in kept_keys}
    if "content" in kept:
        kept["content"] = _redact_content(pdu.get("type"), kept["content"], rules.redaction)
    return kept


def _redact_content(event_type: Any, content: Any, redaction: RedactionRules) -> dict[str, Any]:
    if type(content) is not dict:
        raise InvalidEvent("content is not an object")
    if not isinstance(event_type, str) or event_type not in redaction.content:
        return {}
    kept_keys = redaction.content[event_type]
    if kept_keys is None:
        return content
    kept = {key: value for key, value in content.items() if key in kept_keys}
    if redaction.third_party_signed and event_type == "m.room.member":
        _keep_signed_invite(content, kept)
    return kept


def _keep_signed_invite(content: dict[str, Any], kept: dict[str, Any]) -> None:
    """v11+: the part of a third-party invite that its authorisation needs."""
    invite = content.get("third_party_invite")
    if isinstance(invite, dict) and "signed" in invite:
        kept["third_party_invite"] = {"signed": invite["signed"]}
