"""The first schema."""

from alembic import op

from chat.storage import schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table and sequence."""
    connection = op.get_bind()
    schema.metadata.create_all(connection)
    if connection.dialect.name == "postgresql":
        for name in schema.SEQUENCES:
            op.execute(f"CREATE SEQUENCE sequence_{name} INCREMENT BY {schema.SEQUENCE_BLOCK}")
    op.bulk_insert(schema.sequences, [{"name": name, "next": 1} for name in schema.SEQUENCES])
    op.bulk_insert(schema.stream, [{"id": 1, "head": 0}])


def downgrade() -> None:
    """Drop everything."""
    connection = op.get_bind()
    schema.metadata.drop_all(connection)
    if connection.dialect.name == "postgresql":
        for name in schema.SEQUENCES:
            op.execute(f"DROP SEQUENCE sequence_{name}")
