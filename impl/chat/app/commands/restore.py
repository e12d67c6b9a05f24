"""Make a server of a backup: `restore -c FILE --from FOLDER`.

The configuration says where database, key and media go; where FILE does not exist, it becomes the
backup's. There must be no database yet (a SQLite file that does not exist, or a PostgreSQL database
without tables), no other key and no media. A restore that was broken off goes on when the same
command is run again. At the end everything is checked, as by the command `check`, whose exit status
this one takes over. Afterwards clients go on: those whose sync token is of the time after the
backup are answered anew, and devices upload new one-time keys.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy.exc

from chat.app.commands import check
from chat.app.commands.databases import WrongDatabase, bar, tell
from chat.config.load import ConfigError, load
from chat.services import backups
from chat.storage.engine import DATABASE_ERRORS, DatabaseInUse, open_store
from chat.storage.migrations import DatabaseRefused
from chat.storage.portable import CopyDiffers


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        manifest = _restore(options.config_path, options.source)
        print(f"{manifest.server_name} is restored: {sum(manifest.rows.values())} rows.")
        return check.main([f"--config-path={path}" for path in options.config_path])
    except (
        ConfigError,
        WrongDatabase,
        backups.BackupError,
        DatabaseInUse,
        DatabaseRefused,
        CopyDiffers,
        sqlalchemy.exc.SQLAlchemyError,
        *DATABASE_ERRORS,
        OSError,
    ) as error:
        return tell(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chat.app.homeserver restore",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-c", "--config-path", action="append", type=Path, required=True, metavar="FILE",
        help="the new server's configuration; several as for the server",
    )  # fmt: skip
    parser.add_argument(
        "--from", dest="source", type=Path, required=True, metavar="FOLDER", help="the backup"
    )
    return parser


def _restore(config_paths: Sequence[Path], folder: Path) -> backups.Manifest:
    manifest = backups.read_manifest(folder)
    with bar(" steps") as progress:
        backups.verify(folder, manifest, progress.update)
        backups.restore_config(folder, manifest, config_paths)
        config = load(config_paths, os.environ).config
        store = open_store(config.database)
        try:
            store.refuse_others()
            backups.restore(config, folder, manifest, store, progress.update)
        finally:
            store.close()
    return manifest
