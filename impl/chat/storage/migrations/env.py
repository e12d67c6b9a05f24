"""How Alembic reaches the database: through the connection that `upgrade` hands over."""

from alembic import context

from chat.storage import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    transaction_per_migration=False,
)
context.run_migrations()
