"""Backups: a consistent copy of everything that makes a server, and the way back.

A backup is a folder:

    manifest.json            what it is of, and size and SHA-256 of every file
    database.sqlite3         the database, in SQLite's form whatever it was copied from
    config/<name>            the configuration files
    keys/<name>              the signing key, and the registration secret where it has a file
    media/…                  the media store, as hard links where the file system can

It is written beside its place, as `<folder>.part`, and renamed when it is whole. The database is
copied first: what it names of media was on disk by then.

Between a backup and its restore the old server may have given out one-time keys, and positions of
the change log as sync tokens. So a restore forgets all one-time keys, counts every fallback
key as used, and lets the log go on from `LOST_POSITIONS` further; tokens from in between, which
the log can no longer explain, are answered like none (`log_gap`).
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, func, select

from chat.config.model import Config
from chat.services.clock import Clock
from chat.storage import migrations, portable, schema
from chat.storage.engine import SqliteStore, Store
from chat.storage.portable import Copy, Counts, NotEmpty

FORMAT = 1
DATABASE, CONFIG, KEYS, MEDIA, MANIFEST = (
    "database.sqlite3", "config", "keys", "media", "manifest.json",
)  # fmt: skip
LOST_POSITIONS = 2**40  # more than a server gives out: a million a second for twelve days
READ_BYTES = 1024 * 1024

Counted = Callable[[int], object]


class BackupError(Exception):
    """There is no backup, or no restore; the text tells why."""


class FileNote(msgspec.Struct, frozen=True):
    """A file of a backup."""

    size_bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is of. `files` are by their paths inside of it, but for the manifest itself."""

    format: int
    server_name: str
    created_ts: int
    schema: str
    log_head: int
    rows: Counts
    config: list[str]
    signing_key: str
    secret: str | None
    has_media: bool
    files: dict[str, FileNote]


# --- there ---


