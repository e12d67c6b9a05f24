"""Two matrix-nio clients register, meet in a room and talk: `python demo/talk.py URL`.

The server must have open registration; `make demo-talk` starts one for the conversation.
"""

import asyncio
import secrets
import sys

from nio import AsyncClient, MatrixRoom, RoomMessageText

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
    if not client.logged_in:
        await client.close()
        sys.exit(f"{name} cannot register: {answer}")
    print(f"{name} is {client.user_id}")
    return client


async def next_text(client: AsyncClient) -> str:
    """What the other one says next, as it arrives in the client's sync."""
    heard: list[str] = []

    async def hear(_room: MatrixRoom, event: RoomMessageText) -> None:
        if event.sender != client.user_id:
            heard.append(event.body)

    client.add_event_callback(hear, RoomMessageText)
    while not heard:
        await client.sync(timeout=10_000)
    client.event_callbacks.clear()
    return heard[0]


async def converse(alice: AsyncClient, bob: AsyncClient) -> None:
    """Meet in a new room and talk; print what each of the two heard."""
    room = await alice.room_create(name="Kitchen", invite=[bob.user_id])
    await bob.join(room.room_id)
    for client in (alice, bob):
        await client.sync()
    print(f"they meet in {room.room_id}\n")
    for name, text in TALK:
        speaker, listener = (alice, bob) if name == "alice" else (bob, alice)
        content = {"msgtype": "m.text", "body": text}
        await speaker.room_send(room.room_id, "m.room.message", content)
        heard = await asyncio.wait_for(next_text(listener), PATIENCE_S)
        print(f"{name:>6}: {heard}")


async def talk(url: str) -> None:
    """Register two users and let them talk."""
    alice = await registered(url, "alice")
    bob = await registered(url, "bob")
    try:
        await converse(alice, bob)
    finally:
        await alice.close()
        await bob.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(talk(sys.argv[1]))
