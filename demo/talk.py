"""Two matrix-nio clients register, meet in a room and talk: `python demo/talk.py [--url URL]`.

Without a URL a server is started for the time of the conversation, on a free port, with a
configuration and data of its own. A server given by URL must have open registration.
"""

import argparse
import asyncio
import contextlib
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

from nio import AsyncClient, Event, RoomMessageText

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 30
TALK = [
    ("alice", "Hello Bob, can you read me?"),
    ("bob", "Loud and clear. What is this room?"),
    ("alice", "The kitchen. Dinner is ready."),
    ("bob", "On my way!"),
]


async def registered(url: str, name: str) -> AsyncClient:
    """A client of a new user, logged in."""
    client = AsyncClient(url)
    answer = await client.register(f"{name}-{secrets.token_hex(3)}", secrets.token_urlsafe(12))
    if not client.access_token:
        raise SystemExit(f"{name} cannot register: {answer}")
    print(f"{name} is {client.user_id}")
    return client


async def next_text(client: AsyncClient, room_id: str) -> str:
    """What the other one says next, as it arrives in the client's sync."""
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def hear(room: object, event: Event) -> None:
        if isinstance(event, RoomMessageText) and event.sender != client.user_id:
            heard.set_result(event.body)

    client.add_event_callback(hear, RoomMessageText)
    while not heard.done():
        await client.sync(timeout=10_000)
    client.event_callbacks.clear()
    return heard.result()


async def talk(url: str) -> None:
    """Register two users, let them meet and talk, and print what each of them heard."""
    clients = {"alice": await registered(url, "alice"), "bob": await registered(url, "bob")}
    try:
        alice, bob = clients["alice"], clients["bob"]
        room = await alice.room_create(name="Kitchen", invite=[bob.user_id])
        await bob.join(room.room_id)
        for client in clients.values():
            await client.sync()
        print(f"they meet in {room.room_id}\n")
        for speaker, text in TALK:
            listener = "bob" if speaker == "alice" else "alice"
            content = {"msgtype": "m.text", "body": text}
            await clients[speaker].room_send(room.room_id, "m.room.message", content)
            heard = await asyncio.wait_for(next_text(clients[listener], room.room_id), PATIENCE_S)
            print(f"{speaker:>6}: {heard}")
    finally:
        for client in clients.values():
            await client.close()


@contextlib.contextmanager
def server(url: str | None) -> Iterator[str]:
    """The URL of the server that is given, or of one that is started for the block."""
    if url:
        yield url
        return
    sys.path[:0] = [str(ROOT / "tests" / "support")]
    from chat_testing.running import running_server

    with running_server() as running:
        print(f"a server is started at {running.url}")
        yield running.url


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a running server; without it one is started")
    with server(parser.parse_args().url) as found:
        asyncio.run(talk(found))
