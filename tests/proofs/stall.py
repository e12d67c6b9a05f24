"""While one client asks for much, another's sends stay fast, on one worker.

    python tests/proofs/stall.py [--rooms 2000] [--members 10000] [--seconds 30] [--database sqlite]

Without a pause, one client makes its first sync, of all its rooms, and others join the largest room
and ask for its members and whole state. Meanwhile a client sends a message every 50 ms. 99 of 100
sends have to be answered within 150 ms.
"""

import argparse
import http.client
import json
import multiprocessing
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chat.app.build import make_server
from chat.config.load import load
from chat.protocol.event_builder import Draft
from chat.services.caller import Caller
from chat.services.rooms import create
from chat.services.server import Server
from chat.storage import devices, users
from chat.storage.users import User
from chat_testing.clients import V3, Client, registered
from chat_testing.databases import running_postgres
from chat_testing.running import RunningServer, prepared_server

P99_S = 0.150
EVERY_S = 0.05


def seed(config_path: Path, rooms: int, members: int) -> str:
    """Rooms of the reader, and one of many members; the ID of that one."""
    server = make_server(load([config_path], {}).config)
    try:
        reader = Caller("@reader:localhost", "")
        for number in range(rooms):
            create.create_room(server, reader, create.Wish(name=f"Room {number}"))
        large = create.create_room(server, reader, create.Wish(preset="public_chat", name="Large"))
        _fill(server, large, members)
    finally:
        server.notifier.close()
        server.limits.close()
        server.store.close()
    return large


def _fill(server: Server, room_id: str, members: int) -> None:
    names = [f"@member{number}:localhost" for number in range(members)]
    server.store.write(lambda tx: [_add(tx, name) for name in names])
    drafts = [
        Draft(room_id, name, "m.room.member", {"membership": "join"}, name)  # type: ignore[arg-type]
        for name in names
    ]
    for outcome in server.writer.append_each(drafts):
        if isinstance(outcome, Exception):
            raise outcome


def _add(tx: Any, name: str) -> None:
    users.insert(tx, User(name), 0)
    devices.upsert(tx, name, "DEVICE", None, 0)


# --- clients, each a process: what they do with an answer costs the sender nothing ---


def again_and_again(client: Client, what: Callable[[Client], None], counts: Any, at: int) -> None:
    """Do something without a pause, and count."""
    while True:
        what(client)
        counts[at] += 1


def first_sync(client: Client) -> None:
    client.next_batch = None
    client.timelines.clear()
    client.sync()


@contextmanager
def busy(work: Mapping[str, tuple[Client, Callable[[Client], None]]]) -> Iterator[Any]:
    """Let clients work; how often each did its work."""
    context = multiprocessing.get_context("fork")
    counts = context.Array("i", len(work))
    processes = [
        context.Process(target=again_and_again, args=(client, what, counts, at), daemon=True)
        for at, (client, what) in enumerate(work.values())
    ]
    for process in processes:
        process.start()
    try:
        yield counts
    finally:
        for process in processes:
            process.kill()
            process.join()


def join_all(joiners: list[Client], room_id: str) -> Callable[[Client], None]:
    """Joins of the room, one after the other, each followed by what clients then ask for."""

    def join(_: Client) -> None:
        for joiner in joiners:
            joiner.ask("POST", f"{V3}/rooms/{room_id}/leave", {})
            joiner.join(room_id)
            first_sync(joiner)
            for what in ("members", "state"):
                joiner.ask("GET", f"{V3}/rooms/{room_id}/{what}")

    return join


def send_for(client: Client, room_id: str, seconds: float, mark: str) -> list[float]:
    """Send every `EVERY_S`; how long each took, in order of size."""
    connection = http.client.HTTPConnection("127.0.0.1", client.server.port, timeout=60)
    headers = {"Authorization": f"Bearer {client.token}"}
    body = json.dumps({"msgtype": "m.text", "body": "on time"})
    took: list[float] = []
    end = time.monotonic() + seconds
    while (start := time.monotonic()) < end:
        path = f"{V3}/rooms/{room_id}/send/m.room.message/{mark}{len(took)}"
        connection.request("PUT", path, body, headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise AssertionError(answer.read())
        answer.read()
        took.append(time.monotonic() - start)
        time.sleep(max(0.0, EVERY_S - took[-1]))
    connection.close()
    return sorted(took)


def told(took: list[float]) -> str:
    marks = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)]
    figures = [f"{name} {took[int(len(took) * part)] * 1000:.0f} ms" for name, part in marks]
    return f"{len(took)} sends: {', '.join(figures)}, longest {took[-1] * 1000:.0f} ms"


def prove(server: RunningServer, rooms: int, members: int, seconds: float) -> bool:
    """Whether the sends were in time; prints what was measured."""
    server.start()
    sender, reader = registered(server, "sender"), registered(server, "reader")
    joiners = [registered(server, f"joiner{number}") for number in range(3)]
    server.stop()
    started = time.monotonic()
    large = seed(server.config_path, rooms, members)
    print(f"{rooms} rooms and one of {members} members in {time.monotonic() - started:.0f} s")
    server.start()
    room = sender.create_room()
    for joiner in joiners:
        joiner.join(large)
    print(f"alone: {told(send_for(sender, room, min(seconds, 5), 'alone'))}")
    work = {
        f"first syncs of {rooms + 1} rooms": (reader, first_sync),
        f"joins of a room of {members} members": (joiners[0], join_all(joiners, large)),
    }
    with busy(work) as counts:
        took = send_for(sender, room, seconds, "beside")
    print(f"beside: {told(took)}")
    for name, count in zip(work, counts, strict=True):
        print(f"  {count} {name}")
    print_holds(server.log)
    return took[int(len(took) * 0.99)] <= P99_S and all(counts)


def print_holds(log: str) -> None:
    """What the server's watch told of holds of its hub."""
    found = re.findall(r'the hub was held operation=(\S+) ms=(\d+) stack="?([^"\n]*)', log)
    print(f"{len(found)} holds of the hub of more than 50 ms")
    for operation, ms, stack in sorted(found, key=lambda one: -int(one[1]))[:8]:
        print(f"  {ms} ms in {operation}: {' > '.join(stack.split(' > ')[-4:])}")


def main() -> int:
    """Run the proof; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=2_000)
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chat-stall-") as name, running_postgres() as cluster:
        overrides: dict[str, Any] = {}
        if options.database == "postgres":
            assert cluster is not None, "PostgreSQL is not installed"
            args = cluster.new_database().args
            overrides["database"] = {"name": "psycopg2", "args": args}
        server = prepared_server(Path(name), 1, overrides)
        try:
            in_time = prove(server, options.rooms, options.members, options.seconds)
        finally:
            if server.process.poll() is None:
                server.kill()
    print("in time" if in_time else f"NOT within {P99_S * 1000:.0f} ms")
    return 0 if in_time else 1


if __name__ == "__main__":
    sys.exit(main())
