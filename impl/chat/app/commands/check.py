"""Check a server's database against its events: `check -c FILE [ROOM_ID …]`.

Everything that follows from the events is worked out anew and compared: the state around each
event, the current state, member lists and counts, positions, edges, hashes and the signatures of
this server. The server may go on meanwhile. The exit status is 0 where there is no difference, 1
where there are some, which are listed, and 2 where nothing could be checked.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy.exc

from chat.app import start
from chat.app.commands.databases import WrongDatabase, existing, tell
from chat.app.start import StartError
from chat.config.load import ConfigError, load
from chat.protocol.identifiers import ServerName
from chat.services.check import differences
from chat.storage.engine import DATABASE_ERRORS, open_store

UNCHECKED = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        count = _check(options)
    except (
        ConfigError,
        StartError,
        WrongDatabase,
        sqlalchemy.exc.SQLAlchemyError,
        *DATABASE_ERRORS,
        OSError,
    ) as error:
        tell(error)
        return UNCHECKED
    print(f"{count} differences")
    return 1 if count else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chat.app.homeserver check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-c", "--config-path", action="append", type=Path, required=True, metavar="FILE",
        help="the server's configuration; several as for the server",
    )  # fmt: skip
    parser.add_argument("room_id", nargs="*", help="check these rooms only")
    return parser


def _check(options: argparse.Namespace) -> int:
    """Print each difference; how many there are."""
    config = load(options.config_path, os.environ).config
    key = start.signing_key(config)
    store = existing(open_store(config.database))
    count = 0
    try:
        for found in differences(store, ServerName(config.server_name), [key], options.room_id):
            count += 1
            print(f"{found.room_id or 'all rooms'}: {found.what}")
    finally:
        store.close()
    return count


if __name__ == "__main__":
    sys.exit(main())
