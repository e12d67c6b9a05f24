"""Bytes of the database per message, and what a purge of history leaves of them.

python -m bench.message_size --database postgres --messages 20000
"""

import argparse
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg2

from chat.config.model import Database
from chat.jobs.schedule import leased_jobs_of
from chat.services import purge
from chat.services.server import Server
from chat_testing.databases import database_config, running_postgres, upgraded
from chat_testing.people import Person, a_person
from chat_testing.servers import FakeClock, a_server

TEXT = "Some words of a message that is neither short nor very long, as people write them. "
ROOMS = 10
WEEK_S = 7 * 86_400


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--messages", type=int, default=20_000)
    options = parser.parse_args()
    with _world(options.database) as (server, database):
        people = [a_person(server, f"user{number}") for number in range(2)]
        room_ids = [people[0].creates() for _ in range(ROOMS)]
        for room_id in room_ids:
            people[1].joins(room_id)
        empty = size_bytes(database)
        _talk(people, room_ids, options.messages)
        _run(server, "index messages")
        full = size_bytes(database)
        _pass_time(server)
        lasting = size_bytes(database)
        for room_id in room_ids:
            last = people[0].says(room_id, "the last")
            purge.history_before(server, room_id, last)
        _run(server, "purge history")
        rest = size_bytes(database)
    print(f"{options.database}: {options.messages} messages of {len(TEXT)} characters")
    for size, what in (
        (full, "bytes per message at once: log, requests, indexes and search included"),
        (lasting, "bytes per message once the log and the requests of that time are over"),
        (rest, "bytes per message left after a purge"),
    ):
        print(f"{(size - empty) / options.messages:7.0f} {what}")
    return 0


def _pass_time(server: Server) -> None:
    """Let what is kept for a time only go."""
    clock = server.clock
    assert isinstance(clock, FakeClock)
    _run(server, "trim the change log")  # which notes the time
    clock.advance(seconds=WEEK_S)
    _run(server, "trim the change log")
    _run(server, "forget old requests")


@contextmanager
def _world(kind: str) -> Iterator[tuple[Server, Database]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if kind == "sqlite":
            database = database_config("sqlite3", database=str(folder / "size.db"))
        else:
            cluster = stack.enter_context(running_postgres())
            assert cluster is not None, "PostgreSQL is not installed"
            database = cluster.new_database()
        store = stack.enter_context(upgraded(database))
        server = a_server(store, FakeClock(), folder)
        stack.callback(server.notifier.close)
        yield server, database


def _talk(people: list[Person], room_ids: list[str], messages: int) -> None:
    for number in range(messages):
        people[number % 2].says(room_ids[number % ROOMS], f"{TEXT[: -len(str(number))]}{number}")


def _run(server: Server, name: str) -> None:
    """Do a piece of background work, as often as surely is enough."""
    (job,) = [job for job in leased_jobs_of(server) if job.name == name]
    server.leases.take_part([name])
    for _ in range(200):
        server.leases.renew()
        lease = server.leases.held(name)
        assert lease is not None
        job.run(lease)


def size_bytes(database: Database) -> int:
    """What the database takes, once dead rows are reclaimed."""
    if database.name == "sqlite3":
        with closing(sqlite3.connect(database.args["database"])) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            pages, free = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count")
            )
            size: int = (pages - free) * connection.execute("PRAGMA page_size").fetchone()[0]
            return size
    args = {name: value for name, value in database.args.items() if not name.startswith("cp_")}
    with closing(psycopg2.connect(**args)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("VACUUM FULL")
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    sys.exit(main())
