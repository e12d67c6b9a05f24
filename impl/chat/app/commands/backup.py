"""Write a consistent copy of a server, which may go on meanwhile: `backup -c FILE --to FOLDER`.

The copy is a folder with the database, the configuration, the signing key and the media; what it
holds is secret. Media are hard links where the file system can, so a backup takes little time and
room; bring the folder to another disk then. `restore` makes a server of it again, on SQLite or
PostgreSQL.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy.exc

from chat.app.commands.databases import WrongDatabase, bar, existing, tell
from chat.config.load import ConfigError, load
from chat.services import backups
from chat.services.clock import SystemClock
from chat.storage.engine import DATABASE_ERRORS, open_store
from chat.storage.migrations import DatabaseRefused
from chat.storage.portable import CopyDiffers


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        manifest = _back_up(options)
    except (
        ConfigError,
        WrongDatabase,
        backups.BackupError,
        DatabaseRefused,
        CopyDiffers,
        sqlalchemy.exc.SQLAlchemyError,
        *DATABASE_ERRORS,
        OSError,
    ) as error:
        return tell(error)
    size_bytes = sum(note.size_bytes for note in manifest.files.values())
    print(
        f"{options.to}: {sum(manifest.rows.values())} rows and {len(manifest.files)} files,"
        f" {size_bytes} bytes."
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chat.app.homeserver backup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-c", "--config-path", action="append", type=Path, required=True, metavar="FILE",
        help="the server's configuration; several as for the server",
    )  # fmt: skip
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FOLDER", help="a folder that does not exist"
    )
    parser.add_argument(
        "--without-media", action="store_true", help="leave the media files to another tool"
    )
    return parser


def _back_up(options: argparse.Namespace) -> backups.Manifest:
    loaded = load(options.config_path, os.environ)
    store = existing(open_store(loaded.config.database))
    try:
        with bar(" steps") as progress:
            return backups.write(
                loaded.config,
                loaded.paths,
                store,
                options.to.absolute(),
                SystemClock(),
                media=not options.without_media,
                counted=progress.update,
            )
    finally:
        store.close()
