"""The schema and the way there."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from chat.config.model import Database
from chat.storage import schema
from chat.storage.engine import Store
from chat.storage.migrations import DatabaseTooNew, upgrade
from chat_testing.databases import upgraded


def test_migrations_lead_to_the_schema(store: Store) -> None:
    with store.schema_connection() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, schema.metadata) == []


def test_a_second_upgrade_changes_nothing(store: Store) -> None:
    upgrade(store)


def test_a_database_of_the_future_is_refused(database: Database) -> None:
    with upgraded(database) as store:
        store.write(lambda tx: tx.run("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(DatabaseTooNew, match="9999"):
            upgrade(store)
