"""How Alembic reaches the database: through the connection that it is handed."""

from alembic import context

from chat.storage import schema

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=schema.metadata,
    # Short locks: none is held until the next revision's end. (In a transaction that is open
    # already, SQLite's, all take part.)
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
