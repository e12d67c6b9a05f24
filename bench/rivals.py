"""Synapse from PyPI, started beside us under the same conditions: one process on the first core.

It is installed once, in a virtual environment of its own under var/ (or BENCH_SYNAPSE_PYTHON names
an interpreter that has it). Rate limits are out of reach, its log says warnings only.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from bench import ROOT
from bench.servers import DURABLE, Target, Unmeasurable, on_core, postmaster
from chat_testing.databases import running_postgres

PACKAGES = ("matrix-synapse", "psycopg2-binary")
START_S = 60
STOP_S = 15
UNLIMITED = {"per_second": 1e6, "burst_count": 1_000_000}
SIMPLE_LIMITS = (
    "rc_message",
    "rc_registration",
    "rc_joins_per_room",
    "rc_room_creation",
    "rc_media_create",
    "rc_profile",
    "rc_reports",
)
PARTED_LIMITS = {
    "rc_login": ("address", "account", "failed_attempts"),
    "rc_joins": ("local", "remote"),
    "rc_invites": ("per_room", "per_user", "per_issuer"),
    "rc_presence": ("per_user",),
}


@contextmanager
def synapse(database: str) -> Iterator[Target]:
    """Synapse on `database`: "sqlite" or "postgres". Raises Unmeasurable."""
    python = _python()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-synapse-")))
        secret = secrets.token_hex(16)
        with on_core(0):
            section, groups = stack.enter_context(_database(database, folder))
            url = _configure(folder, section, secret)
            started_s = time.perf_counter()
            process = stack.enter_context(_process(python, folder))
            _await(url, process, folder)
        start_s = time.perf_counter() - started_s
        yield Target(
            f"synapse-{database}", url, secret, {"app": process.pid, **groups}, round(start_s, 2)
        )


def _python() -> str:
    given = os.environ.get("BENCH_SYNAPSE_PYTHON")
    if given:
        return given
    folder = ROOT / "var" / "synapse"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print("installing Synapse into var/synapse …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        (folder / "ready").touch()
    return str(python)


@contextmanager
def _database(name: str, folder: Path) -> Iterator[tuple[dict[str, Any], dict[str, int]]]:
    if name == "sqlite":
        yield {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}}, {}
        return
    with running_postgres(DURABLE) as cluster:
        if cluster is None:
            raise Unmeasurable("PostgreSQL is not installed")
        database = cluster.new_database()
        args = database.args | {"cp_min": 5, "cp_max": 10}
        yield {"name": "psycopg2", "args": args}, {"db": postmaster(cluster)}


def _configure(folder: Path, database: dict[str, Any], secret: str) -> str:
    """Write its configuration, which YAML reads as JSON; the address that it will listen at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = {
        "version": 1,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "root": {"level": "WARNING", "handlers": ["console"]},
        "disable_existing_loggers": False,
    }
    (folder / "log.yaml").write_text(json.dumps(log))
    config = {
        "server_name": "localhost",
        "report_stats": False,
        "pid_file": str(folder / "pid"),
        "log_config": str(folder / "log.yaml"),
        "media_store_path": str(folder / "media"),
        "signing_key_path": str(folder / "signing.key"),
        "registration_shared_secret": secret,
        "macaroon_secret_key": secret,
        "form_secret": secret,
        "trusted_key_servers": [],
        "database": database,
        "listeners": [
            {
                "port": port,
                "bind_addresses": ["127.0.0.1"],
                "type": "http",
                "resources": [{"names": ["client"]}],
            }
        ],
        **dict.fromkeys(SIMPLE_LIMITS, UNLIMITED),
        **{name: dict.fromkeys(parts, UNLIMITED) for name, parts in PARTED_LIMITS.items()},
    }
    (folder / "homeserver.yaml").write_text(json.dumps(config))
    return f"http://127.0.0.1:{port}"


@contextmanager
def _process(python: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [python, "-m", "synapse.app.homeserver", "-c", "homeserver.yaml"]
    subprocess.run([*command, "--generate-keys"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Return when it answers. Raises Unmeasurable with the end of its log when it does not."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{url}/_matrix/client/versions"):
            return
        time.sleep(0.1)
    raise Unmeasurable(f"Synapse did not start:\n{(folder / 'log').read_text()[-2_000:]}")
