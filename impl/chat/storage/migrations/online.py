"""What revisions do to tables that may be large and in use.

A revision that calls one of these does nothing else: the transaction ends before it, so that a
revision that is broken off here is run again from its start.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

_INVALID = sa.text(
    "SELECT 1 FROM pg_class JOIN pg_index ON pg_index.indexrelid = pg_class.oid"
    " WHERE pg_class.relname = :name AND pg_table_is_visible(pg_class.oid) AND NOT indisvalid"
)


def create_index(name: str, table: str, columns: Sequence[str], **how: Any) -> None:
    """Make an index while others write to the table; what an interrupted attempt left goes first.

    `how` is passed on to `op.create_index` (unique, postgresql_where …).
    """
    with _outside_transactions():
        if _is_postgresql() and op.get_bind().execute(_INVALID, {"name": name}).first():
            op.drop_index(name, table, postgresql_concurrently=True)
        op.create_index(
            name, table, list(columns), if_not_exists=True, postgresql_concurrently=True, **how
        )


def drop_index(name: str, table: str) -> None:
    """Drop an index while others use the table."""
    with _outside_transactions():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


@contextmanager
def _outside_transactions() -> Iterator[None]:
    if not _is_postgresql():
        yield
        return
    with op.get_context().autocommit_block():
        yield
