"""A running server on either database, for clients of all kinds."""

from collections.abc import Iterator

import pytest

from chat_testing.databases import PostgresCluster
from chat_testing.running import RunningServer, running_server


@pytest.fixture(params=["sqlite", "postgres"])
def server(
    request: pytest.FixtureRequest, postgres_cluster: PostgresCluster | None
) -> Iterator[RunningServer]:
    """A server with one worker on SQLite or two on PostgreSQL; empty, and gone after the test."""
    if request.param == "sqlite":
        with running_server() as running:
            yield running
        return
    if postgres_cluster is None:
        pytest.skip("PostgreSQL is not installed")
    database = postgres_cluster.new_database()
    section = {"name": database.name, "args": dict(database.args)}
    with running_server(section, workers=2) as running:
        yield running
