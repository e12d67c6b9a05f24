"""The demos, as `make demo-talk` and `make demo` run them."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chat_testing.running import RunningServer

DEMO = Path(__file__).resolve().parents[2] / "demo"
PATIENCE_S = 120


def test_two_clients_are_heard_talking(server: RunningServer) -> None:
    done = subprocess.run(
        [sys.executable, DEMO / "talk.py", server.url],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [line.strip() for line in done.stdout.splitlines()[-4:]]
    assert told == [
        "alice: Hello Bob, can you read me?",
        "bob: Loud and clear. What is this room?",
        "alice: The kitchen. Dinner is ready.",
        "bob: On my way!",
    ]


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_a_world_to_try_a_client_on(server: RunningServer) -> None:
    with subprocess.Popen(
        [sys.executable, DEMO / "world.py", server.url], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    told = "".join(lines)
    assert server.url in told
    assert "@alice:localhost" in told
    assert "Kitchen (!" in told
