"""Messages from device to device. Spec: client-server-api/#send-to-device-messaging"""

import json
from typing import Any

from chat.protocol.identifiers import parse_user_id
from chat.services.caller import Caller
from chat.services.server import Server
from chat.storage import devices, keys, requests
from chat.storage.engine import Transaction

EVERY_DEVICE = "*"


def send(
    server: Server,
    caller: Caller,
    kind: str,
    messages: dict[str, dict[str, Any]],
    path: str,
) -> None:
    """Queue messages: {user: {device or "*": content}}. A repeat of the same path does nothing.

    Raises InvalidIdentifier where a name is no user ID. Unknown devices are passed over.
    """
    for user_id in messages:
        parse_user_id(user_id)

    now_ms = server.clock.now_ms()
    request = requests.key_of(caller.user_id, caller.device_id, path)

    def work(tx: Transaction) -> None:
        if not requests.claim(tx, request, now_ms):
            return
        addressed = _addressed(tx, server.name, messages)
        if addressed:
            keys.send_to_devices(tx, caller.user_id, kind, addressed)

    server.store.write(work)


def _addressed(
    tx: Transaction, server_name: str, messages: dict[str, dict[str, Any]]
) -> list[tuple[str, str, str]]:
    """(user, device, content as JSON text) for each device of this server that is meant."""
    local = [user_id for user_id in messages if user_id.endswith(f":{server_name}")]
    known = devices.ids_of_users(tx, local)
    addressed = []
    for user_id in local:
        for device_id, content in messages[user_id].items():
            text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
            meant = known.get(user_id, [])
            if device_id != EVERY_DEVICE:
                meant = [device_id] if device_id in meant else []
            addressed += [(user_id, device, text) for device in meant]
    return addressed
