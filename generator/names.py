"""How names of the specification are written in Python."""

import keyword
import re


def snake(name: str) -> str:
    """`uploadContentToMXC` as `upload_content_to_mxc`."""
    parted = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3_\2\4", name)
    return re.sub(r"[^a-zA-Z0-9]+", "_", parted).strip("_").lower()


def pascal(name: str) -> str:
    """`inviteUser`, `room_send` as `InviteUser`, `RoomSend`."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^a-zA-Z0-9]+", name))


def python_name(name: str) -> str:
    """The field of a record for a name on the wire."""
    found = snake(name)
    if found[0].isdigit():
        return f"field_{found}"
    return f"{found}_" if keyword.iskeyword(found) else found


def module_of(file: str) -> str:
    """`client-server/room_send.yaml` as `chat_api.client_server.room_send`."""
    api, stem = file.removesuffix(".yaml").split("/")
    return f"chat_api.{snake(api)}.{stem}"
