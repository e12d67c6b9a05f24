"""Two unmodified matrix-nio clients talk through a running server, plain and encrypted."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nio
import requests

from chat_testing.running import RunningServer

PATIENCE_S = 30
ENCRYPTION = {
    "type": "m.room.encryption",
    "state_key": "",
    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
}


@dataclass
class Person:
    """A client with the messages that have reached it, as (sender, text, whether decrypted)."""

    client: nio.AsyncClient
    heard: list[tuple[str, str, bool]]

    async def sync(self) -> None:
        """Sync once, and do what the sync asks for."""
        answer = await self.client.sync(timeout=1000)
        assert isinstance(answer, nio.SyncResponse), answer
        if self.client.should_upload_keys:
            assert isinstance(await self.client.keys_upload(), nio.KeysUploadResponse)
        if self.client.should_query_keys:
            assert isinstance(await self.client.keys_query(), nio.KeysQueryResponse)

    async def sync_until(self, condition: Callable[[], Any]) -> None:
        """Sync until the condition holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await self.sync()

    async def say(self, room_id: str, text: str) -> str:
        """Send a text, encrypted where the room is; returns the event's ID."""
        content = {"msgtype": "m.text", "body": text}
        answer = await self.client.room_send(
            room_id, "m.room.message", content, ignore_unverified_devices=True
        )
        assert isinstance(answer, nio.RoomSendResponse), answer
        return str(answer.event_id)


async def a_person(server: RunningServer, name: str, folder: Path) -> Person:
    """Register a user and be ready to encrypt."""
    (folder / name).mkdir()
    client = nio.AsyncClient(
        server.url, store_path=str(folder / name), config=nio.AsyncClientConfig()
    )
    registered = await client.register(name, "wreath-Orbit-17-lantern", device_name=name)
    assert isinstance(registered, nio.RegisterResponse), registered
    person = Person(client, [])

    async def hear(_room: nio.MatrixRoom, event: nio.Event) -> None:
        assert isinstance(event, nio.RoomMessageText)
        person.heard.append((event.sender, event.body, event.decrypted))

    client.add_event_callback(hear, nio.RoomMessageText)
    await person.sync()
    return person


def knows(person: Person, room_id: str, users: set[str]) -> bool:
    """Whether a person's client shows these users in a room."""
    rooms = person.client.rooms
    return room_id in rooms and users <= rooms[room_id].users.keys()


async def meet(alice: Person, bob: Person, **wish: Any) -> str:
    """Alice makes a room and invites Bob, who joins; both know of each other."""
    made = await alice.client.room_create(invite=[bob.client.user_id], **wish)
    assert isinstance(made, nio.RoomCreateResponse), made
    room_id = str(made.room_id)
    await bob.sync_until(lambda: room_id in bob.client.invited_rooms)
    assert isinstance(await bob.client.join(room_id), nio.JoinResponse)
    users = {alice.client.user_id, bob.client.user_id}
    for person in (alice, bob):
        await person.sync_until(functools.partial(knows, person, room_id, users))
    return room_id


def with_two(
    server: RunningServer, folder: Path, play: Callable[[Person, Person], Awaitable[None]]
) -> None:
    """Register Alice and Bob and run what they do."""

    async def run() -> None:
        alice = await a_person(server, "alice", folder)
        bob = await a_person(server, "bob", folder)
        try:
            await play(alice, bob)
        finally:
            await alice.client.close()
            await bob.client.close()

    asyncio.run(run())


async def talk(alice: Person, bob: Person, room_id: str, *, encrypted: bool) -> None:
    """One says something and hears the answer."""
    await alice.say(room_id, "Dinner is ready")
    heard = (alice.client.user_id, "Dinner is ready", encrypted)
    await bob.sync_until(lambda: heard in bob.heard)
    await bob.say(room_id, "On my way")
    heard = (bob.client.user_id, "On my way", encrypted)
    await alice.sync_until(lambda: heard in alice.heard)


def test_two_clients_talk(server: RunningServer, tmp_path: Path) -> None:
    async def play(alice: Person, bob: Person) -> None:
        room_id = await meet(alice, bob, name="Kitchen")
        await talk(alice, bob, room_id, encrypted=False)
        assert bob.client.rooms[room_id].name == "Kitchen"

    with_two(server, tmp_path, play)


def stored_events(server: RunningServer, room_id: str, token: str) -> list[dict[str, Any]]:
    """The events of a room as the server has them, newest first."""
    answer = requests.get(
        f"{server.url}/_matrix/client/v3/rooms/{quote(room_id)}/messages",
        params={"dir": "b", "limit": 100},
        headers={"Authorization": f"Bearer {token}"},
        timeout=PATIENCE_S,
    )
    events: list[dict[str, Any]] = answer.json()["chunk"]
    return events


def test_two_clients_talk_encrypted(server: RunningServer, tmp_path: Path) -> None:
    async def play(alice: Person, bob: Person) -> None:
        room_id = await meet(alice, bob, initial_state=[ENCRYPTION])
        assert alice.client.rooms[room_id].encrypted
        await talk(alice, bob, room_id, encrypted=True)
        events = stored_events(server, room_id, alice.client.access_token)
        assert [event["type"] for event in events[:2]] == ["m.room.encrypted"] * 2
        assert "On my way" not in str(events)

    with_two(server, tmp_path, play)
