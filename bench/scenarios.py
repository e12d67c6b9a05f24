"""What is measured, one function each. `SCENARIOS` gives names and order."""

import itertools
import json
import operator
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from bench.measure import Job, Request, Result, closed_loop, holding
from bench.processes import Groups
from bench.wire import Address, request
from bench.world import (
    V3,
    User,
    World,
    room_path,
    send_request,
    sync_target,
    text,
    upload_request,
)

CONNECTIONS = 8
WARM_UP = 0.2  # of the measured time
MEDIA_BYTES = 100 << 10
HISTORY_EVENTS = 300
PAGE_EVENTS = 100
STATE_EVENTS = 500
SYNC_ROOMS = 10
SYNC_MESSAGES = 12
JOIN_ROOMS = 10


@dataclass(frozen=True, slots=True)
class Bench:
    """The server under measurement."""

    address: Address
    groups: Groups  # its processes; empty when they cannot be seen
    world: World
    seconds: float  # measured per scenario
    observed: Callable[[], AbstractContextManager[object]] = nullcontext  # put around each stretch

    def measure(self, jobs: Sequence[Job], warm_up: bool = True) -> Result:
        """Run a closed loop, one connection per job."""
        if warm_up:
            closed_loop(self.address, jobs, self.seconds * WARM_UP, {})
        with self.observed():
            return closed_loop(self.address, jobs, self.seconds, self.groups)


def _again(data: bytes, is_right: Callable[[bytes], bool]) -> Job:
    return itertools.repeat(Request(data, is_right))


def _get(target: str, user: User, part: bytes) -> Job:
    return _again(request("GET", target, user.token), holding(part))


# --- small requests ---


def versions(bench: Bench) -> Result:
    """GET /versions: the cost of the stack."""
    data = request("GET", "/_matrix/client/versions")
    return bench.measure([_again(data, holding(b'"versions"')) for _ in range(CONNECTIONS)])


def whoami(bench: Bench) -> Result:
    """GET /account/whoami: authentication."""
    users = bench.world.users(CONNECTIONS)
    target = f"{V3}/account/whoami"
    return bench.measure([_get(target, user, user.user_id.encode()) for user in users])


def profile(bench: Bench) -> Result:
    """GET /profile: one row."""
    users = bench.world.users(CONNECTIONS)
    for number, user in enumerate(users):
        name = {"displayname": f"Name {number}"}
        bench.world.call("PUT", f"{V3}/profile/{user.user_id}/displayname", user, name)
    return bench.measure(
        [
            _get(f"{V3}/profile/{user.user_id}", user, b'"Name %d"' % number)
            for number, user in enumerate(users)
        ]
    )


# --- sending ---


def _sends(user: User, room_id: str) -> Iterator[Request]:
    is_right = holding(b'"event_id"')
    for number in itertools.count():
        content = text(f"message {number} of a benchmark")
        yield Request(send_request(user, room_id, content), is_right)


def send(bench: Bench, connections: int) -> Result:
    """Messages into eight rooms of four members; each connection is another user."""
    rooms = bench.world.small_rooms()
    senders = [(members[row], room_id) for row in range(4) for room_id, members in rooms]
    return bench.measure([_sends(*sender) for sender in senders[:connections]])


def send_one_room(bench: Bench) -> Result:
    """Eight senders, all into one room."""
    users = bench.world.users(CONNECTIONS)
    room_id = bench.world.room(users)
    return bench.measure([_sends(user, room_id) for user in users])


# --- rooms ---


def create_room(bench: Bench) -> Result:
    """Private rooms, the creator alone in them."""
    data = json.dumps({"preset": "private_chat", "name": "Bench"}).encode()
    return bench.measure(
        [
            _again(request("POST", f"{V3}/createRoom", user.token, data), holding(b'"room_id"'))
            for user in bench.world.users(CONNECTIONS)
        ]
    )


def join(bench: Bench) -> Result:
    """Each user joins each of ten public rooms once; two joiners never meet in step."""
    owner, *joiners = bench.world.users(33)
    rooms = [bench.world.room([owner]) for _ in range(JOIN_ROOMS)]
    is_right = holding(b'"room_id"')

    def joins(first: int) -> Iterator[Request]:
        for user in joiners[first::CONNECTIONS]:
            for number in range(len(rooms)):
                room_id = rooms[(first + number) % len(rooms)]
                data = request("POST", room_path(room_id, "join"), user.token, b"{}")
                yield Request(data, is_right)

    return bench.measure([joins(first) for first in range(CONNECTIONS)], warm_up=False)


