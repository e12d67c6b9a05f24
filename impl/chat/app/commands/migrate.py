"""Change the schema of a database: `migrate -c homeserver.yaml [--to REVISION]`.

A starting server migrates by itself. This command is for doing so beforehand, and for going back
before an older version of the server is started again: `--to` with the revision that its message
names. Going back loses what only newer versions store.
"""

import argparse
from collections.abc import Sequence

import sqlalchemy.exc

from chat.app.commands.databases import FORMS, WrongDatabase, database_of, tell
from chat.config.load import ConfigError
from chat.storage import migrations
from chat.storage.engine import open_store


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m chat.app.homeserver migrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-c", "--config", required=True, metavar="CONFIG|URL", help=FORMS)
    parser.add_argument("--to", metavar="REVISION", help="the newest, if absent")
    options = parser.parse_args(arguments)
    try:
        _migrate(options.config, options.to or migrations.revisions()[-1])
    except (
        ConfigError,
        WrongDatabase,
        migrations.DatabaseRefused,
        sqlalchemy.exc.SQLAlchemyError,
        OSError,
    ) as error:
        return tell(error)
    return 0


def _migrate(named: str, revision: str) -> None:
    store = open_store(database_of(named))
    try:
        migrations.migrate(store, revision)
    finally:
        store.close()
    print(f"The database has schema {revision}.")
