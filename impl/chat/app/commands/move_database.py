"""Copy a server's database into another: `move-database --from CONFIG|URL --to CONFIG|URL`.

From SQLite to PostgreSQL, back, or between two of a kind. Stop the server first. The target must be
empty: a file that does not exist, or a database without tables. A copy that was broken off goes on
when the same command is run again. Then let the server's configuration name the target; clients
notice nothing. Media files stay where they are.
"""

import argparse
from collections.abc import Sequence

import sqlalchemy.exc

from chat.app.commands.databases import FORMS, WrongDatabase, bar, database_of, existing, tell
from chat.config.load import ConfigError
from chat.storage.engine import DATABASE_ERRORS, DatabaseInUse, open_store
from chat.storage.migrations import DatabaseRefused
from chat.storage.portable import Copy, CopyDiffers, Counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        counts = _move(options.source, options.target)
    except (
        ConfigError,
        WrongDatabase,
        DatabaseInUse,
        DatabaseRefused,
        CopyDiffers,
        sqlalchemy.exc.SQLAlchemyError,
        *DATABASE_ERRORS,
        OSError,
    ) as error:
        return tell(error)
    for name, rows in counts.items():
        print(f"{name}: {rows}")
    print(f"Done: {sum(counts.values())} rows of {len(counts)} tables, counted in both databases.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chat.app.homeserver move-database",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"CONFIG|URL is {FORMS}. A password is better kept in a file than in a URL, which"
        " other users of the machine may see.",
    )
    parser.add_argument("--from", dest="source", required=True, metavar="CONFIG|URL")
    parser.add_argument("--to", dest="target", required=True, metavar="CONFIG|URL")
    return parser


def _move(source_name: str, target_name: str) -> Counts:
    source = existing(open_store(database_of(source_name)))
    target = open_store(database_of(target_name))
    try:
        source.refuse_others()
        target.refuse_others()
        with bar(" rows") as progress:

            def announce(total: int) -> None:
                progress.reset(total)

            return Copy(source, target, progress.update).run(announce)
    finally:
        source.close()
        target.close()
