"""Where our server's CPU time goes while a scenario runs: python -m bench.profile send

py-spy (from PyPI) samples the worker from outside, so that the server runs unchanged. A function's
own share is the time in its own lines and in C code called from them.
"""

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench import ROOT
from bench.__main__ import ALL
from bench.processes import tree
from bench.report import aligned
from bench.scenarios import Bench
from bench.servers import our_server, pin_to_core
from bench.wire import address_of
from bench.world import World

SAMPLES_PER_S = 200
ATTACH_S = 0.5
WAITING = "acquire_with_timeout (gevent/_threading.py)"  # a pool's thread that waits for work
FRAME = re.compile(r"(?P<name>.*) \((?P<file>[^()]*):(?P<line>\d+)\)")


class Sample(NamedTuple):
    """A stack from outermost to innermost frame, each "name (file:line)", and how often seen."""

    frames: list[str]
    seen: int


@contextmanager
def recorded(pid: int, raw: Path) -> Iterator[None]:
    """Sample a process meanwhile, and leave its stacks in `raw`."""
    program = shutil.which("py-spy") or str(Path(sys.executable).with_name("py-spy"))
    command = [program, "record", "--pid", str(pid), "--format", "raw", "--output", str(raw)]
    command += ["--rate", str(SAMPLES_PER_S), "--duration", "unlimited"]
    recorder = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(ATTACH_S)
    try:
        yield
    finally:
        recorder.send_signal(signal.SIGINT)  # writes the file and ends
        recorder.wait()


def samples(raw: str) -> list[Sample]:
    """Read collapsed stacks, one `frame;frame;… count` per line; threads that wait are left out."""
    found = []
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        found.append(Sample(stack.split(";"), int(count)))
    return [sample for sample in found if by_function(sample.frames[-1]) != WAITING]


def by_function(frame: str) -> str:
    """A frame without its line number, its file shortened."""
    match = FRAME.fullmatch(frame)
    return f"{match['name']} ({short(match['file'])})" if match else frame


def by_line(frame: str) -> str:
    """A frame with its line number, its file shortened."""
    match = FRAME.fullmatch(frame)
    return f"{match['name']} ({short(match['file'])}:{match['line']})" if match else frame


def short(file: str) -> str:
    """A path without what all paths have in front."""
    return re.sub(r".*/(site-packages|python3\.\d+)/", "", file.removeprefix(f"{ROOT}/"))


def own_shares(taken: Iterable[Sample]) -> Counter[str]:
    """Samples by innermost line."""
    shares: Counter[str] = Counter()
    for sample in taken:
        shares[by_line(sample.frames[-1])] += sample.seen
    return shares


def inclusive_shares(taken: Iterable[Sample]) -> Counter[str]:
    """Samples by function, with everything that it calls."""
    shares: Counter[str] = Counter()
    for sample in taken:
        for function in {by_function(frame) for frame in sample.frames}:
            shares[function] += sample.seen
    return shares


def table(title: str, shares: Counter[str], total: int, rows: int) -> str:
    """The largest shares in per cent."""
    lines = [(f"{count / total:6.1%}", name) for name, count in shares.most_common(rows)]
    return f"{title}\n{aligned(lines)}\n"


def main() -> None:
    """Run one scenario under the sampler and print where the time went."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("scenario", choices=ALL)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rows", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, our_server(options.database) as target:
        pin_to_core(1)
        raw = Path(folder) / "stacks"
        worker = tree(target.groups["app"])[1]
        world = World(address_of(target.url), target.secret)
        bench = Bench(
            address_of(target.url),
            target.groups,
            world,
            options.seconds,
            observed=lambda: recorded(worker, raw),
        )
        result = ALL[options.scenario](bench)
        taken = samples(raw.read_text(encoding="utf-8"))
    total = sum(sample.seen for sample in taken)
    print(f"{options.scenario}: {result.cpu_ms} CPU-ms per operation, {total} samples")
    print(table("own", own_shares(taken), total, options.rows))
    print(table("inclusive", inclusive_shares(taken), total, 2 * options.rows))


if __name__ == "__main__":
    main()
