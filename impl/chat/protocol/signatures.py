"""Hashes and Ed25519 signatures of JSON objects and events.

Spec: appendices/#signing-json, server-server-api/#signing-events
"""

import hashlib
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey as NaclSigningKey
from nacl.signing import VerifyKey

from chat.protocol import canonical_json
from chat.protocol.errors import ChatError, InvalidEvent, InvalidParam, SignatureInvalid
from chat.protocol.identifiers import EventId, ServerName, server_of
from chat.protocol.redaction import redact
from chat.protocol.room_versions import EventIdFormat, RoomRules

ALGORITHM = "ed25519"
MAX_KEY_LIFETIME_MS = 7 * 24 * 60 * 60 * 1000

_BASE64 = re.compile(r"[A-Za-z0-9+/_\-]*={0,2}")
_TO_STANDARD = str.maketrans("-_", "+/")
_TO_URL_SAFE = str.maketrans("+/", "-_")
_KEY_VERSION = re.compile(r"[A-Za-z0-9_]+")


# ── base64 ───────────────────────────────────────────────────────────────────────────────────


def encode_base64(data: bytes, *, url_safe: bool = False) -> str:
    """Unpadded base64. Spec: appendices/#unpadded-base64"""
    text = b2a_base64(data, newline=False).decode().rstrip("=")
    return text.translate(_TO_URL_SAFE) if url_safe else text


def decode_base64(text: str) -> bytes:
    """Base64 in either alphabet, padded or not; raises InvalidParam."""
    if not isinstance(text, str) or not _BASE64.fullmatch(text):
        raise InvalidParam("Not base64")
    bare = text.rstrip("=").translate(_TO_STANDARD)
    try:
        return a2b_base64(bare + "=" * (-len(bare) % 4))
    except ValueError:
        raise InvalidParam("Not base64") from None


# ── keys ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A server's own key: its ID (`ed25519:version`) and the secret."""

    key_id: str
    key: NaclSigningKey

    @property
    def verify_key(self) -> VerifyKey:
        """The public half."""
        return self.key.verify_key

    @property
    def public_base64(self) -> str:
        """The public half as servers publish it."""
        return encode_base64(bytes(self.key.verify_key))

    def sign(self, message: bytes) -> str:
        """The signature of `message` in unpadded base64."""
        return encode_base64(self.key.sign(message).signature)


def generate_signing_key(version: str, seed: bytes) -> SigningKey:
    """The key `ed25519:version` from 32 random bytes; raises InvalidParam."""
    if not _KEY_VERSION.fullmatch(version):
        raise InvalidParam("A key version is made of A-Z, a-z, 0-9 and _")
    if len(seed) != 32:
        raise InvalidParam("A key seed has 32 bytes")
    return SigningKey(f"{ALGORITHM}:{version}", NaclSigningKey(seed))


def load_signing_key(line: str) -> SigningKey:
    """The key of a key file's line `ed25519 <version> <seed in base64>`; raises InvalidParam."""
    parts = line.split()
    if len(parts) != 3 or parts[0] != ALGORITHM:
        raise InvalidParam("A key line reads: ed25519 <version> <seed>")
    return generate_signing_key(parts[1], decode_base64(parts[2]))


def dump_signing_key(key: SigningKey) -> str:
    """The line of a key file that holds this key, without line end."""
    return f"{ALGORITHM} {key.key_id.partition(':')[2]} {encode_base64(bytes(key.key))}"


def load_verify_key(text: str) -> VerifyKey:
    """A published public key in base64; raises InvalidParam."""
    data = decode_base64(text)
    if len(data) != 32:
        raise InvalidParam("An Ed25519 key has 32 bytes")
    return VerifyKey(data)


