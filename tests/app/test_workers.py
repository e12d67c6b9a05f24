"""Several workers on PostgreSQL."""

import os
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from chat_testing.databases import PostgresCluster
from chat_testing.running import RunningServer, running_server

VERSIONS = "/_matrix/client/versions"


@pytest.fixture
def server(postgres_cluster: PostgresCluster | None) -> Iterator[RunningServer]:
    if postgres_cluster is None:
        pytest.skip("PostgreSQL is not installed")
    database = postgres_cluster.new_database()
    with running_server({"name": "psycopg2", "args": database.args}, workers=2) as running:
        wait_for_workers(running, 2)
        yield running


def workers(server: RunningServer) -> list[int]:
    """The process ids of the workers that serve, oldest first."""
    return [int(pid) for pid in re.findall(r"INFO (\d+) chat\.app\.worker: serving", server.log)]


def wait_for_workers(server: RunningServer, count: int) -> None:
    deadline = time.monotonic() + 20
    while len(workers(server)) < count:
        assert time.monotonic() < deadline, server.log
        time.sleep(0.05)


def get(server: RunningServer, path: str) -> bytes:
    with urllib.request.urlopen(server.url + path, timeout=10) as answer:
        body: bytes = answer.read()
    return body


def test_both_workers_serve_and_end_in_time(server: RunningServer) -> None:
    assert len(set(workers(server))) == 2
    for _ in range(20):
        assert get(server, VERSIONS)
    assert server.stop() < 5
    assert server.log.count("Worker exiting") == 2


def test_a_worker_that_dies_is_replaced(server: RunningServer) -> None:
    os.kill(workers(server)[0], signal.SIGKILL)
    wait_for_workers(server, 3)
    assert get(server, VERSIONS)


def figure(server: RunningServer, pattern: str) -> float:
    """One figure of all workers together."""
    found = re.search(rf"^{pattern} (\S+)$", get(server, "/_synapse/metrics").decode(), re.M)
    return float(found[1]) if found else 0.0


def test_figures_are_those_of_all_workers_together(server: RunningServer) -> None:
    for _ in range(30):
        get(server, VERSIONS)
    answered = r'chat_http_requests_total\{operation="getVersions",status="200"\}'
    deadline = time.monotonic() + 5  # a worker writes its figures once a second
    while figure(server, answered) < 30:
        assert time.monotonic() < deadline
    assert figure(server, answered) == 30
    assert figure(server, r'chat_http_request_seconds_count\{operation="getVersions"\}') == 30
    in_flight = r'chat_http_requests_in_flight\{operation="getMetrics"\}'
    assert figure(server, in_flight) >= 1


def test_a_reload_serves_on(server: RunningServer) -> None:
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while len(workers(server)) < 4 and time.monotonic() < deadline:
        assert get(server, VERSIONS)
        time.sleep(0.02)
    assert len(workers(server)) == 4


def test_a_database_that_cannot_be_reached_ends_the_start() -> None:
    unreachable = {"name": "psycopg2", "args": {"host": "127.0.0.1", "port": 1, "user": "nobody"}}
    with (
        pytest.raises(AssertionError, match="cannot start: database: "),
        running_server(unreachable),
    ):
        pass
