"""Scenarios with clients that wait: fan-out to long polls, and the memory of idle ones."""

import json
import time
from collections.abc import Callable

from bench.measure import Result, Stretch, Tally, describe
from bench.processes import Memory, memory, wait_until_quiet
from bench.scenarios import Bench
from bench.wire import BROKEN, Answer, Connection, Poller, request
from bench.world import SetUpError, User, send_request, sync_target, text

LONG_POLL_MS = 30_000
SETTLE_S = 1.0
DELIVERY_S = 10.0  # after that a message counts as lost
PER_BURST = 20  # connections opened before the server gets a moment to accept them
BURST_PAUSE_S = 0.02


class Fan:
    """A room whose members all hold a long poll; the first user sends."""

    def __init__(self, bench: Bench, receivers: int) -> None:
        self._bench = bench
        self._sender, *self._members = bench.world.users(receivers + 1)
        self._room_id = bench.world.room([self._sender, *self._members])
        self._waiting: dict[Connection, User] = {}
        self._awaited: set[Connection] = set()  # still without the present message
        self._body = b""
        self._tally = Tally()

    def measure(self) -> Result:
        """Send, await all deliveries, repeat. One operation is one delivery."""
        tokens = [self._bench.world.next_batch(member) for member in self._members]
        with Poller(self._bench.address, len(tokens) + 1) as poller:
            self._sending, *receiving = poller.connections
            self._waiting = dict(zip(receiving, self._members, strict=True))
            for connection, token in zip(receiving, tokens, strict=True):
                self._poll(connection, token)
            self._pump(poller, until=lambda: False, patience_s=SETTLE_S)
            with self._bench.observed(), Stretch(self._bench.groups) as stretch:
                messages = self._rounds(poller)
        result = stretch.result(len(self._waiting), self._tally)
        result.extra = {"messages": messages}
        return result

    def _rounds(self, poller: Poller) -> int:
        end_s = time.perf_counter() + self._bench.seconds
        number = 0
        while time.perf_counter() < end_s:
            number += 1
            self._send_and_await(poller, f"fan {number:06}")
        return number

    def _send_and_await(self, poller: Poller, body: str) -> None:
        self._body = body.encode()
        self._awaited = {self._sending, *self._waiting}
        self._sending.send(send_request(self._sender, self._room_id, text(body)))
        self._pump(poller, until=lambda: not self._awaited, patience_s=DELIVERY_S)
        if self._awaited:
            self._tally.errors["not delivered"] += len(self._awaited)

    def _pump(self, poller: Poller, until: Callable[[], bool], patience_s: float) -> None:
        """Read deliveries and poll again, until told or out of patience."""
        deadline_s = time.perf_counter() + patience_s
        while not until() and (left_s := deadline_s - time.perf_counter()) > 0:
            for connection, answer in poller.answers(left_s):
                self._take(connection, answer)

    def _take(self, connection: Connection, answer: Answer) -> None:
        if answer.status != 200:
            self._tally.errors[describe(answer)] += 1
        elif connection is self._sending:
            self._awaited.discard(connection)
        else:
            if connection in self._awaited and self._body in answer.body:
                self._awaited.remove(connection)
                self._tally.latencies_s.append(time.perf_counter() - self._sending.sent_at_s)
            self._poll(connection, json.loads(answer.body)["next_batch"])

    def _poll(self, connection: Connection, since: str) -> None:
        member = self._waiting[connection]
        connection.send(request("GET", sync_target(since, LONG_POLL_MS), member.token))


def fanout(bench: Bench, receivers: int) -> Result:
    """A message to members who all hold a long poll; per delivery, the send included."""
    return Fan(bench, receivers).measure()


def long_polls(bench: Bench, count: int) -> Result:
    """Idle long polls: memory of each, and CPU per second of all. No latency, no operations.

    Raises SetUpError where the server's processes cannot be seen.
    """
    if not bench.groups:
        raise SetUpError("memory needs --pid")
    users = bench.world.users(32)
    tokens = [bench.world.settled(user) for user in users]
    wait_until_quiet(bench.groups)
    before = _memory(bench)
    result = Result("", connections=count)
    with Waiting(bench, list(zip(users, tokens, strict=True)), count) as waiting:
        wait_until_quiet(bench.groups)
        after = _memory(bench)
        with bench.observed(), Stretch(bench.groups) as stretch:
            waiting.watch(bench.seconds)
        result.errors = waiting.errors
    cpu_ms_per_s = sum(stretch.cpu_s.values()) / stretch.seconds * 1000
    result.extra = {
        "idle_rss_mb": _mb(before.rss_bytes),
        "idle_pss_mb": _mb(before.pss_bytes),
        "rss_mb": _mb(after.rss_bytes),
        "pss_mb": _mb(after.pss_bytes),
        "pss_kb_per_poll": round((after.pss_bytes - before.pss_bytes) / count / 1000, 1),
        "cpu_ms_per_s": round(cpu_ms_per_s, 1),
    }
    return result


class Waiting:
    """Many long polls that are expected to wait."""

    def __init__(self, bench: Bench, users: list[tuple[User, str]], count: int) -> None:
        self.errors: dict[str, int] = {}
        self._poller = Poller(bench.address, 0)
        for number in range(count):
            user, since = users[number % len(users)]
            timeout_ms = LONG_POLL_MS + number  # none is a repetition of another
            data = request("GET", sync_target(since, timeout_ms), user.token)
            self._poller.add(Connection(bench.address)).send(data)
            if number % PER_BURST == PER_BURST - 1:
                time.sleep(BURST_PAUSE_S)

    def watch(self, seconds: float) -> None:
        """Wait; an answer that comes meanwhile is an error."""
        deadline_s = time.perf_counter() + seconds
        while (left_s := deadline_s - time.perf_counter()) > 0:
            for _, answer in self._poller.answers(left_s):
                reason = "answered early" if answer is not BROKEN else describe(answer)
                self.errors[reason] = self.errors.get(reason, 0) + 1

    def __enter__(self) -> "Waiting":
        return self

    def __exit__(self, *failure: object) -> None:
        self._poller.close()


def _memory(bench: Bench) -> Memory:
    each = [memory(pid) for pid in bench.groups.values()]
    return Memory(sum(one.rss_bytes for one in each), sum(one.pss_bytes for one in each))


def _mb(size_bytes: int) -> float:
    return round(size_bytes / 1e6, 1)
