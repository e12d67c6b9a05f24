"""Every table, as SQLAlchemy Core metadata; migrations/ brings a database there.

Times are milliseconds (BIGINT), flags SMALLINT, JSON is TEXT. Rooms, state keys and events are
interned: `room`, `k` and `ev` are numbers of their rows. Rows that a client can sync carry their
position in the change log as `pos` (see streams.py). Room state is explained in state.py.
"""

from chat.storage.schema import (
    accounts,
    company,
    encryption,
    events,
    graph,
    log,
    maintenance,
    media,
    nodes,
    people,
    personal,
    reports,
    rooms,
    sliding,
    state,
)
from chat.storage.schema.base import SCHEMA_LOCK, SEQUENCE_BLOCK, SEQUENCES, column_types, metadata

__all__ = [
    "SCHEMA_LOCK",
    "SEQUENCES",
    "SEQUENCE_BLOCK",
    "accounts",
    "column_types",
    "company",
    "encryption",
    "events",
    "graph",
    "log",
    "maintenance",
    "media",
    "metadata",
    "nodes",
    "people",
    "personal",
    "reports",
    "rooms",
    "sliding",
    "state",
]