def messages(bench: Bench) -> Result:
    """Walks of 100 events a page, backwards through 300 messages."""
    users = bench.world.users(4)
    room_id = bench.world.room(users)
    for user in users:
        bench.world.fill(user, room_id, HISTORY_EVENTS // len(users))
    first = f"{room_path(room_id, 'messages')}?dir=b&limit={PAGE_EVENTS}"
    targets = [first]
    while len(targets) < HISTORY_EVENTS // PAGE_EVENTS:
        page = bench.world.call("GET", targets[-1], users[0])
        targets.append(f"{first}&from={quote(page['end'])}")

    def walk(user: User) -> Iterator[Request]:
        for target in itertools.cycle(targets):
            yield Request(request("GET", target, user.token), _is_full_page)

    return bench.measure([walk(users[each % len(users)]) for each in range(CONNECTIONS)])


def _is_full_page(body: bytes) -> bool:
    return body.count(b'"event_id"') >= PAGE_EVENTS and b'"end"' in body


def state(bench: Bench, events: int = STATE_EVENTS) -> Result:
    """GET /state of a room with 8 members and `events` events like those of members.

    Real ones would have to be registered first, which is slow with some servers.
    """
    users = bench.world.users(CONNECTIONS)
    room_id = bench.world.room(users)
    for number in range(events):
        target = room_path(room_id, "state", "bench.member", f"user{number}:localhost")
        content = {"membership": "join", "displayname": f"User {number}"}
        bench.world.call("PUT", target, users[0], content)

    def is_right(body: bytes) -> bool:
        return body.count(b'"membership"') >= events + len(users)

    return bench.measure(
        [_again(request("GET", room_path(room_id, "state"), u.token), is_right) for u in users[:4]]
    )


# --- media ---


def media_upload(bench: Bench) -> Result:
    """100 KiB of random bytes, never the same twice."""

    def uploads(user: User) -> Iterator[Request]:
        rest = secrets.token_bytes(MEDIA_BYTES - 16)
        for number in itertools.count():
            yield Request(upload_request(user, b"%16d" % number + rest), holding(b'"content_uri"'))

    return bench.measure([uploads(user) for user in bench.world.users(CONNECTIONS)])


def media_download(bench: Bench) -> Result:
    """100 KiB, authenticated; the content is compared."""
    users = bench.world.users(CONNECTIONS)
    blobs = [secrets.token_bytes(MEDIA_BYTES) for _ in users]
    targets = [bench.world.upload(*pair) for pair in zip(users, blobs, strict=True)]
    return bench.measure(
        [
            _again(request("GET", target, user.token), partial(operator.eq, blob))
            for user, target, blob in zip(users, targets, blobs, strict=True)
        ]
    )


# --- sync ---


def initial_sync(bench: Bench) -> Result:
    """GET /sync without since: ten rooms of four members with twelve messages each."""
    users = bench.world.sync_users(SYNC_ROOMS, SYNC_MESSAGES)

    def syncs(user: User) -> Iterator[Request]:
        for number in itertools.count():  # a stored copy of an earlier answer does not count
            data = request("GET", sync_target(timeout_ms=number), user.token)
            yield Request(data, _has_all_rooms)

    return bench.measure([syncs(user) for user in users])


def _has_all_rooms(body: bytes) -> bool:
    return body.count(b'"timeline"') == SYNC_ROOMS and body.count(b'"event_id"') >= SYNC_ROOMS * 10


def noop_sync(bench: Bench, varied: bool) -> Result:
    """GET /sync with nothing new, timeout=0; the requests differ, or are all the same."""
    users = bench.world.sync_users(SYNC_ROOMS, SYNC_MESSAGES)
    tokens = [bench.world.settled(user) for user in users]

    def syncs(user: User, since: str) -> Iterator[Request]:
        for number in itertools.count():
            limit = 10 + number % 5000 if varied else 10
            filter_json = json.dumps({"room": {"timeline": {"limit": limit}}})
            data = request("GET", sync_target(since, 0, filter_json), user.token)
            yield Request(data, _has_no_room)

    return bench.measure([syncs(user, since) for user, since in zip(users, tokens, strict=True)])


def _has_no_room(body: bytes) -> bool:
    return b'"next_batch"' in body and b'"timeline"' not in body


SCENARIOS: dict[str, Callable[[Bench], Result]] = {
    "versions": versions,
    "whoami": whoami,
    "profile": profile,
    "send": partial(send, connections=8),
    "send_c1": partial(send, connections=1),
    "send_c32": partial(send, connections=32),
    "send_one_room": send_one_room,
    "create_room": create_room,
    "join": join,
    "messages": messages,
    "media_upload": media_upload,
    "media_download": media_download,
    "initial_sync": initial_sync,
    "noop_sync": partial(noop_sync, varied=True),
    "noop_sync_repeat": partial(noop_sync, varied=False),
    "state": state,
    "state_1000": partial(state, events=1000),
}
