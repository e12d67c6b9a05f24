"""Waiting requests whose clients have gone away."""

import http.client
import json
import time
from typing import Any

import pytest

from chat_testing.running import RunningServer, running_server

SYNC = "/_matrix/client/v3/sync"


def register(server: RunningServer) -> str:
    """A new user's access token."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    body = {"username": "alice", "password": "secret 1", "auth": {"type": "m.login.dummy"}}
    connection.request("POST", "/_matrix/client/v3/register", json.dumps(body))
    token: str = json.loads(connection.getresponse().read())["access_token"]
    connection.close()
    return token


def ends_of_syncs(server: RunningServer) -> list[str]:
    """The log lines of syncs that were answered."""
    return [one for one in server.log.splitlines() if f"path={SYNC}" in one and "Processed" in one]


def wait_for(told: Any, seconds: float) -> bool:
    """Whether `told()` becomes true in time."""
    deadline = time.monotonic() + seconds
    while not told():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("half", [False, True], ids=["closed", "said goodbye"])
def test_a_wait_ends_with_its_connection(half: bool) -> None:
    with running_server(log_level="DEBUG") as server:
        token = register(server)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        headers = {"Authorization": f"Bearer {token}"}
        connection.request("GET", SYNC, headers=headers)
        since = json.loads(connection.getresponse().read())["next_batch"]
        connection.request("GET", f"{SYNC}?since={since}&timeout=60000", headers=headers)
        assert not wait_for(lambda: len(ends_of_syncs(server)) > 1, 1.5)  # it waits
        if half:
            connection.sock.shutdown(1)
        else:
            connection.close()
        assert wait_for(lambda: len(ends_of_syncs(server)) > 1, 4), server.log[-3000:]
        assert server.stop() < 5
