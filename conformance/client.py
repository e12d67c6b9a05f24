"""The client that the checks use: plain requests, and short names for frequent steps."""

import hashlib
import hmac
import itertools
import json
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from conformance.runner.contract import Contract
from conformance.runner.exchange import Exchange, Request, path_of, send
from conformance.runner.spread import Spread

V3 = "/_matrix/client/v3"
ELSEWHERE = ("/_", "/.", "/health", "/openapi.yaml", "/docs")
PASSWORD = "wreath-Orbit-17-lantern"

Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Wire:
    """The way to the server: sends, checks each answer against the contract, keeps a record.

    Each request has a connection of its own, to any of the server's addresses.
    """

    urls: Sequence[str]
    contract: Contract
    record: list[Exchange] = field(default_factory=list)
    spread: Spread = field(default_factory=Spread)

    @property
    def url(self) -> str:
        """One of the addresses."""
        return self.urls[0]

    def send(self, request: Request, *, cut: bool = False) -> Exchange:
        """Send a request. Raises StepFailed where the answer is not described in the API."""
        exchange = send(random.choice(self.urls), request, cut=cut)
        self.record.append(exchange)
        self.spread.note(exchange)
        self.contract.check(exchange)
        return exchange


@dataclass(frozen=True)
class Client:
    """Somebody who sends requests, with an access token or without.

    A path that does not begin as those of ELSEWHERE is one of `/_matrix/client/v3`; its `{}`
    are filled with the parts, percent-encoded.
    """

    wire: Wire
    token: str | None = None

    def request(
        self,
        method: str,
        template: str,
        /,
        *parts: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Exchange:
        """Send a request. `body` is sent as JSON, or as it is where it is bytes."""
        full = template if template.startswith(ELSEWHERE) else V3 + template
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if content is not None:
            sent["Content-Type"] = "application/json"
        path = path_of(full, *parts, **query)
        return self.wire.send(Request(method, path, sent | (headers or {}), content))

    def get(self, template: str, /, *parts: str, **query: Any) -> Exchange:
        """GET."""
        return self.request("GET", template, *parts, **query)

    def put(self, template: str, /, *parts: str, body: Any, **query: Any) -> Exchange:
        """PUT."""
        return self.request("PUT", template, *parts, body=body, **query)

    def post(self, template: str, /, *parts: str, body: Any = None, **query: Any) -> Exchange:
        """POST; without a body an empty object is sent."""
        return self.request("POST", template, *parts, body={} if body is None else body, **query)

    def delete(self, template: str, /, *parts: str, body: Any = None) -> Exchange:
        """DELETE."""
        return self.request("DELETE", template, *parts, body=body)


@dataclass(frozen=True)
class User(Client):
    """A logged-in device of a user. Every method here insists that its requests succeed."""

    user_id: str = ""
    device_id: str = ""
    password: str = PASSWORD

    @property
    def localpart(self) -> str:
        """The part of the user ID before the server name."""
        return self.user_id[1:].partition(":")[0]

    def password_auth(self, session: str) -> Json:
        """What completes the password stage of a user-interactive authentication session."""
        identifier = {"type": "m.id.user", "user": self.user_id}
        return {
            "type": "m.login.password",
            "identifier": identifier,
            "password": self.password,
            "session": session,
        }

    def new_device(self, **body: Any) -> "User":
        """Log the same user in once more."""
        answer = self.login(**body).ok()
        return replace(self, token=answer["access_token"], device_id=answer["device_id"])

    def login(self, **body: Any) -> Exchange:
        """Ask to log in by password; nothing is expected of the answer."""
        identifier = {"type": "m.id.user", "user": self.user_id}
        wish = {"type": "m.login.password", "identifier": identifier, "password": self.password}
        return Client(self.wire).post("/login", body=wish | body)

    def create_room(self, **body: Any) -> str:
        """Make a room; returns its ID."""
        room: str = self.post("/createRoom", body=body).ok()["room_id"]
        return room

    def invite(self, room: str, user: "User") -> None:
        """Invite a user."""
        self.post("/rooms/{}/invite", room, body={"user_id": user.user_id}).ok()

    def join(self, room: str) -> None:
        """Join a room."""
        self.post("/join/{}", room).ok()

    def leave(self, room: str) -> None:
        """Leave a room."""
        self.post("/rooms/{}/leave", room).ok()

    def kick(self, room: str, user: "User") -> None:
        """Remove a user."""
        self.post("/rooms/{}/kick", room, body={"user_id": user.user_id}).ok()

    def ban(self, room: str, user: "User") -> None:
        """Ban a user."""
        self.post("/rooms/{}/ban", room, body={"user_id": user.user_id}).ok()

    def send(self, room: str, text: str) -> str:
        """Send a text message; returns the event's ID."""
        return self.send_event(room, "m.room.message", {"msgtype": "m.text", "body": text})

    def send_event(self, room: str, kind: str, content: Json) -> str:
        """Send an event; returns its ID."""
        answer = self.put("/rooms/{}/send/{}/{}", room, kind, secrets.token_hex(8), body=content)
        event_id: str = answer.ok()["event_id"]
        return event_id

    def set_state(self, room: str, kind: str, content: Json, key: str = "") -> str:
        """Send a state event; returns its ID."""
        event_id: str = self.put("/rooms/{}/state/{}/{}", room, kind, key, body=content).ok()[
            "event_id"
        ]
        return event_id

    def state(self, room: str, kind: str, key: str = "") -> Json:
        """The content of a piece of state."""
        content: Json = self.get("/rooms/{}/state/{}/{}", room, kind, key).ok()
        return content

    def event(self, room: str, event_id: str) -> Json:
        """One event."""
        event: Json = self.get("/rooms/{}/event/{}", room, event_id).ok()
        return event

    def members(self, room: str) -> dict[str, str]:
        """The membership of everybody who has one, by user ID."""
        chunk = self.get("/rooms/{}/members", room).ok()["chunk"]
        return {event["state_key"]: event["content"]["membership"] for event in chunk}

    def history(self, room: str, **query: Any) -> list[Json]:
        """The newest events that the user may see, newest first, at most 100."""
        wish = {"dir": "b", "limit": 100} | query
        chunk: list[Json] = self.get("/rooms/{}/messages", room, **wish).ok()["chunk"]
        return chunk

    def sync(self, since: str | None = None, **query: Any) -> Json:
        """Sync; without `timeout` the answer comes at once. A filter may be given as an object."""
        if isinstance(query.get("filter"), dict):
            query["filter"] = json.dumps(query["filter"])
        answer: Json = self.get("/sync", since=since, **query).ok()
        return answer

    def upload(self, content: bytes, media_type: str, **query: Any) -> str:
        """Upload a file; returns its mxc URI."""
        answer = self.request(
            "POST",
            "/_matrix/media/v3/upload",
            body=content,
            headers={"Content-Type": media_type},
            **query,
        )
        uri: str = answer.ok()["content_uri"]
        return uri


@dataclass(frozen=True)
class World:
    """Where a check plays: a server on which it makes the users that it needs."""

    wire: Wire
    secret: str
    run: str = field(default_factory=lambda: secrets.token_hex(3))
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def stranger(self) -> Client:
        """Somebody without an access token."""
        return Client(self.wire)

    @property
    def server_name(self) -> str:
        """The name of the server, learned from a user made for it."""
        return self.user("namesake").user_id.partition(":")[2]

    def name(self, hint: str = "user") -> str:
        """A user name, alias or other name that nobody has used."""
        return f"{hint}-{self.run}-{next(self.numbers)}"

    def user(self, hint: str = "user") -> User:
        """Make a user with the shared secret."""
        answer = self.register_by_secret(self.name(hint)).ok()
        return User(
            self.wire,
            answer["access_token"],
            user_id=answer["user_id"],
            device_id=answer["device_id"],
        )

    def guest(self) -> User:
        """Make a guest."""
        answer = self.stranger.post("/register", body={}, kind="guest").ok()
        return User(self.wire, answer["access_token"], user_id=answer["user_id"])

    def register_by_secret(self, name: str, **changes: Any) -> Exchange:
        """Ask for an ordinary user with nonce and HMAC; `changes` are made after the HMAC."""
        path = "/_synapse/admin/v1/register"
        nonce = self.stranger.get(path).ok()["nonce"]
        message = "\0".join((nonce, name, PASSWORD, "notadmin")).encode()
        mac = hmac.new(self.secret.encode(), message, hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": name, "password": PASSWORD, "admin": False, "mac": mac}
        return self.stranger.post(path, body=body | changes)

    def register(self, **body: Any) -> Exchange:
        """Register openly, through the dummy stage of user-interactive authentication."""
        asked = self.stranger.post("/register", body=body)
        if asked.status != 401:
            return asked
        auth = {"type": "m.login.dummy", "session": asked.json["session"]}
        return self.stranger.post("/register", body=body | {"auth": auth})


def authorized(user: User, ask: Callable[[Json], Exchange], body: Json) -> Exchange:
    """Go through user-interactive authentication with the user's password.

    `ask` sends the request with the body that it is given.
    """
    session = ask(body).json["session"]
    return ask(body | {"auth": user.password_auth(session)})
