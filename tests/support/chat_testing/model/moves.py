"""What can happen. Each move asks the server, and happens in the truth where it is allowed there.

A move that the truth forbids is asked for all the same, and must be refused.
"""

import itertools
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from chat_testing.model.api import Api, Unexpected, path
from chat_testing.model.replicas import ACCOUNT_DATA, ClassicReplica, SlidingReplica
from chat_testing.model.truth import Item, Json, Room, Truth

VISIBILITIES = ("invited", "joined", "shared", "world_readable")
TYPING_MS = 120_000
BACKGROUND_S = 20.0
LIMITS = (1, 2, 3, 5, 10, 50)

# What createRoom with preset public_chat makes, in its order. Spec: #post_matrixclientv3createroom
CREATED = (
    ("m.room.create", None),
    ("m.room.member", {"membership": "join"}),
    ("m.room.power_levels", None),
    ("m.room.join_rules", {"join_rule": "public"}),
    ("m.room.history_visibility", {"history_visibility": "shared"}),
    ("m.room.guest_access", {"guest_access": "forbidden"}),
)


class Move(NamedTuple):
    """One step of a run: numbers that `World` takes modulo what there is."""

    kind: str
    user: int
    room: int
    number: int


@dataclass
class World:
    """A run: users and rooms of its own at a server that other runs share.

    `restart` ends the server and starts it again; `crash` kills workers while they work.
    """

    api: Api
    restart: Callable[[], None]
    crash: Callable[[], None]
    truth: Truth = field(default_factory=lambda: Truth([]))
    tokens: dict[str, str] = field(default_factory=dict)
    classic: dict[str, ClassicReplica] = field(default_factory=dict)
    sliding: dict[str, SlidingReplica] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._count = itertools.count()
        self._run = secrets.token_hex(5)

    def begin(self, users: int, rooms: int) -> None:
        """Register users and make rooms."""
        for each in range(users):
            self._register(f"model_{self._run}_{each}")
        for each in range(rooms):
            self._create(self.truth.users[each % users])

    def _register(self, name: str) -> None:
        body = {"username": name, "password": "model-Passw0rd", "auth": {"type": "m.login.dummy"}}
        answer = self.api.ok("POST", path("register"), body=body)
        user, token = answer["user_id"], answer["access_token"]
        self.truth.users.append(user)
        self.tokens[user] = token
        self.classic[user] = ClassicReplica(self.api, self.truth, user, token)
        self.sliding[user] = SlidingReplica(self.api, self.truth, user, token)

    def _create(self, creator: str) -> None:
        answer = self._ok(creator, "POST", path("createRoom"), {"preset": "public_chat"})
        room = Room(answer["room_id"], creator)
        self.truth.rooms[room.room_id] = room
        for kind, content in CREATED:
            room.add(kind, creator, content, creator if kind == "m.room.member" else "")

    def play(self, move: Move) -> None:
        """Make a move."""
        user = self.truth.users[move.user % len(self.truth.users)]
        room = list(self.truth.rooms.values())[move.room % len(self.truth.rooms)]
        MOVES[move.kind](self, user, room, move.number)

    def end(self) -> None:
        """Everybody syncs once more, and once anew."""
        for user in self.truth.users:
            self.classic[user].sync(10)
            self.sliding[user].sync(10)
            ClassicReplica(self.api, self.truth, user, self.tokens[user]).sync(2)
            SlidingReplica(self.api, self.truth, user, self.tokens[user]).sync(2)

    # --- asking ---

    def mark(self, prefix: str) -> str:
        """A text that is used once."""
        return f"{prefix}{next(self._count)}"

    def _ok(self, user: str, method: str, target: str, body: Json) -> Json:
        return self.api.ok(method, target, self.tokens[user], body)

    def attempt(
        self, user: str, allowed: bool, method: str, target: str, body: Json
    ) -> Json | None:
        """The answer, or None for what is not allowed, which must have been refused."""
        if allowed:
            return self._ok(user, method, target, body)
        status, answer = self.api.ask(method, target, self.tokens[user], body)
        if status not in (403, 404):
            raise Unexpected(f"{user} may not {method} {target}: {status} {answer}")
        return None

    def send(
        self, user: str, room: Room, kind: str, content: Json, allowed: bool | None = None
    ) -> Item | None:
        """Send a message event."""
        may = room.membership(user) == "join" if allowed is None else allowed
        target = path("rooms", room.room_id, "send", kind, self.mark("t"))
        answer = self.attempt(user, may, "PUT", target, content)
        if answer is None:
            return None
        room.typing.discard(user)  # who has sent something has ended to type
        item = room.add(kind, user, content)
        item.event_id = answer["event_id"]
        return item

    def set_state(self, user: str, room: Room, kind: str, content: Json) -> None:
        """Set state with an empty key, as the creator may."""
        may = room.membership(user) == "join" and user == room.creator
        target = path("rooms", room.room_id, "state", kind)
        before = room.state.get((kind, ""))
        answer = self.attempt(user, may, "PUT", target, content)
        if answer is not None and (before is None or before.content != content):
            room.add(kind, user, content, "").event_id = answer["event_id"]

    def member(
        self, user: str, room: Room, verb: str, allowed: bool, outcome: str, target: str = ""
    ) -> None:
        """Change a membership: the user's own, or that of `target`."""
        reason = self.mark("r")
        body = {"reason": reason} | ({"user_id": target} if target else {})
        answer = self.attempt(user, allowed, "POST", path("rooms", room.room_id, verb), body)
        if answer is not None:
            content = {"membership": outcome, "reason": reason}
            if outcome == "join" and user in self.truth.names:
                content["displayname"] = self.truth.names[user]
            room.add("m.room.member", user, content, target or user)


