"""Waiting syncs when the server is told to end, and when many wait."""

import http.client
import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from chat_testing.running import RunningServer, prepared_server, running_server

WAITING = 40
MANY = 400


def call(server: RunningServer, method: str, path: str, token: str, body: Any = None) -> Any:
    """One request on a connection of its own; status and decoded body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    content = None if body is None else json.dumps(body)
    connection.request(method, f"/_matrix/client/v3/{path}", content, headers)
    answer = connection.getresponse()
    decoded = json.loads(answer.read())
    connection.close()
    return answer.status, decoded


def a_user(server: RunningServer) -> tuple[str, str]:
    """A new user's access token, and a sync token at which nothing is new."""
    body = {"username": "alice", "password": "secret 1", "auth": {"type": "m.login.dummy"}}
    status, account = call(server, "POST", "register", "", body)
    assert status == 200, account
    token = account["access_token"]
    return token, call(server, "GET", "sync", token)[1]["next_batch"]


def start_syncs(server: RunningServer, count: int) -> tuple[list[threading.Thread], list[Any]]:
    """Start long polls of half a minute; their threads, and the list of what they bring."""
    token, since = a_user(server)
    path = f"sync?since={since}&timeout=30000"
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(call(server, "GET", path, token)))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while server.log.count("path=/_matrix/client/v3/sync") < count + 2:
        assert time.monotonic() < deadline, server.log[-5000:]
        time.sleep(0.05)
    return threads, answers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_waiting_syncs_are_answered_when_the_server_ends(
    tmp_path: Path, number: signal.Signals
) -> None:
    server = prepared_server(tmp_path, 1, {"log_level": "DEBUG"})
    server.start()
    threads, answers = start_syncs(server, WAITING)
    took_s = server.stop(number)
    for thread in threads:
        thread.join()
    assert took_s < 5
    assert [status for status, _ in answers] == [200] * WAITING
    assert all("next_batch" in body for _, body in answers)


def test_other_requests_are_served_while_many_wait() -> None:
    with running_server(log_level="DEBUG") as server:
        threads, answers = start_syncs(server, MANY)
        started = time.monotonic()
        assert call(server, "GET", "login", "")[0] == 200
        assert time.monotonic() - started < 2
        assert server.stop() < 5
        for thread in threads:
            thread.join()
        assert [status for status, _ in answers] == [200] * MANY
