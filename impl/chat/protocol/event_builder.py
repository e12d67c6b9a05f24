"""From a draft to a signed event. Spec: server-server-api/#signing-events"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chat.protocol import event_format, signatures
from chat.protocol.errors import InvalidEvent
from chat.protocol.event import Event
from chat.protocol.identifiers import EventId, RoomId, UserId
from chat.protocol.room_versions import EventIdFormat, RoomRules
from chat.protocol.signatures import SigningKey, encode_base64


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants to send; the rest of an event follows from the room.

    `room_id` is None for the create event of a room whose ID is that event's hash. `redacts` is
    put where the room version wants it.
    """

    room_id: RoomId | None
    sender: UserId
    type: str
    content: dict[str, Any]
    state_key: str | None = None
    redacts: EventId | None = None
    unsigned: dict[str, Any] | None = None


def build(
    draft: Draft,
    rules: RoomRules,
    *,
    prev_events: Sequence[EventId],
    auth_events: Sequence[EventId],
    depth: int,
    origin_server_ts: int,
    server: str,
    key: SigningKey,
    reference_hashes: Mapping[EventId, str] | None = None,
) -> Event:
    """The event of a draft, hashed and signed by `server`.

    `depth` is cut to the version's limit; `origin_server_ts` is in ms. `reference_hashes` gives
    the hash in unpadded base64 of each prev and auth event, which room versions 1 and 2 cite.
    Raises BadJson, InvalidEvent or EventTooLarge.
    """
    hashes = reference_hashes or {}
    pdu = _fields(draft, rules)
    pdu["prev_events"] = _references(prev_events, hashes, rules)
    pdu["auth_events"] = _references(auth_events, hashes, rules)
    pdu["depth"] = min(depth, rules.max_depth)
    pdu["origin_server_ts"] = origin_server_ts
    if rules.event_id_format is EventIdFormat.DOMAIN:
        pdu["event_id"] = _chosen_event_id(pdu, rules, server)
    return _sign(pdu, rules, server, key)


def _fields(draft: Draft, rules: RoomRules) -> dict[str, Any]:
    pdu: dict[str, Any] = {"type": draft.type, "sender": draft.sender, "content": draft.content}
    if draft.room_id is not None:
        pdu["room_id"] = draft.room_id
    if draft.state_key is not None:
        pdu["state_key"] = draft.state_key
    if draft.unsigned is not None:
        pdu["unsigned"] = draft.unsigned
    if draft.redacts is not None and rules.redacts_in_content:
        pdu["content"] = {**draft.content, "redacts": draft.redacts}
    elif draft.redacts is not None:
        pdu["redacts"] = draft.redacts
    return pdu


def _references(
    event_ids: Sequence[EventId], hashes: Mapping[EventId, str], rules: RoomRules
) -> list[Any]:
    if not rules.hashed_references:
        return list(event_ids)
    missing = [event_id for event_id in event_ids if event_id not in hashes]
    if missing:
        raise InvalidEvent(f"No reference hash given for {missing[0]}")
    return [[event_id, {"sha256": hashes[event_id]}] for event_id in event_ids]


def _chosen_event_id(pdu: dict[str, Any], rules: RoomRules, server: str) -> EventId:
    """v1–2: an opaque ID that is ours alone, made from what the event says."""
    opaque = encode_base64(signatures.content_hash(pdu, rules), url_safe=True)
    return EventId(f"${opaque}:{server}")


def _sign(pdu: dict[str, Any], rules: RoomRules, server: str, key: SigningKey) -> Event:
    """Hash, sign and check; what is signed and what gives the event its ID are the same bytes."""
    pdu["hashes"] = {"sha256": encode_base64(signatures.content_hash(pdu, rules))}
    signed = signatures.signed_bytes(pdu, rules)
    pdu["signatures"] = {server: {key.key_id: key.sign(signed)}}
    event_format.check(pdu, rules)
    if rules.event_id_format is EventIdFormat.DOMAIN:
        event_id = EventId(pdu["event_id"])
    else:
        event_id = signatures.event_id_from_hash(hashlib.sha256(signed).digest(), rules)
    return Event.trusted(event_id, pdu, rules)