def key_valid(
    origin_server_ts: int,
    rules: RoomRules,
    *,
    fetched_ts: int,
    valid_until_ts: int,
    expired_ts: int | None = None,
) -> bool:
    """Whether a server's key may have signed an event of `origin_server_ts`; all in ms.

    `expired_ts` is given for an old key and says when it was retired. A current key is valid
    until the lesser of `valid_until_ts` and 7 days after `fetched_ts`, when it was last seen
    published; room versions 1 to 4 ignore this. Spec: rooms/v5/#signing-key-validity-period
    """
    if expired_ts is not None:
        return origin_server_ts <= expired_ts
    if not rules.enforce_key_validity:
        return True
    return origin_server_ts <= min(valid_until_ts, fetched_ts + MAX_KEY_LIFETIME_MS)


# ── JSON objects ─────────────────────────────────────────────────────────────────────────────


def sign_json(obj: Mapping[str, Any], server: str, key: SigningKey) -> dict[str, Any]:
    """A copy of `obj` with the signature of `server` added; others stay.

    Raises BadJson where it cannot be encoded.
    """
    return with_signature(obj, server, key.key_id, key.sign(_signed_part(obj, strict=False)))


def with_signature(
    obj: Mapping[str, Any], server: str, key_id: str, signature: str
) -> dict[str, Any]:
    """A copy of `obj` with one more signature."""
    signatures = obj.get("signatures", {})
    if not isinstance(signatures, dict) or not isinstance(signatures.get(server, {}), dict):
        raise InvalidParam("signatures is not an object of objects")
    own = {**signatures.get(server, {}), key_id: signature}
    return {**obj, "signatures": {**signatures, server: own}}


def verify_json(obj: Mapping[str, Any], server: str, key_id: str, verify_key: VerifyKey) -> None:
    """Raises SignatureInvalid unless `server` signed `obj` with this key.

    Spec: appendices/#checking-for-a-signature
    """
    signature = signature_of(obj, server, key_id)
    verify_bytes(_signed_part(obj, strict=False), signature, verify_key)


def signature_of(obj: Mapping[str, Any], server: str, key_id: str) -> str:
    """The signature of `server` by this key on `obj`; raises SignatureInvalid without one."""
    signature = signatures_by(obj, server).get(key_id)
    if not isinstance(signature, str):
        raise SignatureInvalid(f"Not signed by {server} with {key_id}")
    return signature


def signatures_by(obj: Mapping[str, Any], server: str) -> dict[str, Any]:
    """Key ID → signature of `server` on `obj`, of algorithms we know; empty without any."""
    signatures = obj.get("signatures")
    own = signatures.get(server) if isinstance(signatures, dict) else None
    if not isinstance(own, dict):
        return {}
    return {key_id: value for key_id, value in own.items() if key_id.startswith(ALGORITHM + ":")}


def verify_bytes(message: bytes, signature: str, verify_key: VerifyKey) -> None:
    """Raises SignatureInvalid unless `signature` (base64) is that of `message`."""
    try:
        verify_key.verify(message, decode_base64(signature))
    except (InvalidParam, BadSignatureError, ValueError):
        raise SignatureInvalid("Wrong signature") from None


def _signed_part(obj: Mapping[str, Any], *, strict: bool) -> bytes:
    signed = {key: obj[key] for key in obj if key not in {"signatures", "unsigned"}}
    return canonical_json.encode(signed, strict=strict)


# ── events ───────────────────────────────────────────────────────────────────────────────────


def content_hash(pdu: Mapping[str, Any], rules: RoomRules) -> bytes:
    """SHA-256 over the whole event but `unsigned`, `signatures` and `hashes`.

    Spec: server-server-api/#calculating-the-content-hash-for-an-event
    """
    hashed = {key: pdu[key] for key in pdu if key not in {"unsigned", "signatures", "hashes"}}
    data = canonical_json.encode(hashed, strict=rules.strict_canonical_json)
    return hashlib.sha256(data).digest()


def content_hash_matches(pdu: Mapping[str, Any], rules: RoomRules) -> bool:
    """Whether `hashes.sha256` is the content hash; if not, only the redacted event counts."""
    hashes = pdu.get("hashes")
    claimed = hashes.get("sha256") if isinstance(hashes, dict) else None
    try:
        return decode_base64(claimed or "") == content_hash(pdu, rules)
    except InvalidParam:
        return False


