"""Fill a server with two users and a room, say how to look at it, and wait for Ctrl-C.

python demo/world.py http://localhost:8008       (a server with open registration)
"""

import json
import sys
import time
import urllib.request
from typing import Any

PASSWORD = "open sesame"
HISTORY = [
    ("alice", "Welcome to the demo."),
    ("bob", "Thank you. Where is everybody?"),
    ("alice", "Log in as one of us and say something."),
]


def call(url: str, method: str, path: str, body: dict[str, Any], token: str = "") -> Any:
    """One request of the client-server API; the answer's body."""
    request = urllib.request.Request(
        f"{url}/_matrix/client/v3/{path}",
        method=method,
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def make_world(url: str) -> None:
    """Register alice and bob, and let them talk in #demo."""
    wish = {"password": PASSWORD, "auth": {"type": "m.login.dummy"}}
    accounts = {
        name: call(url, "POST", "register", wish | {"username": name}) for name in ("alice", "bob")
    }
    tokens = {name: account["access_token"] for name, account in accounts.items()}
    room = {"name": "Demo", "preset": "public_chat", "room_alias_name": "demo"}
    room_id = call(url, "POST", "createRoom", room, tokens["alice"])["room_id"]
    call(url, "POST", f"join/{room_id}", {}, tokens["bob"])
    for number, (speaker, text) in enumerate(HISTORY):
        content = {"msgtype": "m.text", "body": text}
        path = f"rooms/{room_id}/send/m.room.message/{number}"
        call(url, "PUT", path, content, tokens[speaker])


def main(url: str) -> None:
    """Make the world and wait until it is interrupted."""
    make_world(url)
    print(f"Homeserver {url}, users alice and bob, password '{PASSWORD}', room #demo:localhost")
    print(f"Read the API at {url}/docs. Ctrl-C ends the server and forgets everything.", flush=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
