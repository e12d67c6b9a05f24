"""Percentiles, tallies and the closed loop."""

import http.server
import itertools
import os
import threading

import pytest
from bench.measure import Request, Tally, closed_loop, holding, percentile
from bench.wire import BROKEN, Answer, request


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([7], 50, 7),
        ([7], 99, 7),
        ([1, 2], 50, 1),
        ([1, 2, 3], 50, 2),
        (range(1, 101), 99, 99),
        (range(1, 102), 99, 100),
        (range(1, 101), 100, 100),
    ],
)
def test_percentiles_are_nearest_ranks(values, percent, expected):
    assert percentile(values, percent) == expected


def test_wrong_answers_are_errors_with_their_reason():
    tally = Tally()
    tally.add(0.1, Answer(200, b"right"), holding(b"right"))
    tally.add(0.1, Answer(200, b"other"), holding(b"right"))
    tally.add(0.1, Answer(500, b"right"), holding(b"right"))
    tally.add(0.1, BROKEN, holding(b"right"))
    assert tally.latencies_s == [0.1]
    assert tally.errors == {"200 other": 1, "500 right": 1, "connection broken": 1}


@pytest.fixture
def server():
    """A server that answers with the path, and counts in `paths`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.server.paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.path)))
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *_):
            """Stay silent."""

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.paths = []
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def test_every_request_of_finite_jobs_is_asked_once(server):
    jobs = [
        iter([Request(request("GET", f"/{job}/{number}"), holding(b"/")) for number in range(5)])
        for job in "abc"
    ]
    result = closed_loop(server.server_address, jobs, 30, {"app": os.getpid()})
    assert sorted(server.paths) == [f"/{job}/{number}" for job in "abc" for number in range(5)]
    assert (result.operations, result.connections, result.errors) == (15, 3, {})
    assert result.p50_ms <= result.p99_ms
    assert set(result.cpu_ms) == {"app"}


def test_endless_jobs_end_with_the_time_and_wrong_answers_do_not_count(server):
    job = itertools.repeat(Request(request("GET", "/x"), holding(b"y")))
    result = closed_loop(server.server_address, [job], 0.2, {})
    assert result.operations == 0
    assert result.errors == {"200 /x": len(server.paths)}
