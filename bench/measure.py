"""One measured stretch: a closed loop of requests, and what it cost the server."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from bench.processes import Groups, cpu_by_group_s, machine_cpu_s, wait_until_quiet
from bench.wire import BROKEN, Address, Answer, Connection, Poller

PATIENCE_S = 60.0  # for one answer
ERROR_CHARACTERS = 120


class Request(NamedTuple):
    """A prepared request, and whether the body of a 200 is the right one."""

    data: bytes
    is_right: Callable[[bytes], bool]


Job = Iterator[Request]  # what one connection asks, one after the other


def holding(part: bytes) -> Callable[[bytes], bool]:
    """A check that an answer has `part` in it."""
    return lambda body: part in body


@dataclass
class Tally:
    """What the clients saw."""

    latencies_s: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, latency_s: float, answer: Answer, is_right: Callable[[bytes], bool]) -> None:
        """Count an answer: a success with its latency, or an error with its reason."""
        if answer.status == 200 and is_right(answer.body):
            self.latencies_s.append(latency_s)
        else:
            self.errors[describe(answer)] += 1


def describe(answer: Answer) -> str:
    """A wrong answer in few words."""
    if answer is BROKEN:
        return "connection broken"
    shown = answer.body[:ERROR_CHARACTERS].decode("utf-8", "replace")
    return f"{answer.status} {shown}"


@dataclass
class Result:
    """One scenario's figures. CPU is per operation and by group of processes."""

    scenario: str
    connections: int = 0
    operations: int = 0
    ops_per_s: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    cpu_ms: dict[str, float] = field(default_factory=dict)
    generator_cores: float = 0.0  # used by us; near 1, ops_per_s is a lower bound
    other_cores: float = 0.0  # used by unrelated processes: the more, the less to trust
    errors: dict[str, int] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """All fields, as plain values."""
        return asdict(self)


class Stretch:
    """From `with` until the server is quiet again: time and CPU of servers and generator."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    def __enter__(self) -> "Stretch":
        wait_until_quiet(self._groups)
        self._cpu_before_s = cpu_by_group_s(self._groups)
        self._own_before_s = time.process_time()
        self._machine_before_s = machine_cpu_s()
        self._start_s = time.perf_counter()
        return self

    def __exit__(self, *failure: object) -> None:
        self.seconds = time.perf_counter() - self._start_s
        own_s = time.process_time() - self._own_before_s
        server_s = sum(cpu_by_group_s(self._groups).values()) - sum(self._cpu_before_s.values())
        others_s = machine_cpu_s() - self._machine_before_s - own_s - server_s
        self.generator_cores = own_s / self.seconds
        self.other_cores = max(others_s, 0.0) / self.seconds
        wait_until_quiet(self._groups)
        after_s = cpu_by_group_s(self._groups)
        self.cpu_s = {name: after_s[name] - before for name, before in self._cpu_before_s.items()}

    def result(self, connections: int, tally: Tally) -> Result:
        """The figures of this stretch, after it has ended."""
        latencies_s = sorted(tally.latencies_s)
        count = len(latencies_s)
        result = Result("", connections, count, errors=dict(tally.errors))
        result.generator_cores = self.generator_cores
        result.other_cores = self.other_cores
        if count:
            result.ops_per_s = count / self.seconds
            result.p50_ms = percentile(latencies_s, 50) * 1000
            result.p99_ms = percentile(latencies_s, 99) * 1000
            result.cpu_ms = {name: used_s / count * 1000 for name, used_s in self.cpu_s.items()}
        return result


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The value that `percent` of the values do not exceed (nearest rank)."""
    rank = -(-len(ascending) * percent // 100)  # rounded up
    return ascending[max(int(rank), 1) - 1]


def closed_loop(address: Address, jobs: Sequence[Job], seconds: float, groups: Groups) -> Result:
    """Ask over one connection per job, each request after the answer to the one before.

    Ends after `seconds`, or earlier when the jobs do. Raises TimeoutError when answers stay away.
    """
    tally = Tally()
    with Poller(address, len(jobs)) as poller:
        with Stretch(groups) as stretch:
            _ask_all(poller, jobs, time.perf_counter() + seconds, tally)
        return stretch.result(len(jobs), tally)


def _ask_all(poller: Poller, jobs: Sequence[Job], end_s: float, tally: Tally) -> None:
    under_way: dict[Connection, tuple[Job, Request]] = {}

    def ask(connection: Connection, job: Job) -> None:
        request = next(job, None)
        if request is not None:
            under_way[connection] = job, request
            connection.send(request.data)

    for connection, job in zip(poller.connections, jobs, strict=True):
        ask(connection, job)
    heard_s = time.perf_counter()
    while under_way:
        for connection, answer in poller.answers(PATIENCE_S):
            now_s = heard_s = time.perf_counter()
            job, request = under_way.pop(connection)
            tally.add(now_s - connection.sent_at_s, answer, request.is_right)
            if now_s < end_s and answer is not BROKEN:
                ask(connection, job)
        if time.perf_counter() - heard_s > PATIENCE_S:
            raise TimeoutError(f"no answer within {PATIENCE_S:.0f} s")
