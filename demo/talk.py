"""Two unmodified matrix-nio clients register, meet in a room and talk; prints the conversation.

python demo/talk.py http://localhost:8008        (a server with open registration)
"""

import asyncio
import secrets
import sys

import nio

LINES = [
    ("alice", "Is anybody here?"),
    ("bob", "I am. The server works, then."),
    ("alice", "It does: registered, met and talked."),
]
PATIENCE_S = 30


async def a_client(url: str, name: str) -> nio.AsyncClient:
    """A registered, logged-in client; the name gets a suffix, so that the demo can be repeated."""
    client = nio.AsyncClient(url)
    username = f"{name}-{secrets.token_hex(3)}"
    answer = await client.register(username, secrets.token_urlsafe(12), device_name="demo")
    expect(answer, nio.RegisterResponse)
    print(f"{name} is {client.user_id}")
    return client


def expect(answer: object, kind: type) -> None:
    """End the demo when the server answers something else than it should."""
    if not isinstance(answer, kind):
        sys.exit(f"unexpected answer: {answer}")


async def hear(client: nio.AsyncClient, room_id: str, text: str) -> nio.RoomMessageText:
    """Sync until the text arrives in the room."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await client.sync(timeout=5000)
            expect(answer, nio.SyncResponse)
            room = answer.rooms.join.get(room_id)
            for event in room.timeline.events if room else ():
                if isinstance(event, nio.RoomMessageText) and event.body == text:
                    return event


async def talk(url: str) -> None:
    """Register two users, make them meet, and let each say its lines to the other."""
    clients = {name: await a_client(url, name) for name in ("alice", "bob")}
    alice, bob = clients["alice"], clients["bob"]
    try:
        created = await alice.room_create(name="Kitchen", invite=[bob.user_id])
        expect(created, nio.RoomCreateResponse)
        expect(await bob.join(created.room_id), nio.JoinResponse)
        print(f"they meet in {created.room_id}")
        for speaker, text in LINES:
            content = {"msgtype": "m.text", "body": text}
            sent = await clients[speaker].room_send(created.room_id, "m.room.message", content)
            expect(sent, nio.RoomSendResponse)
            listener = bob if speaker == "alice" else alice
            event = await hear(listener, created.room_id, text)
            print(f"{event.sender}: {event.body}")
    finally:
        for client in clients.values():
            await client.close()


if __name__ == "__main__":
    asyncio.run(talk(sys.argv[1].rstrip("/")))
