"""System calls of one send: the log of the database reaches the disk before the client is told.

    python tests/proofs/durable.py --database postgres

Follows the worker, and PostgreSQL's processes, with strace, sends one message, and prints what was
written, synchronised and answered, in order.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from chat_testing.crashing import children, durable_postgres
from chat_testing.load import V3, Connection, Traffic
from chat_testing.running import RunningServer, prepared_server

CALLS = "trace=fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg"
LOG_FILE = re.compile(r"(fdatasync|fsync)\(\d+<[^>]*(-wal|/pg_wal/[^>]*)>")
ANSWER = re.compile(r"(write|writev|sendto|sendmsg)\(\d+<.*\"HTTP/1\.1 200")
LOG_WRITE = re.compile(r"(pwrite64|write)\(\d+<[^>]*(-wal|/pg_wal/[^>]*)>")


@contextmanager
def followed(pids: list[int], output: Path) -> Iterator[None]:
    """Write down the successful system calls of processes, as each ends (-z)."""
    which = [word for pid in pids for word in ("-p", str(pid))]
    command = ["strace", "-f", "-z", "-ttt", "-y", "-s", "200", "-e", CALLS, "-o", output, *which]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        for _ in pids:
            print(tracer.stderr.readline().strip())
        time.sleep(0.3)
        yield
        time.sleep(0.3)
        tracer.terminate()


def send_one(server: RunningServer, followers: list[int], output: Path) -> None:
    """A message, with all its system calls."""
    traffic = Traffic()
    body = {"username": "alice", "password": "alice", "auth": {"type": "m.login.dummy"}}
    answer = Connection([server.port], traffic).request("POST", f"{V3}/register", body)
    alice = Connection([server.port], traffic, answer["access_token"])
    room_id = alice.request("POST", f"{V3}/createRoom", {})["room_id"]
    path = f"{V3}/rooms/{quote(room_id)}/send/m.room.message/"
    message = {"msgtype": "m.text", "body": "hello"}
    alice.request("PUT", path + "first", message)
    with followed([*children(server.process.pid), *followers], output):
        alice.request("PUT", path + "second", message)
    alice.close()


def synchronised_first(lines: list[str]) -> bool:
    """Whether the log was synchronised, after it was written, before the answer went out."""
    answered = next(i for i, line in enumerate(lines) if ANSWER.search(line))
    synced = [i for i, line in enumerate(lines[:answered]) if LOG_FILE.search(line)]
    written = [i for i, line in enumerate(lines[:answered]) if LOG_WRITE.search(line)]
    shown = sorted({*synced, *written, answered})
    for i in shown:
        print(re.sub(r"<[^>]*/([^/>]+)>", r"<…/\1>", lines[i])[:110])
    return bool(synced) and bool(written) and written[0] < synced[-1]


def main() -> int:
    """Follow one send; 0 when it was durable before it was acknowledged."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chat-durable-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        calls = folder / "calls"
        if options.database == "sqlite":
            _followed_send(folder, {}, [], calls)
        else:
            with durable_postgres(folder) as postgres:
                database = postgres.database()
                section = {"database": {"name": database.name, "args": database.args}}
                assert postgres.process is not None
                _followed_send(folder, section, [postgres.process.pid], calls)
        passed = synchronised_first(calls.read_text(encoding="utf-8").splitlines())
    print("synchronised before the answer" if passed else "NOT synchronised before the answer")
    return 0 if passed else 1


def _followed_send(
    folder: Path, overrides: dict[str, object], parents: list[int], calls: Path
) -> None:
    server = prepared_server(folder, 1, overrides)
    server.start()
    try:
        time.sleep(1)
        send_one(server, [child for parent in parents for child in children(parent)], calls)
    finally:
        server.kill()


if __name__ == "__main__":
    sys.exit(main())
