"""The servers that are measured: ours, started here on the first core, or one that runs already."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import Groups
from chat_testing.databases import PostgresCluster, running_postgres
from chat_testing.running import SHARED_SECRET, RunningServer, running_server

DURABLE = (
    "-c max_connections=150 -c autovacuum_naptime=5s -c autovacuum_analyze_threshold=20"
    # a fresh database without statistics would be planned in a way that no real one is
)


@dataclass(frozen=True, slots=True)
class Target:
    """A running server. `start_s` is None where somebody else has started it."""

    label: str
    url: str
    secret: str
    groups: Groups
    start_s: float | None = None


class Unmeasurable(Exception):
    """This server, or this machine, would give misleading figures."""


@contextmanager
def our_server(database: str) -> Iterator[Target]:
    """Our server with one worker on `database`: "sqlite" or "postgres". Raises Unmeasurable."""
    with ExitStack() as stack:
        with on_core(0):
            groups, section = stack.enter_context(_database(database))
            started_s = time.perf_counter()
            server = stack.enter_context(running_server(section))
            start_s = time.perf_counter() - started_s
        _require_fast_parser(server)
        groups = {"app": server.process.pid, **groups}
        yield Target(f"chat-{database}", server.url, SHARED_SECRET, groups, start_s)


@contextmanager
def _database(name: str) -> Iterator[tuple[dict[str, int], str | dict[str, Any]]]:
    if name == "sqlite":
        yield {}, name
        return
    with running_postgres(DURABLE) as cluster:
        if cluster is None:
            raise Unmeasurable("PostgreSQL is not installed")
        database = cluster.new_database()
        args = database.args | {"cp_min": 5, "cp_max": 10}  # the defaults
        yield {"db": postmaster(cluster)}, {"name": database.name, "args": args}


def postmaster(cluster: PostgresCluster) -> int:
    """The process id of a cluster's first process."""
    return int((cluster.folder / "data" / "postmaster.pid").read_text().split()[0])


def _require_fast_parser(server: RunningServer) -> None:
    if "http_parser=C" not in server.log:
        raise Unmeasurable("gunicorn uses its Python HTTP parser: install gunicorn_h1c")


@contextmanager
def on_core(number: int) -> Iterator[None]:
    """Processes started meanwhile stay on one core (modulo what there is)."""
    before = os.sched_getaffinity(0)
    pin_to_core(number)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin_to_core(number: int) -> None:
    """Stay on one of the cores that this process may use."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[number % len(cores)]})


def command_line(pid: int) -> str:
    """What a process was started with."""
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
