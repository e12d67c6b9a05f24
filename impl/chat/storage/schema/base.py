"""What the tables of every part are made with."""

from functools import lru_cache

from sqlalchemy import BigInteger, Integer, MetaData
from sqlalchemy.dialects import postgresql

metadata = MetaData()

SCHEMA_LOCK = 0x63686174  # advisory lock of PostgreSQL, held while the schema changes
SEQUENCE_BLOCK = 32  # numbers that a worker takes at once from a sequence of PostgreSQL
SEQUENCES = ("room", "ev", "k", "line")

# SQLite makes a column its rowid, and so the table half as large, for INTEGER PRIMARY KEY only.
Number = BigInteger().with_variant(Integer(), "sqlite")


@lru_cache(maxsize=256)
def column_types(table: str) -> dict[str, str]:
    """PostgreSQL's type of each column of a table."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    columns = metadata.tables[table].columns
    return {column.name: column.type.compile(dialect) for column in columns}
