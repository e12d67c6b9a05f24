"""Announcements by a real Redis: heard by others, and missed without harm while it is gone."""

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.config.model import Database
from chat.services.notifier import CHANNEL, Notifier
from chat.services.redis_bus import RedisBus
from chat.storage import streams
from chat.storage.engine import Store, open_store
from chat.storage.streams import Change, Kind
from chat_testing.servers import a_config


class RedisServer:
    """A Redis of our own on a Unix socket."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "redis.sock"
        section = {"enabled": True, "path": str(self.path), "password": "secret"}
        self.config = a_config(redis=section).redis

    def start(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("Redis is not installed")
        options = f"--port 0 --unixsocket {self.path} --save --requirepass secret"
        self._process = subprocess.Popen(
            [program, *options.split()], stdout=subprocess.DEVNULL, cwd=self.path.parent
        )
        deadline_s = time.monotonic() + 10
        while not self.path.exists():
            assert time.monotonic() < deadline_s
            time.sleep(0.02)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self.path.unlink(missing_ok=True)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


def test_the_others_hear_and_oneself_does_not(redis_server: RedisServer) -> None:
    here, there = (RedisBus(redis_server.config, "a.example") for _ in range(2))
    elsewhere = RedisBus(redis_server.config, "b.example")
    assert here.await_announcement(CHANNEL, 0.05) is False  # listens from now on
    here.announce(CHANNEL)
    elsewhere.announce(CHANNEL)
    assert here.await_announcement(CHANNEL, 0.1) is False
    there.announce(CHANNEL)
    assert here.await_announcement(CHANNEL, 5) is True
    here.announce(CHANNEL, here=True)
    assert here.await_announcement(CHANNEL, 5) is True


def test_without_redis_waiting_takes_its_time_and_nothing_fails(
    redis_server: RedisServer,
) -> None:
    here, there = (RedisBus(redis_server.config, "a.example") for _ in range(2))
    assert here.await_announcement(CHANNEL, 0.05) is False
    redis_server.stop()
    there.announce(CHANNEL)
    started_s = time.monotonic()
    assert here.await_announcement(CHANNEL, 0.3) is False
    assert time.monotonic() - started_s >= 0.3
    redis_server.start()
    assert here.await_announcement(CHANNEL, 0.05) is False
    there.announce(CHANNEL)
    assert here.await_announcement(CHANNEL, 5) is True


def test_a_sync_is_woken_by_another_process(
    redis_server: RedisServer, postgres_store: Store, postgres_database: Database
) -> None:
    other = open_store(postgres_database)
    here = Notifier(postgres_store, RedisBus(redis_server.config, "a.example"))
    there = Notifier(other, RedisBus(redis_server.config, "a.example"))
    here.start()
    there.start()
    time.sleep(0.3)  # both listen
    woken_s: list[float] = []

    def wait() -> None:
        assert here.wait("@a:b", [7], here.position, 10)
        woken_s.append(time.monotonic())

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.2)
    other.write(lambda tx: streams.append(tx, [Change(Kind.EVENT, 7, None, 1)]))
    written_s = time.monotonic()
    waiting.join(10)
    assert woken_s[0] - written_s < 0.8  # a poll would take up to a second
    here.close()
    there.close()
    other.close()
