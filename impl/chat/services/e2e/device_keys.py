"""Uploading, asking for and claiming the public keys of devices.

Spec: client-server-api/#key-management-api
"""

import json
from typing import Any

from chat.protocol import canonical_json
from chat.protocol.errors import InvalidParam, Unknown
from chat.protocol.identifiers import parse_user_id
from chat.services.caller import Caller
from chat.services.server import Server
from chat.storage import keys
from chat.storage.engine import Transaction
from chat.storage.keys import OneTimeKey

Keys = dict[str, Any]


def upload(
    server: Server,
    caller: Caller,
    device_keys: Keys | None,
    one_time_keys: dict[str, Any],
    fallback_keys: dict[str, Any],
) -> dict[str, int]:
    """Store the caller's keys and return how many one-time keys it has, by algorithm.

    Raises InvalidParam for identity keys of somebody else or key names without algorithm, Unknown
    for a one-time key whose ID is taken by another key.
    """
    identity = _checked_identity(caller, device_keys) if device_keys is not None else None
    once = _parse_keys(one_time_keys)
    fallback = _parse_keys(fallback_keys)
    now_ms = server.clock.now_ms()

    def work(tx: Transaction) -> dict[str, int]:
        user_id, device_id = caller.user_id, caller.device_id
        if identity is not None:
            keys.put_device_keys(tx, user_id, device_id, identity)
        if fresh := _not_yet_known(tx, caller, once):
            keys.add_one_time_keys(tx, user_id, device_id, fresh, now_ms)
        if fallback:
            keys.put_fallback_keys(tx, user_id, device_id, fallback)
        return keys.key_counts(tx, user_id, device_id)

    if identity is None and not once and not fallback:
        return server.store.read(lambda tx: keys.key_counts(tx, caller.user_id, caller.device_id))
    return server.store.write(work)


def _checked_identity(caller: Caller, device_keys: Keys) -> str:
    owner = (device_keys.get("user_id"), device_keys.get("device_id"))
    if owner != (caller.user_id, caller.device_id):
        raise InvalidParam("device_keys must name the calling user and device")
    return _text({name: part for name, part in device_keys.items() if name != "unsigned"})


def _text(key: Any) -> str:
    return canonical_json.encode(key, strict=False).decode()


def _parse_keys(named: dict[str, Any]) -> list[OneTimeKey]:
    parsed = []
    for name, body in named.items():
        algorithm, colon, key_id = name.partition(":")
        if not (algorithm and colon and key_id):
            raise InvalidParam(f"A key must be named algorithm:id, not {name[:80]}")
        parsed.append(OneTimeKey(algorithm, key_id, _text(body)))
    return parsed


def _not_yet_known(tx: Transaction, caller: Caller, new: list[OneTimeKey]) -> list[OneTimeKey]:
    """The keys that are not there; a repeated upload changes nothing."""
    known = keys.one_time_keys(tx, caller.user_id, caller.device_id, [key.key_id for key in new])
    fresh = []
    for key in new:
        there = known.get((key.algorithm, key.key_id))
        if there is None:
            fresh.append(key)
        elif there != key.body:
            raise Unknown(f"One-time key {key.algorithm}:{key.key_id} exists with another value")
    return fresh


def query(server: Server, wanted: dict[str, list[str]]) -> dict[str, dict[str, Keys]]:
    """Identity keys by user and device; an empty list of devices stands for all.

    Raises InvalidIdentifier where a name is no user ID. Users of other servers are left out.
    """
    user_ids = [parse_user_id(user_id) for user_id in wanted]
    stored = server.store.read(lambda tx: keys.device_keys(tx, list(user_ids)))
    return {
        user_id: {
            device_id: _with_name(body, name)
            for device_id, (body, name) in stored.get(user_id, {}).items()
            if not devices or device_id in devices
        }
        for user_id, devices in wanted.items()
        if user_id.endswith(f":{server.name}")
    }


def _with_name(body: str, display_name: str | None) -> Keys:
    found: Keys = json.loads(body)
    if display_name is not None:
        found["unsigned"] = {"device_display_name": display_name}
    return found


def claim(server: Server, wanted: dict[str, dict[str, str]]) -> dict[str, dict[str, Keys]]:
    """One key of the wanted algorithm per user and device: {user: {device: {algorithm:id: key}}}.

    Devices without a key are left out. Raises InvalidIdentifier where a name is no user ID.
    """
    for user_id in wanted:
        parse_user_id(user_id)

    def work(tx: Transaction) -> dict[str, dict[str, Keys]]:
        claimed: dict[str, dict[str, Keys]] = {}
        for user_id, devices in sorted(wanted.items()):
            for device_id, algorithm in sorted(devices.items()):
                key = keys.claim(tx, user_id, device_id, algorithm)
                if key is not None:
                    name = f"{key.algorithm}:{key.key_id}"
                    claimed.setdefault(user_id, {})[device_id] = {name: json.loads(key.body)}
        return claimed

    return server.store.write(work)
