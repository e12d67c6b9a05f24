"""Clients that keep a server busy and note, in order, what it acknowledged.

Each is a thread with one keep-alive connection. It repeats a request until the server answers it,
as clients do, so that whatever happens in between must have happened once.
"""

import http.client
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

TIMEOUT_S = 60
AGAIN_S = 0.05
V3 = "/_matrix/client/v3"


class Refused(Exception):
    """An answer that no fault of the server explains."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An event that the server promised to keep."""

    room_id: str
    event_id: str
    marker: str  # nobody sent this twice


@dataclass
class Traffic:
    """Requests of all clients: what came back, and when."""

    statuses: Counter[str] = field(default_factory=Counter)
    latencies_s: list[tuple[float, float]] = field(default_factory=list)  # (answered at, took)

    def p99_s(self, since_s: float, until_s: float) -> float:
        """Of the requests answered in a span of time.monotonic()."""
        took = sorted(took for at, took in self.latencies_s if since_s <= at < until_s)
        return took[int(len(took) * 0.99)] if took else float("inf")


class Connection:
    """One client's way to the server, to any of several addresses (host, port)."""

    def __init__(
        self,
        ports: Sequence[int],
        traffic: Traffic,
        token: str | None = None,
        *,
        kept: bool = True,
    ) -> None:
        self._ports = ports
        self._traffic = traffic
        self._token = token
        self._kept = kept
        self._open: http.client.HTTPConnection | None = None

    def try_once(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and answer. Raises OSError or HTTPException when there was no answer."""
        if self._open is None:
            port = random.choice(list(self._ports))
            self._open = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        started_s = time.monotonic()
        try:
            self._open.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self._open.getresponse()
            content = answer.read()
            if not self._kept:
                self.close()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        now_s = time.monotonic()
        self._traffic.latencies_s.append((now_s, now_s - started_s))
        self._traffic.statuses[str(answer.status)] += 1
        return answer.status, json.loads(content)

    def close(self) -> None:
        """Have the next request open a new connection."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def request(
        self, method: str, path: str, body: Any = None, until: Callable[[], bool] = lambda: False
    ) -> Any:
        """The answer, asked for again and again until there is one, or None once `until` says so.

        Raises Refused for an answer that is neither success nor the server's own fault.
        """
        while not until():
            try:
                status, answer = self.try_once(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                self._traffic.statuses[type(error).__name__] += 1
                time.sleep(AGAIN_S)
                continue
            if status == 200:
                return answer
            if status < 500:
                raise Refused(f"{method} {path}: {status} {answer}")
            time.sleep(AGAIN_S)
        return None


class Client(threading.Thread):
    """A user who sends, changes state, joins and leaves, reads, and stores things, all the time."""

    def __init__(
        self, name: str, ports: Sequence[int], traffic: Traffic, *, kept: bool = True
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._ports, self._traffic, self._kept = ports, traffic, kept
        self._stopping = threading.Event()
        self._numbers = itertools.count()
        self._random = random.Random(name)
        self.acknowledged: list[Acknowledged] = []
        self.account_data = -1  # the last number that was acknowledged
        self.read_up_to: str | None = None
        self.error: Exception | None = None
        self.shared = self.own = self.visited = ""
        self.connection = self._registered(name)

    def _registered(self, name: str) -> Connection:
        anonymous = Connection(self._ports, self._traffic)
        body = {"username": name, "password": name, "auth": {"type": "m.login.dummy"}}
        answer = anonymous.request("POST", f"{V3}/register", body)
        anonymous.close()
        self.user_id: str = answer["user_id"]
        return Connection(self._ports, self._traffic, answer["access_token"], kept=self._kept)

    def creates(self) -> str:
        """A new public room's ID."""
        room = self.connection.request("POST", f"{V3}/createRoom", {"preset": "public_chat"})
        room_id: str = room["room_id"]
        return room_id

    def enter(self, shared: str, visited: str) -> None:
        """Join the room where all write, make one of our own, note the one to join and leave."""
        self.shared, self.visited, self.own = shared, visited, self.creates()
        self.connection.request("POST", f"{V3}/join/{quote(shared)}", {})

    def run(self) -> None:
        """Keep busy until stopped."""
        actions = [self._say] * 6 + [self._set_topic, self._store, self._read, self._visit]
        try:
            while not self._stopping.is_set():
                self._random.choice(actions)(f"{self.name}-{next(self._numbers)}")
        except Exception as error:  # shown by whoever joins this thread
            self.error = error
        self.connection.close()

    def stop(self) -> None:
        """Ask it to end after the request that is under way."""
        self._stopping.set()

    def _ask(self, method: str, path: str, body: Any) -> Any:
        return self.connection.request(method, path, body, self._stopping.is_set)

    def _room(self) -> str:
        return self._random.choice([self.shared, self.own])

    def _say(self, marker: str) -> None:
        room_id = self._room()
        path = f"{V3}/rooms/{quote(room_id)}/send/m.room.message/{marker}"
        self._note(room_id, marker, self._ask("PUT", path, {"msgtype": "m.text", "body": marker}))

    def _set_topic(self, marker: str) -> None:
        path = f"{V3}/rooms/{quote(self.own)}/state/m.room.topic"
        self._note(self.own, marker, self._ask("PUT", path, {"topic": marker}))

    def _note(self, room_id: str, marker: str, answer: Any) -> None:
        if answer is not None:
            self.acknowledged.append(Acknowledged(room_id, answer["event_id"], marker))

    def _store(self, marker: str) -> None:
        number = int(marker.rpartition("-")[2])
        path = f"{V3}/user/{quote(self.user_id)}/account_data/proof"
        if self._ask("PUT", path, {"number": number}) is not None:
            self.account_data = number

    def _read(self, _marker: str) -> None:
        read = [one.event_id for one in self.acknowledged if one.room_id == self.own]
        if read:
            path = f"{V3}/rooms/{quote(self.own)}/receipt/m.read/{quote(read[-1])}"
            if self._ask("POST", path, {}) is not None:
                self.read_up_to = read[-1]

    def _visit(self, _marker: str) -> None:
        room = quote(self.visited)
        if self._ask("POST", f"{V3}/join/{room}", {}) is not None:
            self._ask("POST", f"{V3}/rooms/{room}/leave", {})


class Crowd:
    """Some clients on a server at 127.0.0.1, on any of `ports`; the list may change meanwhile.

    With `new_connections` each request has one of its own, so that any node may serve it.
    """

    def __init__(self, ports: Sequence[int], count: int, *, new_connections: bool = False) -> None:
        self.traffic = Traffic()
        self.clients = [
            Client(f"c{i}", ports, self.traffic, kept=not new_connections) for i in range(count)
        ]
        shared, visited = self.clients[0].creates(), self.clients[0].creates()
        for client in self.clients:
            client.enter(shared, visited)
            client.start()

    def acknowledged(self) -> int:
        """How many events so far."""
        return sum(len(client.acknowledged) for client in self.clients)

    def check(self) -> None:
        """Raises what ended a client."""
        for client in self.clients:
            if client.error is not None:
                raise client.error

    def await_progress(self, timeout_s: float) -> bool:
        """Whether every client gets an event acknowledged soon."""
        before = [len(client.acknowledged) for client in self.clients]
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            self.check()
            now = [len(client.acknowledged) for client in self.clients]
            if all(after > first for first, after in zip(before, now, strict=True)):
                return True
            time.sleep(0.02)
        return False

    def stop(self) -> list[str]:
        """End all clients; what ended some of them before."""
        for client in self.clients:
            client.stop()
        for client in self.clients:
            client.join()
        return [repr(client.error) for client in self.clients if client.error is not None]
