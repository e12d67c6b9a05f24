"""Users and rooms to measure with, made over the same API."""

import hashlib
import hmac
import itertools
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bench.measure import describe
from bench.wire import BROKEN, Address, Connection, request

V3 = "/_matrix/client/v3"
REGISTER = "/_synapse/admin/v1/register"


class SetUpError(Exception):
    """The server did not do what a scenario needs before it can measure."""


@dataclass(frozen=True, slots=True)
class User:
    """A logged-in user."""

    user_id: str
    token: str


def room_path(room_id: str, *rest: str) -> str:
    """The path of something in a room."""
    return "/".join([V3, "rooms", quote(room_id, safe=""), *rest])


def send_request(user: User, room_id: str, content: dict[str, Any]) -> bytes:
    """A request that sends a message event with a transaction ID of its own."""
    target = room_path(room_id, "send", "m.room.message", f"t{next(_transactions)}")
    return request("PUT", target, user.token, json.dumps(content).encode())


def text(body: str) -> dict[str, str]:
    """The content of a plain text message."""
    return {"msgtype": "m.text", "body": body}


def sync_target(since: str = "", timeout_ms: int = 0, filter_json: str = "") -> str:
    """The path and query of a sync."""
    query = f"?timeout={timeout_ms}"
    if since:
        query += f"&since={quote(since)}"
    if filter_json:
        query += f"&filter={quote(filter_json)}"
    return f"{V3}/sync{query}"


def upload_request(user: User, blob: bytes) -> bytes:
    """A request that uploads a file."""
    target = "/_matrix/media/v3/upload?filename=bench.bin"
    return request("POST", target, user.token, blob, kind="application/octet-stream")


_transactions = itertools.count()


class World:
    """Makes what scenarios need; users and rooms are kept for the scenarios that follow."""

    def __init__(self, address: Address, secret: str) -> None:
        self._address = address
        self._connection = Connection(address)
        self._secret = secret
        self._run = secrets.token_hex(4)  # keeps the names of two runs apart
        self._users: list[User] = []
        self._small_rooms: list[str] = []
        self._sync_users: list[User] = []

    def call(
        self, method: str, target: str, user: User | None = None, body: object = None
    ) -> dict[str, Any]:
        """Ask for one thing. Raises SetUpError unless it is done."""
        data = b"{}" if body is None else json.dumps(body).encode()
        return self._do(request(method, target, user.token if user else "", data))

    def _do(self, prepared: bytes) -> dict[str, Any]:
        answer = self._connection.exchange(prepared)
        if answer is BROKEN:
            self._connection = Connection(self._address)
        if answer.status != 200:
            raise SetUpError(f"{prepared.split(b' HTTP')[0].decode()}: {describe(answer)}")
        parsed: dict[str, Any] = json.loads(answer.body)
        return parsed

    def users(self, count: int) -> list[User]:
        """The first `count` users."""
        while len(self._users) < count:
            self._users.append(self.new_user(f"user{len(self._users)}"))
        return self._users[:count]

    def new_user(self, name: str) -> User:
        """A fresh user in no room, registered with the shared secret."""
        fields = {
            "nonce": self.call("GET", REGISTER)["nonce"],
            "username": f"bench_{self._run}_{name}",
            "password": secrets.token_hex(8),
        }
        proof = "\0".join([*fields.values(), "notadmin"]).encode()
        fields["mac"] = hmac.new(self._secret.encode(), proof, hashlib.sha1).hexdigest()
        account = self.call("POST", REGISTER, body=fields)
        return User(account["user_id"], account["access_token"])

    def room(self, members: Sequence[User]) -> str:
        """A public room of the first member's that the others have joined."""
        body = {"preset": "public_chat", "name": "Bench"}
        room_id: str = self.call("POST", f"{V3}/createRoom", members[0], body)["room_id"]
        for member in members[1:]:
            self.call("POST", room_path(room_id, "join"), member)
        return room_id

    def fill(self, user: User, room_id: str, count: int) -> None:
        """Send `count` messages."""
        for number in range(count):
            self._do(send_request(user, room_id, text(f"line {number}")))

    def small_rooms(self) -> list[tuple[str, list[User]]]:
        """Eight rooms of four members; no user is in two of them."""
        users = self.users(32)
        groups = [users[start : start + 4] for start in range(0, 32, 4)]
        if not self._small_rooms:
            self._small_rooms = [self.room(group) for group in groups]
        return list(zip(self._small_rooms, groups, strict=True))

    def sync_users(self, rooms: int, messages: int) -> list[User]:
        """Four users who share `rooms` rooms with a little history, and are in no other."""
        if not self._sync_users:
            self._sync_users = [self.new_user(f"sync{number}") for number in range(4)]
            for number in range(rooms):
                members = self._sync_users[number % 4 :] + self._sync_users[: number % 4]
                self.fill(members[0], self.room(members), messages)
        return self._sync_users

    def upload(self, user: User, blob: bytes) -> str:
        """Upload a file; the path to download it."""
        content_uri: str = self._do(upload_request(user, blob))["content_uri"]
        return "/_matrix/client/v1/media/download/" + content_uri.removeprefix("mxc://")

    def next_batch(self, user: User, since: str = "", timeout_ms: int = 0) -> str:
        """The token of a sync that asks for little."""
        few = '{"room":{"timeline":{"limit":1}}}'
        token: str = self.call("GET", sync_target(since, timeout_ms, few), user)["next_batch"]
        return token

    def settled(self, user: User) -> str:
        """A token after which nothing is left to tell for now."""
        since = self.next_batch(user)
        for _ in range(3):  # presence and the like may follow
            since = self.next_batch(user, since, timeout_ms=100)
        return since

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