def signed_bytes(pdu: dict[str, Any], rules: RoomRules) -> bytes:
    """What signatures and the reference hash of an event cover: its redacted form."""
    return _signed_part(redact(pdu, rules), strict=rules.strict_canonical_json)


def reference_hash(pdu: dict[str, Any], rules: RoomRules) -> bytes:
    """SHA-256 over the redacted event.

    Spec: server-server-api/#calculating-the-reference-hash-for-an-event
    """
    return hashlib.sha256(signed_bytes(pdu, rules)).digest()


def event_id(pdu: dict[str, Any], rules: RoomRules) -> EventId:
    """The ID of an event; raises InvalidEvent where a version 1 or 2 event has none."""
    if rules.event_id_format is EventIdFormat.DOMAIN:
        given = pdu.get("event_id")
        if not isinstance(given, str):
            raise InvalidEvent("event_id is missing")
        return EventId(given)
    return event_id_from_hash(reference_hash(pdu, rules), rules)


def event_id_from_hash(digest: bytes, rules: RoomRules) -> EventId:
    """The event ID (version 3 and later) that belongs to a reference hash."""
    url_safe = rules.event_id_format is EventIdFormat.URL_SAFE_BASE64
    return EventId("$" + encode_base64(digest, url_safe=url_safe))


def sign_event(
    pdu: dict[str, Any], rules: RoomRules, server: str, key: SigningKey
) -> dict[str, Any]:
    """A copy of an event that has its `hashes`, with the signature of `server` added."""
    return with_signature(pdu, server, key.key_id, key.sign(signed_bytes(pdu, rules)))


def hash_and_sign_event(
    pdu: Mapping[str, Any], rules: RoomRules, server: str, key: SigningKey
) -> dict[str, Any]:
    """A copy of an event with its content hash and the signature of `server`.

    Spec: server-server-api/#adding-hashes-and-signatures-to-outgoing-events
    """
    hashed = {**pdu, "hashes": {"sha256": encode_base64(content_hash(pdu, rules))}}
    return sign_event(hashed, rules, server, key)


def verify_event_signature(
    pdu: dict[str, Any], rules: RoomRules, server: str, key_id: str, verify_key: VerifyKey
) -> None:
    """Raises SignatureInvalid unless `server` signed the event with this key.

    Spec: server-server-api/#validating-hashes-and-signatures-on-received-events
    """
    signature = signature_of(pdu, server, key_id)
    verify_bytes(signed_bytes(pdu, rules), signature, verify_key)


def required_signers(pdu: Mapping[str, Any], rules: RoomRules) -> set[ServerName]:
    """The servers whose signatures a received event needs.

    The sender's, unless the event is a third-party invite; in versions 1 and 2 also the one in
    the event ID; with restricted joins also that of the user who authorised one. Raises
    InvalidIdentifier where one of these identifiers names no server.
    """
    signers = set()
    content = pdu.get("content")
    member = content if pdu.get("type") == "m.room.member" and isinstance(content, dict) else {}
    if not (member.get("membership") == "invite" and "third_party_invite" in member):
        signers.add(server_of(str(pdu.get("sender"))))
    if rules.event_id_format is EventIdFormat.DOMAIN:
        signers.add(server_of(str(pdu.get("event_id"))))
    if rules.restricted_joins and "join_authorised_via_users_server" in member:
        signers.add(server_of(str(member["join_authorised_via_users_server"])))
    return signers


class SignedEvent(NamedTuple):
    """An event and one signature on it that is to be verified."""

    pdu: dict[str, Any]
    rules: RoomRules
    server: str
    key_id: str
    verify_key: VerifyKey


def verify_many(items: Iterable[SignedEvent]) -> list[bool]:
    """For each item whether its signature is right; a plain loop, which callers may split."""
    return [_verifies(item) for item in items]


def _verifies(item: SignedEvent) -> bool:
    try:
        verify_event_signature(*item)
    except ChatError:
        return False
    return True
