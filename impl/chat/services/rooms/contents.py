"""What the content of some state events has to be like, where the authorisation rules do not say.

Only what no reader could make sense of is refused: what the spec gives a meaning to although it is
incomplete, such as an empty `m.room.policy`, is left to its readers.
"""

from typing import Any

from chat.protocol.errors import InvalidParam
from chat.protocol.signatures import load_verify_key


def check_server_acl(content: dict[str, Any]) -> None:
    """Raises InvalidParam unless the lists of a server ACL are lists of patterns.

    Spec: client-server-api/#mroomserver_acl
    """
    for name in ("allow", "deny"):
        patterns = content.get(name, [])
        if not isinstance(patterns, list) or not all(isinstance(one, str) for one in patterns):
            raise InvalidParam(f"{name} is a list of patterns of server names")


def check_policy(content: dict[str, Any]) -> None:
    """Raises InvalidParam for a policy server whose name or keys cannot be any.

    Spec: client-server-api/#mroompolicy
    """
    if not isinstance(content.get("via", ""), str):
        raise InvalidParam("via is the name of a server")
    keys = content.get("public_keys", {})
    if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
        raise InvalidParam("public_keys are strings by algorithm")
    if "ed25519" in keys:
        load_verify_key(keys["ed25519"])


CHECKS = {"m.room.server_acl": check_server_acl, "m.room.policy": check_policy}
