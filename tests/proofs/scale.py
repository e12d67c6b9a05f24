"""Nodes that come and go under load, all on one PostgreSQL.

    python tests/proofs/scale.py --seconds 120

Starts with two nodes; adds nodes, ends nodes in order and kills nodes, while clients, each of which
opens a new connection to any node for each request, send on. No node may answer 5xx, nothing
that was acknowledged may be lost, doubled or out of order, and all nodes must have served.
"""

import argparse
import itertools
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chat.config.model import Database
from chat.storage.engine import Store, open_store
from chat_testing.crashing import durable_postgres
from chat_testing.load import Crowd
from chat_testing.running import RunningServer, prepared_server

WORKERS = 2  # of each node
CLIENTS = 8
MOST_NODES = 4
STEP_S = 4.0


@dataclass
class Cluster:
    """The nodes that run now; `ports` is what clients choose from."""

    folder: Path
    database: Database
    ports: list[int] = field(default_factory=list)
    nodes: list[RunningServer] = field(default_factory=list)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def add(self) -> None:
        """Start one more node, with the same configuration but for its port."""
        folder = self.folder / f"node{next(self.numbers)}"
        folder.mkdir()
        section = {"name": self.database.name, "args": self.database.args}
        overrides = {"database": section, "public_baseurl": "http://127.0.0.1:8008/"}
        node = prepared_server(folder, WORKERS, overrides)
        if self.nodes:  # one server has one key, wherever it runs
            (key,) = self.nodes[0].folder.glob("*.signing.key")
            shutil.copy(key, folder)
        node.start()
        self.nodes.append(node)
        self.ports.append(node.port)

    def remove(self) -> None:
        """Take a node out of the balancer, as an operator would, then end it in order."""
        node = self._out()
        node.stop()

    def kill(self) -> None:
        """Kill a node while clients talk to it; the balancer notices."""
        node = random.choice(self.nodes)
        node.kill()
        self.ports.remove(node.port)
        self.nodes.remove(node)

    def _out(self) -> RunningServer:
        node = random.choice(self.nodes)
        self.nodes.remove(node)
        self.ports.remove(node.port)
        return node

    def end(self) -> None:
        """Kill what is left."""
        for node in self.nodes:
            node.kill()


def change(cluster: Cluster, number: int) -> str:
    """What happens at a step; its name."""
    changes: list[Callable[[], None]] = [cluster.add, cluster.kill, cluster.add, cluster.remove]
    wanted = changes[number % len(changes)]
    if len(cluster.nodes) < 2:
        wanted = cluster.add
    elif len(cluster.nodes) >= MOST_NODES and wanted == cluster.add:
        wanted = cluster.kill
    wanted()
    return wanted.__name__


def wrong(store: Store, crowd: Crowd) -> list[str]:
    """What was acknowledged and is not there, once and in order."""
    found: list[str] = []
    for client in crowd.clients:
        ids = [one.event_id for one in client.acknowledged]
        positions: dict[str, Any] = dict(
            store.read(
                lambda tx, ids=ids: tx.rows(
                    "SELECT event_id, pos FROM event WHERE event_id = ANY(:ids)", ids=ids
                )
            )
        )
        found += [f"{client.name}: {one} is lost" for one in ids if one not in positions]
        at = [positions[one] for one in ids if one in positions]
        found += [f"{client.name}: out of order"] * (at != sorted(at))
    doubled = store.read(
        lambda tx: tx.rows(
            "SELECT sender, txn_id FROM event WHERE txn_id IS NOT NULL"
            " GROUP BY sender, txn_device, txn_id HAVING COUNT(*) > 1"
        )
    )
    return found + [f"{sender}: {txn_id} is doubled" for sender, txn_id in doubled]


def play(cluster: Cluster, seconds: float) -> tuple[Counter[str], Crowd]:
    """Change the cluster until the time is over."""
    happened: Counter[str] = Counter()
    crowd = Crowd(cluster.ports, CLIENTS, new_connections=True)
    ends_s = time.monotonic() + seconds
    for number in itertools.count():
        before, started_s = crowd.acknowledged(), time.monotonic()
        name = change(cluster, number)
        happened[name] += 1
        time.sleep(STEP_S)
        crowd.check()
        took_s = time.monotonic() - started_s
        rate = (crowd.acknowledged() - before) / took_s
        p99_ms = crowd.traffic.p99_s(started_s, time.monotonic()) * 1000
        print(
            f"{name:6} → {len(cluster.nodes)} nodes: {rate:4.0f} events/s, p99 {p99_ms:5.0f} ms",
            flush=True,
        )
        if time.monotonic() > ends_s:
            return happened, crowd
    raise AssertionError


def main() -> int:
    """Run it; 0 when nothing was lost, doubled, or answered 5xx."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chat-scale-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with durable_postgres(folder) as postgres:
            cluster = Cluster(folder, postgres.database())
            try:
                cluster.add()
                cluster.add()
                happened, crowd = play(cluster, options.seconds)
                found = crowd.stop()
                with closing(open_store(cluster.database)) as store:
                    found += wrong(store, crowd)
            finally:
                cluster.end()
    statuses = crowd.traffic.statuses
    failed = sum(count for status, count in statuses.items() if status.startswith("5"))
    print(f"{dict(happened)}; answers and broken connections: {dict(statuses)}")
    print(f"{crowd.acknowledged()} events acknowledged, {failed} answers 5xx, wrong: {found}")
    return 1 if found or failed else 0


if __name__ == "__main__":
    sys.exit(main())
