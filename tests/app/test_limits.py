"""Rate limits of several workers on PostgreSQL, by HTTP."""

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chat_testing.databases import PostgresCluster
from chat_testing.running import RunningServer, running_server

BURST = 10
V3 = "/_matrix/client/v3"


def ask(server: RunningServer, method: str, path: str, body: Any, token: str = "") -> Any:
    """Status, headers and answer, on a connection of its own: any worker may serve it."""
    request = urllib.request.Request(
        server.url + path,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers, json.load(refusal)


def test_four_workers_together_let_two_bursts_pass_at_most(
    postgres_cluster: PostgresCluster | None,
) -> None:
    if postgres_cluster is None:
        pytest.skip("PostgreSQL is not installed")
    database = {"name": "psycopg2", "args": postgres_cluster.new_database().args}
    limit = {"per_second": 0.001, "burst_count": BURST}
    with running_server(database, workers=4, rc_message=limit) as server:
        dummy = {"type": "m.login.dummy"}
        body = {"username": "alice", "password": "password", "auth": dummy}
        token = ask(server, "POST", f"{V3}/register", body)[2]["access_token"]
        room_id = ask(server, "POST", f"{V3}/createRoom", {}, token)[2]["room_id"]

        def send(number: int) -> Any:
            path = f"{V3}/rooms/{room_id}/send/m.room.message/{number}"
            return ask(server, "PUT", path, {"msgtype": "m.text", "body": ""}, token)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(send, range(100)))
    passed = sum(status == 200 for status, _, _ in answers)
    assert BURST <= passed <= 2 * BURST
    refused = [(headers, answer) for status, headers, answer in answers if status == 429]
    assert len(refused) + passed == 100
    for headers, answer in refused:
        assert answer["errcode"] == "M_LIMIT_EXCEEDED"
        assert 0 < answer["retry_after_ms"] <= int(headers["Retry-After"]) * 1000
