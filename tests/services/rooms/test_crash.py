"""A killed server: what it acknowledged is there afterwards."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from chat.config.model import Database
from chat.storage import rooms
from chat.storage.engine import Store
from chat_testing.databases import PostgresCluster, database_config, upgraded

SENDER = """
import gevent.monkey; gevent.monkey.patch_all()
import gevent, json, sys
from pathlib import Path
from chat_testing.databases import database_config
from chat_testing.rooms import a_room, say
from chat_testing.servers import FakeClock, a_server
from chat.storage.engine import open_store
from chat.storage.migrations import upgrade

name, args, folder = json.loads(sys.argv[1])
store = open_store(database_config(name, **args))
upgrade(store)
server = a_server(store, FakeClock(), Path(folder))
room_ids = [a_room(server) for _ in range(3)]

def send(start):
    for i in range(10_000):
        event = say(server, room_ids[i % 3], f"{start} {i}")
        sys.stdout.write(event.event_id + "\\n")
        sys.stdout.flush()

gevent.joinall([gevent.spawn(send, i) for i in range(6)], raise_error=True)
"""


@pytest.fixture(params=["sqlite3", "psycopg2"])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite3":
        return database_config("sqlite3", database=str(tmp_path / "crash.db"))
    cluster: PostgresCluster | None = request.getfixturevalue("postgres_cluster")
    if cluster is None:
        pytest.skip("PostgreSQL is not installed")
    return cluster.new_database()


def test_every_acknowledged_event_survives_a_kill(any_database: Database) -> None:
    with tempfile.TemporaryDirectory() as folder:
        given = json.dumps([any_database.name, any_database.args, folder])
        with subprocess.Popen(
            [sys.executable, "-c", SENDER, given],
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": ":".join(sys.path)},
        ) as sender:
            assert sender.stdout is not None
            acknowledged = [sender.stdout.readline().strip() for _ in range(50)]
            time.sleep(0.2)
            sender.send_signal(signal.SIGKILL)
            rest = sender.stdout.read().splitlines(keepends=True)
        acknowledged += [line.strip() for line in rest if line.endswith("\n")]
    with upgraded(any_database) as store:
        check(store, acknowledged)


def check(store: Store, acknowledged: list[str]) -> None:
    """Each acknowledged event is there once, and each room is one line up to its tip."""
    found = [one for (one,) in store.read(lambda tx: tx.rows("SELECT event_id FROM event"))]
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found)
    for room, room_id in store.read(lambda tx: tx.rows("SELECT room, room_id FROM room")):
        stored = store.read(
            lambda tx, room=room: tx.rows(
                "SELECT event_id, depth FROM event WHERE room = :room ORDER BY pos", room=room
            )
        )
        assert [depth for _, depth in stored] == list(range(1, len(stored) + 1))
        tips = store.read(lambda tx, room_id=room_id: rooms.get(tx, room_id)).tips
        assert [tip.event_id for tip in tips] == [stored[-1][0]]
