"""Measure our server, or with --url one that runs already. See the package's docstring."""

import argparse
import datetime
import os
import platform
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from bench import ROOT, report
from bench.measure import Result
from bench.processes import memory
from bench.receivers import fanout, long_polls
from bench.rivals import synapse
from bench.scenarios import SCENARIOS, Bench
from bench.servers import Target, Unmeasurable, our_server, pin_to_core
from bench.syncs import SYNCS
from bench.wire import address_of
from bench.world import SetUpError, World

ALL: dict[str, Callable[[Bench], Result]] = (
    SCENARIOS
    | SYNCS
    | {
        "fanout_20": partial(fanout, receivers=20),
        "fanout_200": partial(fanout, receivers=200),
        "fanout_1000": partial(fanout, receivers=1000),
        "long_polls_1000": partial(long_polls, count=1000),  # last: they linger
        "long_polls_10000": partial(long_polls, count=10_000),
    }
)
LONG = frozenset(
    {"fanout_1000", "long_polls_10000", *(name for name in SYNCS if name.endswith("_2000"))}
)  # only when asked for


def main() -> None:
    """Run the scenarios and print their table."""
    options = _options()
    raise_open_files()
    reports = []
    for server in _servers(options):
        with server as target:
            reports.append(_measured_all(target, options))
        print(report.table(reports[-1]), flush=True)
        if options.save:
            path = ROOT / "bench" / "results" / f"{options.save}-{target.label}.json"
            report.save(reports[-1], path)
    if len(reports) > 1:
        print(f"\n{report.comparison(reports)}")


def _servers(options: argparse.Namespace) -> list[AbstractContextManager[Target]]:
    """What is to be measured, one after another."""
    if options.url is not None:
        return [nullcontext(_given(options))]
    ours = our_server(options.database)
    return [ours, synapse(options.database)] if options.beside == "synapse" else [ours]


def _measured_all(target: Target, options: argparse.Namespace) -> report.Report:
    cores = os.sched_getaffinity(0)
    pin_to_core(1)
    results = [result.as_json() for result in _results(target, options)]
    os.sched_setaffinity(0, cores)
    return {"label": target.label, "about": _about(), "results": results}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument(
        "--beside", choices=("synapse",), help="measure this one too, in the same run, and compare"
    )
    parser.add_argument("--url", help="a running server's http:// address, instead of ours")
    parser.add_argument("--secret", default="", help="its registration_shared_secret")
    parser.add_argument(
        "--pid",
        action="append",
        default=[],
        metavar="[GROUP=]PID",
        help="its processes' first one; db=PID for its database. Without: no CPU and no memory",
    )
    parser.add_argument("--label", default="other", help="its name in the table")
    parser.add_argument(
        "--scenarios",
        type=_names,
        default=[name for name in ALL if name not in LONG],
        help=", ".join(ALL),
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="measured per scenario")
    parser.add_argument("--save", metavar="NAME", help="write bench/results/NAME-….json")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in ALL]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}")
    return names


def _given(options: argparse.Namespace) -> Target:
    pairs = [text.rpartition("=") for text in options.pid]
    groups = {group or "app": int(pid) for group, _, pid in pairs}
    return Target(options.label, options.url, options.secret, groups)


def raise_open_files() -> None:
    """As many connections as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _results(target: Target, options: argparse.Namespace) -> Iterator[Result]:
    if target.start_s is not None:
        yield _start(target, target.start_s)
    world = World(address_of(target.url), target.secret)
    bench = Bench(address_of(target.url), target.groups, world, options.seconds)
    for name in options.scenarios:
        print(f"{name} …", file=sys.stderr, flush=True)
        yield _measured(name, bench)
    world.close()


def _start(target: Target, start_s: float) -> Result:
    """The start itself, and the memory after it."""
    app = memory(target.groups["app"])
    extra = {
        "start_s": round(start_s, 2),
        "rss_mb": round(app.rss_bytes / 1e6, 1),
        "pss_mb": round(app.pss_bytes / 1e6, 1),
    }
    return Result("start", extra=extra)


def _measured(name: str, bench: Bench) -> Result:
    try:
        result = ALL[name](bench)
    except (SetUpError, TimeoutError, ConnectionError) as error:
        return Result(name, errors={f"not measured: {error}": 1})
    result.scenario = name
    return result


def _about() -> dict[str, str | int | None]:
    """Where and when; no name of the machine."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }


if __name__ == "__main__":
    try:
        main()
    except Unmeasurable as reason:
        sys.exit(str(reason))
