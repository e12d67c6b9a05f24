"""A real gunicorn process: how it starts, what it accepts, how it ends."""

import http.client
import json
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from chat_testing.running import RunningServer, configuration, free_port, prepared_server
from chat_testing.running import running_server as serve

VERSIONS = "/_matrix/client/versions"


@pytest.fixture(scope="module")
def server() -> Any:
    with serve() as running:
        yield running


def get(server: RunningServer, path: str, **options: Any) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(options.pop("method", "GET"), path, **options)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def raw(port: int, sent: bytes) -> bytes:
    """What comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        received = b""
        while part := connection.recv(65536):
            received += part
    return received


def wait_for_log(server: RunningServer, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in server.log:
        assert time.monotonic() < deadline, server.log
        time.sleep(0.05)


def test_health_and_versions_answer(server: RunningServer) -> None:
    assert get(server, "/health")[2] == b"OK"
    status, headers, body = get(server, VERSIONS)
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "v1.1" in json.loads(body)["versions"]


def test_the_signing_key_is_made_for_its_owner_only(server: RunningServer) -> None:
    path = server.folder / "localhost.signing.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("ed25519 a_")


def test_the_http_parser_in_use_is_logged(server: RunningServer) -> None:
    wait_for_log(server, "http_parser=")


def test_request_lines_up_to_64_kib_are_accepted(server: RunningServer) -> None:
    assert get(server, f"{VERSIONS}?x={'a' * 65000}")[0] == 200


@pytest.mark.parametrize(
    ("sent", "status", "errcode"),
    [
        (b"GET /" + b"a" * 66000 + b" HTTP/1.1\r\n\r\n", 414, "M_TOO_LARGE"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20000 + b"\r\n\r\n", 431, "M_TOO_LARGE"),
        (b"GET / HTTP/1.1\r\nA B: c\r\n\r\n", 400, "M_UNKNOWN"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "M_UNKNOWN"),
        (b"\x16\x03\x01 no TLS here\r\n\r\n", 400, "M_UNKNOWN"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "M_UNKNOWN"),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, "M_UNKNOWN"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: zip\r\n\r\n", 400, "M_UNKNOWN"),
    ],
    ids=["line", "header", "name", "version", "tls", "negative", "two lengths", "coding"],
)
def test_what_is_no_request_is_refused_in_matrix_s_form(
    server: RunningServer, sent: bytes, status: int, errcode: str
) -> None:
    head, _, body = raw(server.port, sent).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Access-Control-Allow-Origin: *" in head
    assert json.loads(body)["errcode"] == errcode


def test_a_large_body_that_is_refused_does_not_destroy_the_refusal(server: RunningServer) -> None:
    size = 20_000_000
    head = f"POST /unknown HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode()
    answer = raw(server.port, head + bytes(size))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"Connection: close" in answer


def test_a_client_that_asks_first_may_send_its_body(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = b"POST /_matrix/client/v3/login HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
        connection.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_a_small_unread_body_keeps_the_connection(server: RunningServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for _ in range(2):
        connection.request("POST", "/unknown", body=b"x" * 1000)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 404
        assert answer.getheader("Connection") == "keep-alive"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_signals_end_everything_in_time(tmp_path: Path, number: signal.Signals) -> None:
    server = prepared_server(tmp_path, 1, {"pid_file": "server.pid"})
    server.start()
    assert (tmp_path / "server.pid").read_text().strip() == str(server.process.pid)
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
    assert server.stop(number) < 5
    assert server.process.returncode == 0
    assert not (tmp_path / "server.pid").exists()
    for connection in idle:
        assert connection.recv(1) == b""
        connection.close()


def test_workers_end_when_the_master_is_killed(tmp_path: Path) -> None:
    server = prepared_server(tmp_path, 1, {})
    server.start()
    server.process.kill()
    server.process.wait()
    wait_for_log(server, "the master process is gone")
    wait_for_log(server, "Worker exiting")


def test_two_servers_run_from_one_root(server: RunningServer, tmp_path: Path) -> None:
    other = prepared_server(tmp_path, 1, {"server_name": "other.example"})
    other.start()
    try:
        assert (tmp_path / "other.example.signing.key").exists()
        assert get(server, "/health")[0] == get(other, "/health")[0] == 200
    finally:
        other.stop()


def test_sqlite_gets_one_worker_and_says_so(tmp_path: Path) -> None:
    server = prepared_server(tmp_path, 3, {})
    server.start()
    try:
        assert "SQLite allows one worker" in server.log
        assert server.log.count("Booting worker") == 1
    finally:
        server.stop()


def test_wrong_values_end_the_start_with_status_1(tmp_path: Path) -> None:
    server = prepared_server(tmp_path, 1, {"bcrypt_rounds": 3, "max_upload_size": "big"})
    server.launch()
    assert server.process.wait(20) == 1
    assert "error: bcrypt_rounds: 3 is not allowed" in server.log
    assert "error: max_upload_size: 'big' is not allowed" in server.log
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({"signing_key_path": "absent/folder/key"}, "cannot write"),
        ({"log_config": "absent.yaml"}, "log_config"),
        ({"log_file": "absent/folder/log"}, "log_file"),
    ],
)
def test_what_cannot_be_used_ends_the_start_with_status_1(
    tmp_path: Path, overrides: dict[str, Any], complaint: str
) -> None:
    server = prepared_server(tmp_path, 1, overrides)
    server.launch()
    assert server.process.wait(20) == 1
    assert complaint in server.log
    assert "Traceback" not in server.log


def test_a_wrong_file_at_a_reload_changes_nothing(tmp_path: Path) -> None:
    server = prepared_server(tmp_path, 1, {})
    server.start()
    try:
        good = server.config_path.read_text()
        server.config_path.write_text(good + "\nmax_upload_size: big\n")
        server.process.send_signal(signal.SIGHUP)
        wait_for_log(server, "configuration not reloaded: max_upload_size")
        server.wait_until_ready()
        server.config_path.write_text(good + "\nlog_level: DEBUG\n")
        server.process.send_signal(signal.SIGHUP)
        wait_for_log(server, " DEBUG ")
    finally:
        server.stop()


def certificate(folder: Path) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = folder / "tls.pem"
    subprocess.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {folder}/key.pem -out {path}".split(),
        check=True,
        capture_output=True,
    )
    return path


def test_tls_and_plain_listeners_serve_side_by_side(tmp_path: Path) -> None:
    path, tls_port, unix = certificate(tmp_path), free_port(), tmp_path / "socket"
    client_api = [{"names": ["client"]}]
    server = prepared_server(tmp_path, 1, {})
    values = configuration(server.port, {}) | {
        "tls_certificate_path": str(path),
        "tls_private_key_path": "key.pem",
    }
    values["listeners"] += [
        {"port": tls_port, "tls": True, "bind_addresses": ["127.0.0.1"], "resources": client_api},
        {"path": str(unix), "mode": 0o600, "resources": client_api},
    ]
    server.config_path.write_text(yaml.safe_dump(values))
    server.start()
    try:
        context = ssl.create_default_context(cafile=str(path))
        secure = http.client.HTTPSConnection("127.0.0.1", tls_port, timeout=10, context=context)
        secure.request("GET", "/health")
        assert secure.getresponse().read() == b"OK"
        assert get(server, "/health")[2] == b"OK"
        assert b"200 OK" in raw_unix(unix, b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert stat.S_IMODE(unix.stat().st_mode) == 0o600
        with suppress(ConnectionResetError):
            assert b"200 OK" not in raw(tls_port, b"GET /health HTTP/1.1\r\n\r\n")
        assert get(server, "/health")[2] == b"OK"  # a failed handshake harms nobody
    finally:
        server.stop()
    assert not unix.exists()


def raw_unix(path: Path, sent: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(sent)
        return connection.recv(65536)


def test_each_listener_serves_its_resources_only(tmp_path: Path) -> None:
    metrics_port = free_port()
    server = prepared_server(tmp_path, 1, {})
    values = configuration(server.port, {})
    values["listeners"][0]["resources"] = [{"names": ["client"]}]
    values["listeners"] += [
        {"port": metrics_port, "type": "metrics", "bind_addresses": ["127.0.0.1"]}
    ]
    server.config_path.write_text(yaml.safe_dump(values))
    server.start()
    try:
        close = b" HTTP/1.1\r\nConnection: close\r\n\r\n"
        assert get(server, VERSIONS)[0] == 200
        assert get(server, "/_synapse/metrics")[0] == 404
        assert b" 404 " in raw(metrics_port, b"GET /_matrix/client/versions" + close)[:20]
        assert b" 200 " in raw(metrics_port, b"GET /_synapse/metrics" + close)[:20]
        assert b" 200 " in raw(metrics_port, b"GET /health" + close)[:20]
    finally:
        server.stop()


def test_many_idle_connections_do_not_hinder(server: RunningServer) -> None:
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(1500)]
    started = time.monotonic()
    assert get(server, "/health")[0] == 200
    assert time.monotonic() - started < 2
    for connection in idle:
        connection.close()


def test_requests_are_served_at_the_same_time(server: RunningServer) -> None:
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda: results.append(get(server, VERSIONS)[0])) for _ in range(30)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [200] * 30
