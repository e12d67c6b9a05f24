"""Scenarios of accounts with few and with many rooms: first syncs of both kinds, and what follows.

Each account is alone in its rooms, which have a name and two messages. `extra` has the size of the
largest answer.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from bench.measure import Request, Result
from bench.scenarios import Bench
from bench.wire import request
from bench.world import User, send_request, sync_target, text

SLIDING = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
MESSAGES = 2
WINDOW = 20  # rooms that a client shows at first
# What a client that shows a list of rooms asks for.
STATE = [
    *[[kind, ""] for kind in ("m.room.name", "m.room.avatar", "m.room.encryption")],
    *[[kind, ""] for kind in ("m.room.topic", "m.room.power_levels", "m.room.create")],
    *[["m.room.member", key] for key in ("$LAZY", "$ME")],
    *[[kind, "*"] for kind in ("m.space.child", "m.space.parent")],
]

_accounts: dict[tuple[int, int], tuple[User, list[str]]] = {}


def account(bench: Bench, rooms: int) -> tuple[User, list[str]]:
    """A user with so many rooms; the same for all scenarios of a server."""
    key = (id(bench.world), rooms)
    if key not in _accounts:
        user = bench.world.new_user(f"rooms{rooms}")
        made = [bench.world.room([user]) for _ in range(rooms)]
        for room_id in made:
            bench.world.fill(user, room_id, MESSAGES)
        _accounts[key] = user, made
    return _accounts[key]


class _Largest:
    """Checks answers, and remembers the size of the largest."""

    def __init__(self, is_right: Callable[[bytes], bool]) -> None:
        self._is_right = is_right
        self.size_bytes = 0

    def __call__(self, body: bytes) -> bool:
        self.size_bytes = max(self.size_bytes, len(body))
        return self._is_right(body)


def _measured(bench: Bench, jobs: list[Iterator[Request]], check: _Largest) -> Result:
    result = bench.measure(jobs)
    result.extra = {"largest_kb": round(check.size_bytes / 1000, 1)}
    return result


# --- classic ---


def initial_sync(bench: Bench, rooms: int) -> Result:
    """GET /sync without since, one after another."""
    user, _ = account(bench, rooms)
    check = _Largest(lambda body: body.count(b'"timeline"') == rooms)

    def syncs() -> Iterator[Request]:
        for number in itertools.count():  # a stored copy of an earlier answer does not count
            yield Request(request("GET", sync_target(timeout_ms=number), user.token), check)

    return _measured(bench, [syncs()], check)


# --- sliding ---


def _slide(user: User, pos: str | None, last: int, conn_id: str = "bench") -> bytes:
    wish: dict[str, Any] = {
        "conn_id": conn_id,
        "lists": {"all": {"ranges": [[0, last]], "timeline_limit": 1, "required_state": STATE}},
        "extensions": {name: {"enabled": True} for name in ("account_data", "receipts", "typing")},
    }
    target = SLIDING if pos is None else f"{SLIDING}?pos={pos}"
    return request("POST", target, user.token, json.dumps(wish).encode())


def first_slide(bench: Bench, rooms: int) -> Result:
    """The first answer of a connection that shows the newest rooms."""
    user, _ = account(bench, rooms)
    shown = min(rooms, WINDOW)
    check = _Largest(lambda body: body.count(b'"initial"') == shown)

    def slides() -> Iterator[Request]:
        while True:
            yield Request(_slide(user, None, WINDOW - 1), check)

    return _measured(bench, [slides()], check)


def _connected(bench: Bench, user: User, last: int) -> str:
    """The token of a connection that has been told all of these rooms."""
    pos: str | None = None
    for _ in range(2):
        body = json.loads(_slide(user, pos, last).partition(b"\r\n\r\n")[2])
        target = SLIDING if pos is None else f"{SLIDING}?pos={pos}"
        pos = str(bench.world.call("POST", target, user, body)["pos"])
    assert pos is not None
    return pos


def idle_slide(bench: Bench, rooms: int) -> Result:
    """A connection that shows all rooms, in which nothing happens."""
    user, _ = account(bench, rooms)
    pos = _connected(bench, user, rooms)
    check = _Largest(lambda body: b'"pos"' in body and b'"timeline"' not in body)
    data = _slide(user, pos, rooms)
    return _measured(bench, [itertools.repeat(Request(data, check))], check)


def busy_slide(bench: Bench, rooms: int) -> Result:
    """A message, then the answer that tells of it; both are one operation each."""
    user, made = account(bench, rooms)
    newest: dict[str, str] = {"pos": _connected(bench, user, rooms)}

    def is_right(body: bytes) -> bool:
        if b'"pos"' in body:
            newest["pos"] = json.loads(body)["pos"]
            return b'"timeline"' in body
        return b'"event_id"' in body

    check = _Largest(is_right)

    def slides() -> Iterator[Request]:
        for room_id in itertools.cycle(made):
            yield Request(send_request(user, room_id, text("busy")), check)
            yield Request(_slide(user, newest["pos"], rooms), check)

    return _measured(bench, [slides()], check)


SYNCS: dict[str, Callable[[Bench], Result]] = {
    f"{name}_{rooms}": partial(scenario, rooms=rooms)
    for rooms in (1, 100, 2_000)
    for name, scenario in {
        "initial_sync": initial_sync,
        "first_slide": first_slide,
        "idle_slide": idle_slide,
        "busy_slide": busy_slide,
    }.items()
}
