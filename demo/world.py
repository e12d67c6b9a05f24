"""Two users and a room to try a client on: `python demo/world.py URL`; ends with Ctrl-C.

The server must have open registration; `make demo` starts one that ends with the script.
"""

import asyncio
import contextlib
import signal
import sys

from nio import AsyncClient, RegisterResponse

PASSWORD = "dinner-is-ready"
NAMES = ("alice", "bob")


async def registered(url: str, name: str) -> AsyncClient:
    """A client of a new user, logged in."""
    client = AsyncClient(url)
    answer = await client.register(name, PASSWORD)
    if not isinstance(answer, RegisterResponse):
        await client.close()
        sys.exit(f"{name} cannot register: {answer}")
    return client


async def make(url: str) -> None:
    """Register the users and put both into a room with a first message."""
    alice, bob = [await registered(url, name) for name in NAMES]
    try:
        room = await alice.room_create(name="Kitchen", topic="Recipes", invite=[bob.user_id])
        await bob.join(room.room_id)
        content = {"msgtype": "m.text", "body": "Dinner is ready"}
        await alice.room_send(room.room_id, "m.room.message", content)
        print(f"homeserver  {url}")
        for client in (alice, bob):
            print(f"user        {client.user_id}   password {PASSWORD}")
        print(f"room        Kitchen ({room.room_id})")
    finally:
        await alice.close()
        await bob.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(make(sys.argv[1]))
    with contextlib.suppress(KeyboardInterrupt):
        print("\nTry a client on it; Ctrl-C ends everything.", flush=True)
        signal.pause()
