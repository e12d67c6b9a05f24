"""Run a command against a server of its own, which ends with it.

    python -m chat_testing.against [--database postgres] [--workers 2] [--nodes 2] -- COMMAND …

In the command, URL and SECRET stand for the server's address, or those of its nodes with commas,
and registration_shared_secret.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from chat.app.unsafe import NAME_VARIABLE
from chat_testing.databases import running_postgres
from chat_testing.running import (
    FOR_CONFORMANCE,
    SHARED_SECRET,
    another_node,
    running_server,
    tight_limits,
)


def main(arguments: Sequence[str]) -> int:
    """Run the command line; the command's exit status."""
    parser = argparse.ArgumentParser(prog="python -m chat_testing.against", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--workers", type=int, default=1, help="of a server on PostgreSQL")
    parser.add_argument(
        "--nodes", type=int, choices=(1, 2), default=1, help="servers, each with so many workers"
    )
    parser.add_argument("--limited", action="store_true", help="with tight rate limits")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    with _database(options.database) as database:
        if database is None:
            print("PostgreSQL is not installed", file=sys.stderr)
            return 1
        limits = tight_limits() if options.limited else {}
        with ExitStack() as stack:
            if options.nodes > 1:
                os.environ[NAME_VARIABLE] = "1"
            server = stack.enter_context(
                running_server(database, options.workers, **FOR_CONFORMANCE, **limits)
            )
            nodes = [server]
            if options.nodes > 1:
                nodes.append(stack.enter_context(another_node(server, options.workers)))
            words = {"URL": ",".join(node.url for node in nodes), "SECRET": SHARED_SECRET}
            command = [words.get(word, word) for word in options.command]
            status = subprocess.run(command, check=False).returncode
            if status:
                for node in nodes:
                    print(f"the server's log:\n{node.log[-20_000:]}", file=sys.stderr)
            for node in nodes:
                node.stop()
    return status


@contextmanager
def _database(name: str) -> Iterator[str | dict[str, Any] | None]:
    """What `running_server` takes; None where PostgreSQL is not installed."""
    if name == "sqlite":
        yield name
        return
    with running_postgres() as cluster:
        created = cluster.new_database() if cluster else None
        yield {"name": created.name, "args": created.args} if created else None


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
