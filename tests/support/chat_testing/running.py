"""A real server process for end-to-end tests: gunicorn on a free port, in a folder of its own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
START_S = 30
STOP_S = 10
SHARED_SECRET = "shared secret of the tests"
UNLIMITED = (
    "rc_default",
    "rc_message",
    "rc_registration",
    "rc_admin_redaction",
    "rc_joins_per_room",
    "rc_room_creation",
    "rc_media_create",
    "rc_key_requests",
    "rc_profile",
    "rc_reports",
    "rc_user_directory",
    "rc_delayed_event_mgmt",
)
NO_LIMIT: dict[str, float] = {"per_second": 100_000, "burst_count": 100_000}
FOR_CONFORMANCE: dict[str, Any] = {  # what the checks of conformance/ expect of a server
    "allow_guest_access": True,
    "password_config": {"policy": {"enabled": True, "minimum_length": 8}},
    "alias_creation_rules": [{"alias": "#forbidden*", "action": "deny"}, {"action": "allow"}],
}
TIGHT_LIMIT: dict[str, float] = {"per_second": 0.01, "burst_count": 4}
PARTED = {
    "rc_login": ("address", "account", "failed_attempts"),
    "rc_joins": ("local",),
    "rc_invites": ("per_room", "per_user", "per_issuer"),
    "rc_presence": ("per_user",),
}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def configuration(port: int, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without rate limits, with cheap passwords and open registration."""
    return (
        {
            "server_name": "localhost",
            "public_baseurl": f"http://127.0.0.1:{port}/",
            "listeners": [
                {
                    "port": port,
                    "bind_addresses": ["127.0.0.1"],
                    "resources": [{"names": ["client", "federation", "metrics"]}],
                }
            ],
            "database": {"name": "sqlite3", "args": {"database": "homeserver.db"}},
            "enable_registration": True,
            "enable_registration_without_verification": True,
            "registration_shared_secret": SHARED_SECRET,
            "bcrypt_rounds": 4,
            "max_event_delay_duration": "24h",
        }
        | _limits(NO_LIMIT)
        | dict(overrides)
    )


def tight_limits() -> dict[str, Any]:
    """A configuration in which every limit is soon reached."""
    return _limits(TIGHT_LIMIT)


def _limits(limit: dict[str, float]) -> dict[str, Any]:
    parted = {name: dict.fromkeys(parts, limit) for name, parts in PARTED.items()}
    return dict.fromkeys(UNLIMITED, limit) | parted


@dataclass
class RunningServer:
    """A server process; `url` has no slash at its end."""

    folder: Path
    port: int
    environment: dict[str, str]
    root: Path = ROOT  # of the code that it runs
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Everything it has written so far, earlier starts included."""
        return (self.folder / "server.log").read_text(encoding="utf-8")

    @property
    def config_path(self) -> Path:
        """Its homeserver.yaml."""
        return self.folder / "homeserver.yaml"

    def launch(self) -> None:
        """Start the process, without waiting."""
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py"]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.root,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that kill() reaches the workers too
            )

    def wait_until_ready(self) -> None:
        """Return when it answers; otherwise end it and raise AssertionError with its log."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if self._answers():
                return
            time.sleep(0.05)
        if self.process.poll() is None:
            self.kill()
        raise AssertionError(f"the server does not answer:\n{self.log}")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return False
        except OSError:
            return False

    def start(self) -> None:
        """Start and wait until it answers."""
        self.launch()
        self.wait_until_ready()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Ask it to end; the seconds that it took. Raises AssertionError when it does not."""
        started = time.monotonic()
        self.process.send_signal(number)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not end in {STOP_S} s:\n{self.log}") from None
        return time.monotonic() - started

    def kill(self) -> None:
        """End master and workers at once, as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Stop, where it still runs, and start again on the same data."""
        if self.process.poll() is None:
            self.stop()
        self.start()


@contextmanager
def running_server(
    database: str | Mapping[str, Any] = "sqlite",
    workers: int = 1,
    root: Path = ROOT,
    **overrides: Any,
) -> Iterator[RunningServer]:
    """Serve until the end of the `with` block; `overrides` are top-level configuration keys.

    `database` is "sqlite", or a `database` section such as one for PostgreSQL; `root` is the
    checkout whose code it runs.
    """
    if database != "sqlite":
        overrides["database"] = dict(database)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory(prefix="chat-test-") as name:
        server = prepared_server(Path(name), workers, overrides)
        server.root = root
        server.start()
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.kill()


def prepared_server(folder: Path, workers: int, overrides: Mapping[str, Any]) -> RunningServer:
    """A server whose files are written and that is not started yet."""
    port = free_port()
    path = folder / "homeserver.yaml"
    path.write_text(yaml.safe_dump(configuration(port, overrides)), encoding="utf-8")
    environment = os.environ | {"CHAT_CONFIG": str(path), "WEB_CONCURRENCY": str(workers)}
    return RunningServer(folder, port, environment)


@contextmanager
def another_node(first: RunningServer, workers: int) -> Iterator[RunningServer]:
    """A second server beside a running one: the same configuration and files, another port."""
    folder = first.folder / "node"
    folder.mkdir()
    config = yaml.safe_load(first.config_path.read_text(encoding="utf-8"))
    port = config["listeners"][0]["port"] = free_port()
    path = first.folder / "node.yaml"  # relative paths in it mean the same
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    environment = first.environment | {"CHAT_CONFIG": str(path), "WEB_CONCURRENCY": str(workers)}
    node = RunningServer(folder, port, environment, first.root)
    node.start()
    try:
        yield node
    finally:
        if node.process.poll() is None:
            node.kill()
