"""Migrations of the schema, by Alembic, run when a server or command starts."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from chat.storage.engine import Store


class DatabaseTooNew(Exception):
    """The database was written by a newer version of this server."""


def upgrade(store: Store) -> None:
    """Bring the database to the newest schema; raises DatabaseTooNew for a future one.

    Safe when several workers start at once: the first migrates, the others wait.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    with store.schema_connection() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
        if present is not None and present not in known:
            raise DatabaseTooNew(
                f"The database has schema {present}; this server knows {scripts.get_current_head()}"
                " at most. Start the newer version that wrote it, or restore a backup."
            )
        if present != scripts.get_current_head():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
