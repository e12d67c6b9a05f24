"""Who may do what in a room: for each operation, each kind of user, by history visibility.

In each room the owner has sent an early message while `left` and `banned` were in it, and a late
one after they had gone; `invited` was invited before the late one. `stranger` and `guest` were
never in the room, which is public and closed to guests. A table says per kind whether an operation
is done (+), is refused with 403 (-) or does not find its event (0).
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from conformance.client import User, World
from conformance.runner.exchange import Exchange, StepFailed
from conformance.runner.run import CheckFunction

KINDS = ("member", "left", "banned", "invited", "stranger", "guest")
OUTCOMES = {"+": (200, None), "-": (403, None), "0": (404, "M_NOT_FOUND")}

# Columns: member, left, banned, invited, stranger, guest.
READING = """
operation             joined         invited        shared         world_readable
messages              + + + - - -    + + + - - -    + + + - - -    + + + + + +
state                 + + + - - -    + + + - - -    + + + - - -    + + + + + +
state event           + + + - - -    + + + - - -    + + + - - -    + + + + + +
members               + + + - - -    + + + - - -    + + + - - -    + + + + + +
joined members        + - - - - -    + - - - - -    + - - - - -    + - - - - -
early event           + + + 0 0 0    + + + 0 0 0    + + + 0 0 0    + + + + + +
late event            + 0 0 0 0 0    + 0 0 0 0 0    + 0 0 0 0 0    + + + + + +
early context         + + + - - -    + + + - - -    + + + - - -    + + + + + +
late context          + 0 0 - - -    + 0 0 - - -    + 0 0 - - -    + + + + + +
aliases               + - - - - -    + - - - - -    + - - - - -    + + + + + -
initial sync          + + + - - -    + + + - - -    + + + - - -    + + + + + +
watch                 + - - - - -    + - - - - -    + - - - - -    + + + + + +
early event alone     + + + 0 0 -    + + + 0 0 -    + + + 0 0 -    + + + + + -
late event alone      + 0 0 0 0 -    + 0 0 0 0 -    + 0 0 0 0 -    + + + + + -
event by time         + + + - - -    + + + - - -    + + + - - -    + + + + + -
early relations       + + + - - -    + + + - - -    + + + - - -    + + + + + -
late relations        + 0 0 - - -    + 0 0 - - -    + 0 0 - - -    + + + + + -
related of a kind     + + + - - -    + + + - - -    + + + - - -    + + + + + -
related of a type     + + + - - -    + + + - - -    + + + - - -    + + + + + -
threads               + + + - - -    + + + - - -    + + + - - -    + + + + + -
summary               + + 0 + + -    + + 0 + + -    + + 0 + + -    + + + + + -
hierarchy             + + - + + -    + + - + + -    + + - + + -    + + + + + -
"""

WRITING = """
operation             member left banned invited stranger guest
send                  +      -    -      -       -        -
set state             -      -    -      -       -        -
set keyed state       -      -    -      -       -        -
invite by state       +      -    -      -       -        -
ban by state          -      -    -      -       -        -
upgrade               -      -    -      -       -        -
report room           +      +    +      +       +        -
report event          +      0    0      0       0        -
private receipt       +      -    -      -       -        -
redact of another     -      -    -      -       -        -
invite                +      -    -      -       -        -
kick                  -      -    -      -       -        -
ban                   -      -    -      -       -        -
unban                 -      -    -      -       -        -
receipt               +      -    -      -       -        -
read markers          +      -    -      -       -        -
typing                +      -    -      -       -        -
publish               -      -    -      -       -        -
leave                 +      +    -      +       -        -
join                  +      +    -      +       +        -
knock                 -      -    -      -       -        -
room account data     +      +    +      +       +        -
tag                   +      +    +      +       +        -
"""

V1 = "/_matrix/client/v1"
RELATIONS = f"{V1}/rooms/{{}}/relations/{{}}"
TEXT = {"msgtype": "m.text", "body": "soup"}
REASON = {"reason": "It insults people"}


@dataclass(frozen=True)
class Setting:
    """A room and somebody of each kind."""

    room: str
    owner: User
    users: dict[str, User]
    early: str
    late: str
    name: str  # of something that nobody has used


def _setting(world: World, visibility: str) -> Setting:
    content = {"history_visibility": visibility}
    state = {"type": "m.room.history_visibility", "state_key": "", "content": content}
    owner = world.user("owner")
    room = owner.create_room(preset="public_chat", initial_state=[state])
    users = {kind: world.user(kind) for kind in KINDS[:-1]} | {"guest": world.guest()}
    for kind in ("member", "left", "banned"):
        users[kind].post("/rooms/{}/join", room).ok()
    early = owner.send(room, "soup")
    users["left"].post("/rooms/{}/leave", room).ok()
    owner.post("/rooms/{}/ban", room, body={"user_id": users["banned"].user_id}).ok()
    owner.post("/rooms/{}/invite", room, body={"user_id": users["invited"].user_id}).ok()
    return Setting(room, owner, users, early, owner.send(room, "soup"), world.name())


Step = Callable[[User, Setting], Exchange]


def _about_owner(operation: str) -> Step:
    template = f"/rooms/{{}}/{operation}"
    return lambda user, at: user.post(template, at.room, body={"user_id": at.owner.user_id})


def _member(user: User, at: Setting, other: User, membership: str) -> Exchange:
    path = "/rooms/{}/state/m.room.member/{}"
    return user.put(path, at.room, other.user_id, body={"membership": membership})


STEPS: dict[str, Step] = {
    "messages": lambda user, at: user.get("/rooms/{}/messages", at.room, dir="b"),
    "state": lambda user, at: user.get("/rooms/{}/state", at.room),
    "state event": lambda user, at: user.get("/rooms/{}/state/{}/", at.room, "m.room.create"),
    "members": lambda user, at: user.get("/rooms/{}/members", at.room),
    "joined members": lambda user, at: user.get("/rooms/{}/joined_members", at.room),
    "early event": lambda user, at: user.get("/rooms/{}/event/{}", at.room, at.early),
    "late event": lambda user, at: user.get("/rooms/{}/event/{}", at.room, at.late),
    "early context": lambda user, at: user.get("/rooms/{}/context/{}", at.room, at.early),
    "late context": lambda user, at: user.get("/rooms/{}/context/{}", at.room, at.late),
    "aliases": lambda user, at: user.get("/rooms/{}/aliases", at.room),
    "initial sync": lambda user, at: user.get("/rooms/{}/initialSync", at.room),
    "watch": lambda user, at: user.get("/events", room_id=at.room, timeout=0),
    "early event alone": lambda user, at: user.get("/events/{}", at.early),
    "late event alone": lambda user, at: user.get("/events/{}", at.late),
    "event by time": lambda user, at: user.get(
        f"{V1}/rooms/{{}}/timestamp_to_event", at.room, dir="f", ts=1
    ),
    "early relations": lambda user, at: user.get(RELATIONS, at.room, at.early),
    "late relations": lambda user, at: user.get(RELATIONS, at.room, at.late),
    "related of a kind": lambda user, at: user.get(
        RELATIONS + "/{}", at.room, at.early, "m.thread"
    ),
    "related of a type": lambda user, at: user.get(
        RELATIONS + "/{}/{}", at.room, at.early, "m.thread", "m.room.message"
    ),
    "threads": lambda user, at: user.get(f"{V1}/rooms/{{}}/threads", at.room),
    "summary": lambda user, at: user.get(f"{V1}/room_summary/{{}}", at.room),
    "hierarchy": lambda user, at: user.get(f"{V1}/rooms/{{}}/hierarchy", at.room),
    "send": lambda user, at: user.put(
        "/rooms/{}/send/{}/{}", at.room, "m.room.message", secrets.token_hex(4), body=TEXT
    ),
    "set state": lambda user, at: user.put(
        "/rooms/{}/state/{}", at.room, "m.room.topic", body={"topic": "soup"}
    ),
    "set keyed state": lambda user, at: user.put(
        "/rooms/{}/state/{}/{}", at.room, "org.example.seat", "window", body={}
    ),
    "invite by state": lambda user, at: _member(user, at, at.users["stranger"], "invite"),
    "ban by state": lambda user, at: _member(user, at, at.owner, "ban"),
    "upgrade": lambda user, at: user.post("/rooms/{}/upgrade", at.room, body={"new_version": "11"}),
    "report room": lambda user, at: user.post("/rooms/{}/report", at.room, body=REASON),
    "report event": lambda user, at: user.post(
        "/rooms/{}/report/{}", at.room, at.early, body=REASON
    ),
    "private receipt": lambda user, at: user.post(
        "/rooms/{}/receipt/m.read.private/{}", at.room, at.early
    ),
    "redact of another": lambda user, at: user.put(
        "/rooms/{}/redact/{}/{}", at.room, at.early, secrets.token_hex(4), body={}
    ),
    "invite": lambda user, at: user.post(
        "/rooms/{}/invite", at.room, body={"user_id": at.users["stranger"].user_id}
    ),
    "kick": _about_owner("kick"),
    "ban": _about_owner("ban"),
    "unban": lambda user, at: user.post(
        "/rooms/{}/unban", at.room, body={"user_id": at.users["banned"].user_id}
    ),
    "receipt": lambda user, at: user.post("/rooms/{}/receipt/m.read/{}", at.room, at.early),
    "read markers": lambda user, at: user.post(
        "/rooms/{}/read_markers", at.room, body={"m.fully_read": at.early}
    ),
    "typing": lambda user, at: user.put(
        "/rooms/{}/typing/{}", at.room, user.user_id, body={"typing": True, "timeout": 1}
    ),
    "publish": lambda user, at: user.put(
        "/directory/list/room/{}", at.room, body={"visibility": "public"}
    ),
    "leave": lambda user, at: user.post("/rooms/{}/leave", at.room),
    "join": lambda user, at: user.post("/rooms/{}/join", at.room),
    "knock": lambda user, at: user.post("/knock/{}", at.room),
    "room account data": lambda user, at: user.put(
        "/user/{}/rooms/{}/account_data/org.example.x", user.user_id, at.room, body={}
    ),
    "tag": lambda user, at: user.put(
        "/user/{}/rooms/{}/tags/m.favourite", user.user_id, at.room, body={}
    ),
}


def checks() -> Iterator[tuple[str, CheckFunction]]:
    """A check per row of the tables, each with its promise."""
    kept: dict[str, Setting] = {}  # by visibility: who only reads leaves a room as it is

    def common(world: World, visibility: str) -> Setting:
        if visibility not in kept:
            kept[visibility] = _setting(world, visibility)
        return kept[visibility]

    for operation, cells in _rows(READING, width=4 * len(KINDS)):
        for number, visibility in enumerate(("joined", "invited", "shared", "world_readable")):
            row = cells[number * len(KINDS) :][: len(KINDS)]
            yield _check(operation, visibility, row, common)
    for operation, cells in _rows(WRITING, width=len(KINDS)):
        yield _check(operation, "shared", cells, _setting)


def _rows(table: str, width: int) -> Iterator[tuple[str, list[str]]]:
    for line in table.strip().splitlines()[1:]:
        words = line.split()
        cells = words[-width:]
        assert len(words) > width and set(cells) <= OUTCOMES.keys(), line
        yield " ".join(words[:-width]), cells


def _check(
    operation: str, visibility: str, row: list[str], make: Callable[[World, str], Setting]
) -> tuple[str, CheckFunction]:
    allowed = [kind for kind, cell in zip(KINDS, row, strict=True) if cell == "+"]
    who = ", ".join(allowed) or "nobody"
    promise = f"History visibility {visibility}: {operation} is for {who}."

    def check(world: World) -> None:
        at = make(world, visibility)
        wrong = []
        for kind, cell in zip(KINDS, row, strict=True):
            exchange = STEPS[operation](at.users[kind], at)
            status, errcode = OUTCOMES[cell]
            if exchange.status != status or errcode not in (None, exchange.errcode):
                wrong.append(f"{kind} is not {cell}: {exchange.status} {exchange.errcode}")
        if wrong:
            raise StepFailed("; ".join(wrong))

    return promise, check