def write(
    config: Config,
    config_paths: Sequence[Path],
    store: Store,
    folder: Path,
    clock: Clock,
    *,
    media: bool = True,
    counted: Counted = lambda _: None,
) -> Manifest:
    """Write a backup of the server, which may go on meanwhile. `counted` is called now and then.

    Raises BackupError, DatabaseRefused.
    """
    part = folder.with_name(f"{folder.name}.part")
    for path in (folder, part):
        if path.exists():
            raise BackupError(f"{path} exists")
    part.mkdir(mode=0o700, parents=True)
    created_ts = clock.now_ms()
    rows, head = _copy_database(store, part / DATABASE, counted)
    names = [_put(path, part / CONFIG) for path in config_paths]
    key = _put(config.signing_key_path, part / KEYS)
    secret = config.registration_shared_secret_path
    if media:
        _link_tree(config.media_store_path, part / MEDIA, counted)
    manifest = Manifest(
        format=FORMAT,
        server_name=config.server_name,
        created_ts=created_ts,
        schema=migrations.revisions()[-1],
        log_head=head,
        rows=rows,
        config=names,
        signing_key=key,
        secret=_put(secret, part / KEYS) if secret is not None else None,
        has_media=media,
        files=dict(_notes(part, counted)),
    )
    _write_file(part / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    _sync_folder(part)
    part.rename(folder)
    _sync_folder(folder.parent)
    return manifest


def _copy_database(store: Store, path: Path, counted: Counted) -> tuple[Counts, int]:
    """Copy the database as it is at one moment; its rows, and the head of its log."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    target = SqliteStore(str(path))
    try:
        if isinstance(store, SqliteStore):
            with store.command_connection() as connection:
                portable.require_newest(connection)
            store.back_up(path, counted)
        else:
            Copy(store, target, counted).run()
        with target.command_connection() as connection:
            return portable.count_rows(connection), _head(connection)
    finally:
        target.close()


def _head(connection: Connection) -> int:
    return int(connection.scalar(select(schema.log.stream.c.head)) or 0)


def _put(source: Path, folder: Path) -> str:
    """Copy a file into a folder under its own name, for its owner only; the name."""
    try:
        content = source.read_bytes()
    except OSError as error:
        raise BackupError(f"cannot read {source}: {error.strerror}") from error
    folder.mkdir(exist_ok=True)
    try:
        _write_file(folder / source.name, content)
    except FileExistsError:
        raise BackupError(f"two files are named {source.name}") from None
    return source.name


def _write_file(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _link_tree(source: Path, target: Path, counted: Counted) -> None:
    """Link every file; copy it where the file system cannot. Media never change in place."""
    for path in _files(source):
        if path.name.startswith(".part-"):
            continue  # an upload that is not whole
        there = target / path.relative_to(source)
        there.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, there)
        except FileNotFoundError:
            continue  # removed meanwhile
        except OSError:
            shutil.copy2(path, there)
        counted(1)


def _files(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):
        yield from (Path(where) / name for name in names)


def _notes(folder: Path, counted: Counted) -> Iterator[tuple[str, FileNote]]:
    for path in sorted(_files(folder)):
        yield str(path.relative_to(folder)), FileNote(path.stat().st_size, _digest(path))
        counted(1)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- and back ---


def read_manifest(folder: Path) -> Manifest:
    """What a backup says of itself. Raises BackupError."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise BackupError(f"{folder} is no backup: {error}") from error
    if manifest.format != FORMAT:
        raise BackupError(f"{folder} has format {manifest.format}; this server reads {FORMAT}")
    return manifest


def verify(folder: Path, manifest: Manifest, counted: Counted = lambda _: None) -> None:
    """Compare every file with the manifest. Raises BackupError."""
    for name, note in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise BackupError(f"{path} is missing")
        if path.stat().st_size != note.size_bytes or _digest(path) != note.sha256:
            raise BackupError(f"{path} is not what was written")
        counted(1)


def restore_config(folder: Path, manifest: Manifest, paths: Sequence[Path]) -> None:
    """Write the configuration files that are not there. Raises BackupError."""
    if len(paths) != len(manifest.config):
        raise BackupError(f"the server had {len(manifest.config)} configuration files")
    for path, name in zip(paths, manifest.config, strict=True):
        if not path.exists():
            _write_file(path, (folder / CONFIG / name).read_bytes())


def restore(
    config: Config,
    folder: Path,
    manifest: Manifest,
    store: Store,
    counted: Counted = lambda _: None,
) -> None:
    """Bring back keys, media and database, into places where there are none.

    A restore that was broken off goes on when it is run again. Raises BackupError,
    DatabaseRefused, CopyDiffers.
    """
    if config.server_name != manifest.server_name:
        raise BackupError(f"the backup is of {manifest.server_name}, not of {config.server_name}")
    _refuse_foreign_media(config.media_store_path, manifest)
    with _source(folder, manifest) as source:
        _restore_keys(config, folder, manifest)
        _restore_media(config.media_store_path, folder, manifest, counted)
        Copy(source, store, counted).run(last=_forget_what_was_given_out)


@contextmanager
def _source(folder: Path, manifest: Manifest) -> Iterator[Store]:
    """The database of a backup; one of an older version in a copy, brought to this one's schema."""
    if manifest.schema == migrations.revisions()[-1]:
        store = SqliteStore(str(folder / DATABASE))
        try:
            yield store
        finally:
            store.close()
        return
    with tempfile.TemporaryDirectory(prefix="chat-restore-") as name:
        store = SqliteStore(shutil.copy(folder / DATABASE, name))
        try:
            migrations.upgrade(store)
            yield store
        finally:
            store.close()


def _restore_keys(config: Config, folder: Path, manifest: Manifest) -> None:
    wanted = [(manifest.signing_key, config.signing_key_path)]
    if manifest.secret is not None and config.registration_shared_secret_path is not None:
        wanted.append((manifest.secret, config.registration_shared_secret_path))
    for name, path in wanted:
        content = (folder / KEYS / name).read_bytes()
        if path.exists() and path.read_bytes() != content:
            raise NotEmpty(f"{path} exists and is another than the backup's")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_file(path, content)


def _media_of(manifest: Manifest) -> Iterable[tuple[str, FileNote]]:
    prefix = f"{MEDIA}/"
    return [
        (name.removeprefix(prefix), note)
        for name, note in manifest.files.items()
        if name.startswith(prefix)
    ]


def _refuse_foreign_media(root: Path, manifest: Manifest) -> None:
    ours = dict(_media_of(manifest))
    for path in _files(root):
        note = ours.get(str(path.relative_to(root)))
        if manifest.has_media and (note is None or path.stat().st_size > note.size_bytes):
            raise NotEmpty(f"{root} is not empty: {path} is no file of the backup")


def _restore_media(root: Path, folder: Path, manifest: Manifest, counted: Counted) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for name, note in _media_of(manifest):
        path = root / name
        if not path.exists() or path.stat().st_size != note.size_bytes:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / MEDIA / name, path)
        counted(1)


def _forget_what_was_given_out(connection: Connection) -> None:
    """See the module. In the transaction that makes the copy a database of its own."""
    stream, gap = schema.log.stream, schema.maintenance.log_gap
    head = _head(connection)
    new_head = head + LOST_POSITIONS
    connection.execute(schema.encryption.one_time_keys.delete())
    connection.execute(schema.encryption.fallback_keys.update().values(used=1))
    connection.execute(schema.accounts.devices.update().values(key_counts_pos=new_head))
    connection.execute(stream.update().values(head=new_head))
    connection.execute(gap.insert(), {"after": head, "upto": new_head - 1})
    if connection.scalar(select(func.count()).select_from(stream)) != 1:
        raise BackupError("the backup's log has no head")
    connection.execute(sa.delete(schema.nodes.worker))  # of the old server