# --- the moves ---


def _messages(room: Room) -> list[Item]:
    return [i for i in room.items if i.type == "m.room.message" and i.redacted_by is None]


def send(world: World, user: str, room: Room, number: int) -> None:
    """A message."""
    world.send(user, room, "m.room.message", {"msgtype": "m.text", "body": world.mark("m")})


def edit(world: World, user: str, room: Room, number: int) -> None:
    """An edit of one's own message."""
    own = [item for item in _messages(room) if item.sender == user]
    if not own:
        return
    target = own[number % len(own)]
    new = {"msgtype": "m.text", "body": world.mark("e")}
    relation = {"rel_type": "m.replace", "event_id": target.event_id}
    world.send(
        user, room, "m.room.message", {**new, "m.new_content": new, "m.relates_to": relation}
    )


def react(world: World, user: str, room: Room, number: int) -> None:
    """A reaction to a message."""
    found = _messages(room)
    if found:
        relation = {
            "rel_type": "m.annotation",
            "event_id": found[number % len(found)].event_id,
            "key": world.mark("k"),
        }
        world.send(user, room, "m.reaction", {"m.relates_to": relation})


def redact(world: World, user: str, room: Room, number: int) -> None:
    """A redaction of one's own message, or as the creator of anybody's."""
    found = _messages(room)
    if not found:
        return
    item = found[number % len(found)]
    may = room.membership(user) == "join" and user in (item.sender, room.creator)
    reason = world.mark("x")
    target = path("rooms", room.room_id, "redact", item.event_id, world.mark("t"))
    answer = world.attempt(user, may, "PUT", target, {"reason": reason})
    if answer is not None:
        item.redacted_by = room.add("m.room.redaction", user, {"reason": reason})
        item.redacted_by.event_id = answer["event_id"]


def rename_room(world: World, user: str, room: Room, number: int) -> None:
    """A new name of the room."""
    world.set_state(user, room, "m.room.name", {"name": world.mark("n")})


def set_visibility(world: World, user: str, room: Room, number: int) -> None:
    """Another history visibility."""
    setting = VISIBILITIES[number % len(VISIBILITIES)]
    world.set_state(user, room, "m.room.history_visibility", {"history_visibility": setting})


def join(world: World, user: str, room: Room, number: int) -> None:
    """A join of a public room."""
    if room.membership(user) != "join":
        world.member(user, room, "join", room.membership(user) != "ban", "join")


def leave(world: World, user: str, room: Room, number: int) -> None:
    """A leave, or an invite declined."""
    may = room.membership(user) in ("join", "invite")
    if may or room.membership(user) == "ban":
        world.member(user, room, "leave", may, "leave")


def _another(world: World, user: str, number: int) -> str:
    others = [each for each in world.truth.users if each != user]
    return others[number % len(others)]


def invite(world: World, user: str, room: Room, number: int) -> None:
    """An invite by a member."""
    target = _another(world, user, number)
    may = room.membership(user) == "join" and room.membership(target) in ("leave", "invite")
    world.member(user, room, "invite", may, "invite", target)


def kick(world: World, user: str, room: Room, number: int) -> None:
    """A kick by the creator."""
    target = _another(world, user, number)
    may = _rules(user, room) and room.membership(target) in ("join", "invite")
    if room.membership(target) != "leave":
        world.member(user, room, "kick", may and target != room.creator, "leave", target)


def ban(world: World, user: str, room: Room, number: int) -> None:
    """A ban by the creator."""
    target = _another(world, user, number)
    if room.membership(target) != "ban":
        world.member(user, room, "ban", _rules(user, room), "ban", target)


