"""SQLite is served by one process, and commands do not get in its way."""

import re
import subprocess
import sys
import time
from pathlib import Path

from chat_testing.load import Crowd
from chat_testing.running import RunningServer, prepared_server, running_server


def test_several_workers_on_sqlite_are_one_with_a_warning() -> None:
    with running_server("sqlite", workers=3) as server:
        time.sleep(1)
        assert len(re.findall(r"chat\.app\.worker: serving", server.log)) == 1
        assert "WEB_CONCURRENCY is ignored" in server.log


def test_a_second_server_on_the_same_file_ends_and_says_why(tmp_path: Path) -> None:
    with running_server("sqlite") as first:
        second = _on_the_same_file(first, tmp_path)
        second.launch()
        second.process.wait(30)
        assert second.process.returncode != 0
        assert "is served by another process" in second.log
        assert first._answers()


def _on_the_same_file(first: RunningServer, folder: Path) -> RunningServer:
    section = {"name": "sqlite3", "args": {"database": str(first.folder / "homeserver.db")}}
    return prepared_server(folder, 1, {"database": section})


def test_a_backup_makes_nobody_wait_for_long(tmp_path: Path) -> None:
    with running_server("sqlite") as server:
        crowd = Crowd([server.port], 4)
        time.sleep(1)
        started_s = time.monotonic()
        command = [sys.executable, "-m", "chat.app.homeserver", "backup"]
        done = subprocess.run(
            [*command, "-c", str(server.config_path), "--to", str(tmp_path / "copy")],
            env=server.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        took_s = time.monotonic() - started_s
        assert crowd.stop() == []
        waited_s = max(took for at, took in crowd.traffic.latencies_s if at >= started_s)
        assert waited_s < min(took_s, 2)
        assert set(crowd.traffic.statuses) == {"200"}
