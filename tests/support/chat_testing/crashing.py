"""What can go wrong under a server: processes that die or hang, a full disk, a dead database."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from chat.config.model import Database
from chat_testing.databases import database_config, postgres_folder

READY_S = 30
DISK_BYTES = 1 << 30
LEFT_BYTES = 65536  # on a full disk


def children(pid: int) -> list[int]:
    """The process ids of a process's children, oldest first."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in found.split()]


class Disk:
    """A small file system in memory, whose size can be changed while it is used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Leave next to no room."""
        usage = shutil.disk_usage(self.folder)
        self._resize(usage.used + LEFT_BYTES)

    def free(self) -> None:
        """Make room again."""
        self._resize(DISK_BYTES)

    def _resize(self, size_bytes: int) -> None:
        subprocess.run(
            ["mount", "-o", f"remount,size={size_bytes}", self.folder], check=True, timeout=10
        )


@contextmanager
def small_disk() -> Iterator[Disk]:
    """A mounted file system. Raises CalledProcessError for users who may not mount one."""
    folder = Path(tempfile.mkdtemp(prefix="chat-disk-"))
    options = f"size={DISK_BYTES},mode=0777"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


class Postgres:
    """A durable cluster that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs = postgres_folder()
        assert self._programs is not None, "PostgreSQL is not installed"
        self._user = "postgres" if os.geteuid() == 0 else None
        self.process: subprocess.Popen[bytes] | None = None
        if self._user:
            shutil.chown(folder, self._user)
        self._initialise()
        self.start()

    def _initialise(self) -> None:
        assert self._programs is not None
        how = f"-D {self.folder}/data -U postgres -A trust -E UTF8 --locale=C --wal-segsize=1"
        subprocess.run(
            [self._programs / "initdb", *how.split()],
            check=True,
            stdout=subprocess.DEVNULL,
            user=self._user,
            cwd=self.folder,
        )

    def start(self) -> None:
        """Start, and return when it takes connections."""
        assert self._programs is not None
        settings = "-c listen_addresses= -c max_connections=100 -c max_wal_size=64MB"
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [
                    self._programs / "postgres",
                    *f"-D {self.folder}/data -k {self.folder} {settings}".split(),
                ],
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self.folder,
            )
        self.await_ready()

    def await_ready(self) -> None:
        """Return when it takes connections. Raises OperationalError when it does not in time."""
        deadline_s = time.monotonic() + READY_S
        while True:
            try:
                self._connect("postgres").close()
            except psycopg2.OperationalError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.02)
            else:
                return

    def _connect(self, name: str) -> "psycopg2.extensions.connection":
        return psycopg2.connect(host=str(self.folder), user="postgres", dbname=name)

    def kill(self) -> None:
        """Stop at once, without writing anything more (an immediate stop)."""
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(READY_S)

    def runs(self) -> bool:
        """Whether its main process is there."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """End in order."""
        if self.runs():
            assert self.process is not None
            self.process.send_signal(signal.SIGINT)
            self.process.wait(READY_S)

    def database(self, name: str = "chat") -> Database:
        """A new, empty database."""
        connection = self._connect("postgres")
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
        connection.close()
        return database_config(
            "psycopg2", host=str(self.folder), user="postgres", dbname=name, cp_min=1, cp_max=10
        )


@contextmanager
def durable_postgres(parent: Path) -> Iterator[Postgres]:
    """A cluster in a folder of its own under `parent`."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=parent))
    cluster = Postgres(folder)
    try:
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)
