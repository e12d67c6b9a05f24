"""What is done once, in the master, before anything is served."""

import logging
import os
import resource
import secrets
import time
from pathlib import Path

import sqlalchemy.exc

from chat.config.model import Config
from chat.protocol import signatures
from chat.protocol.errors import InvalidParam
from chat.storage.engine import DatabaseInUse, SqliteStore, Store, open_store
from chat.storage.migrations import DatabaseRefused, upgrade

log = logging.getLogger(__name__)

WANTED_CONNECTIONS = 20_000  # clients that wait at the same time, per worker
ENOUGH_CONNECTIONS = 8_000  # below this the operator is warned
LOCK_PATIENCE_S = 12  # a worker that is told to stop has left by then
OTHER_FILES = 256  # log, database, outgoing connections, media


class StartError(Exception):
    """The server cannot start; the text tells the operator why."""


def prepare(config: Config) -> None:
    """Make what has to exist: key, secret and folder. Raises StartError."""
    ensure_files(config)
    signing_key(config)
    migrate(config)


def migrate(config: Config) -> None:
    """Bring the database to this version's schema; no connection stays open. Raises StartError."""
    store = open_store(config.database)
    try:
        lock(store)
        upgrade(store)
    except (DatabaseRefused, sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        raise StartError(f"database: {error}") from error
    finally:
        store.close()


def lock(store: Store) -> None:
    """Keep other processes out of a database that takes one only, SQLite's.

    Waits for a process that is just ending, as after a reload. Raises StartError.
    """
    if not isinstance(store, SqliteStore):
        return
    deadline_s = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            store.lock()
        except DatabaseInUse as error:
            if time.monotonic() > deadline_s:
                raise StartError(str(error)) from error
            time.sleep(0.1)
        else:
            return


def ensure_files(config: Config) -> None:
    """Write the signing key and the shared secret's file, and make the media folder, if absent."""
    try:
        if not config.signing_key_path.exists():
            write_private(config.signing_key_path, new_signing_key() + "\n")
            log.info("signing key made", extra={"path": config.signing_key_path})
        secret_path = config.registration_shared_secret_path
        if secret_path is not None and not secret_path.exists():
            write_private(secret_path, secrets.token_urlsafe(32) + "\n")
        config.media_store_path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"cannot write {error.filename}: {error.strerror}") from error


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner can read. Raises OSError, also when it exists."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def new_signing_key() -> str:
    """A fresh key as the line of a key file: `ed25519 a_<four letters> <seed>`."""
    version = "a_" + "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(4))
    key = signatures.generate_signing_key(version, secrets.token_bytes(32))
    return signatures.dump_signing_key(key)


def signing_key(config: Config) -> signatures.SigningKey:
    """The key that signs this server's events. Raises StartError."""
    try:
        lines = config.signing_key_path.read_text(encoding="ascii").splitlines()
        return signatures.load_signing_key(next(line for line in lines if line.strip()))
    except (OSError, UnicodeDecodeError, InvalidParam, StopIteration) as error:
        raise StartError(f"signing_key_path: {config.signing_key_path}: {error}") from error


def raise_open_files(config: Config) -> int:
    """Raise this process's limit of open files; the clients that may then be connected at once.

    Each waiting client costs one descriptor.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = hard == resource.RLIM_INFINITY
    wanted = config.soft_file_limit or WANTED_CONNECTIONS + OTHER_FILES
    limit = max(soft, wanted if endless else min(wanted, hard))
    if limit > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    connections = min(WANTED_CONNECTIONS, max(limit - OTHER_FILES, OTHER_FILES))
    if connections < ENOUGH_CONNECTIONS:
        log.warning(
            "few open files are allowed, which limits how many clients can be connected: raise "
            "the hard limit (ulimit -Hn, LimitNOFILE=)",
            extra={"open_files": limit, "connections": connections},
        )
    return connections