def unban(world: World, user: str, room: Room, number: int) -> None:
    """A ban lifted by the creator."""
    target = _another(world, user, number)
    if room.membership(target) == "ban":
        world.member(user, room, "unban", _rules(user, room), "leave", target)


def _rules(user: str, room: Room) -> bool:
    return user == room.creator and room.membership(user) == "join"


def rename_user(world: World, user: str, room: Room, number: int) -> None:
    """A new display name, which is carried into all rooms in the background."""
    name = world.truth.names[user] = world.mark("name")
    world.api.ok(
        "PUT", path("profile", user, "displayname"), world.tokens[user], {"displayname": name}
    )
    for each in world.truth.rooms_of(user, "join"):
        _await_name(world, user, each, name)
        each.add("m.room.member", user, {"membership": "join", "displayname": name}, user)


def _await_name(world: World, user: str, room: Room, name: str) -> None:
    target = path("rooms", room.room_id, "state", "m.room.member", user)
    deadline = time.monotonic() + BACKGROUND_S
    while world.api.ok("GET", target, world.tokens[user]).get("displayname") != name:
        if time.monotonic() > deadline:
            raise Unexpected(f"{user}'s new name does not arrive in {room.room_id}")
        time.sleep(0.005)


def read(world: World, user: str, room: Room, number: int) -> None:
    """A public receipt, which only moves forward."""
    _read(world, user, room, number, "m.read", room.receipts)


def read_privately(world: World, user: str, room: Room, number: int) -> None:
    """A private receipt."""
    _read(world, user, room, number, "m.read.private", room.private_receipts)


def _read(
    world: World, user: str, room: Room, number: int, kind: str, receipts: dict[str, str]
) -> None:
    found = [i for i in room.visible(user) if i.event_id]
    if room.membership(user) != "join" or not found:
        return
    item = found[-1 - number % len(found)]
    target = path("rooms", room.room_id, "receipt", kind, item.event_id)
    world.api.ok("POST", target, world.tokens[user], {})
    places = {each.event_id: place for place, each in enumerate(room.items)}
    if places[item.event_id] > places.get(receipts.get(user, "none"), -1):
        receipts[user] = item.event_id


def type_(world: World, user: str, room: Room, number: int) -> None:
    """Begin or end to type."""
    may = room.membership(user) == "join"
    typing = bool(number % 2)
    body: Json = {"typing": typing} | ({"timeout": TYPING_MS} if typing else {})
    target = path("rooms", room.room_id, "typing", user)
    if world.attempt(user, may, "PUT", target, body) is not None:
        (room.typing.add if typing else room.typing.discard)(user)


def set_account_data(world: World, user: str, room: Room, number: int) -> None:
    """Account data, global or of a room."""
    content = {"mark": world.mark("a")}
    if number % 2:
        target = path("user", user, "account_data", ACCOUNT_DATA)
        world.truth.account_data[user] = content
    else:
        target = path("user", user, "rooms", room.room_id, "account_data", ACCOUNT_DATA)
        room.account_data[user] = content
    world.api.ok("PUT", target, world.tokens[user], content)


def sync(world: World, user: str, room: Room, number: int) -> None:
    """A classic sync."""
    world.classic[user].sync(LIMITS[number % len(LIMITS)])


def slide(world: World, user: str, room: Room, number: int) -> None:
    """A sliding sync."""
    world.sliding[user].sync(LIMITS[number % len(LIMITS)])


def restart(world: World, user: str, room: Room, number: int) -> None:
    """The server is stopped and started. Typing notices need not survive: all are ended first."""
    for each in world.truth.rooms.values():
        for typist in sorted(each.typing):
            type_(world, typist, each, 0)
    world.restart()
    world.api.drop()


def crash(world: World, user: str, room: Room, number: int) -> None:
    """Workers are killed while a message is on its way; it is sent again until it arrives."""
    for each in world.truth.rooms.values():
        for typist in sorted(each.typing):
            type_(world, typist, each, 0)
    killer = threading.Timer(number * 0.0005, world.crash)
    killer.start()
    send(world, user, room, number)
    killer.join()


MOVES: dict[str, Callable[[World, str, Room, int], None]] = {
    "send": send,
    "edit": edit,
    "react": react,
    "redact": redact,
    "rename room": rename_room,
    "set visibility": set_visibility,
    "join": join,
    "leave": leave,
    "invite": invite,
    "kick": kick,
    "ban": ban,
    "unban": unban,
    "rename user": rename_user,
    "read": read,
    "read privately": read_privately,
    "type": type_,
    "set account data": set_account_data,
    "sync": sync,
    "slide": slide,
    "restart": restart,
    "crash": crash,
}
