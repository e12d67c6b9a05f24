"""CPU time and memory of processes and their children, read from /proc (Linux)."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
QUIET_STEP_S = 0.1
QUIET_CPU_S = 0.015  # one tick or less of CPU time in a step counts as quiet

Groups = Mapping[str, int]  # name of a group of processes ("app", "db") -> id of its first one


class Memory(NamedTuple):
    """Resident memory; `pss` counts a page shared by n processes as 1/n in each of them."""

    rss_bytes: int
    pss_bytes: int


def tree(pid: int) -> list[int]:
    """A process and its living descendants."""
    found = [pid]
    for parent in found:  # grows while it is walked
        found += _children(parent)
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for listing in PROC.glob(f"{pid}/task/*/children"):
        try:
            children += map(int, listing.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended meanwhile
    return children


def cpu_s(pid: int) -> float:
    """CPU seconds of a tree so far, children that have ended and been waited for included."""
    return sum(_process_cpu_s(each) for each in tree(pid))


def _process_cpu_s(pid: int) -> float:
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # ended between two readings
    return parse_stat(stat) / TICKS_PER_S


def parse_stat(stat: str) -> int:
    """Ticks of CPU in a line of /proc/PID/stat: utime + stime + cutime + cstime (proc(5))."""
    after_name = stat.rpartition(")")[2].split()  # the name itself may hold blanks and brackets
    return sum(map(int, after_name[11:15]))


def cpu_by_group_s(groups: Groups) -> dict[str, float]:
    """CPU seconds so far of each group."""
    return {name: cpu_s(pid) for name, pid in groups.items()}


def machine_cpu_s() -> float:
    """CPU seconds that all cores have spent so far; what a host of virtual machines took counts."""
    return parse_machine((PROC / "stat").read_text()) / TICKS_PER_S


def parse_machine(text: str) -> int:
    """Busy ticks of all cores in /proc/stat: all columns but idle and iowait, guests not twice."""
    user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = map(int, text.split()[1:11])
    return user + nice + system + irq + softirq + steal


def memory(pid: int) -> Memory:
    """Memory of a tree. Needs the right to read other users' /proc where it crosses users."""
    each = [parse_rollup((PROC / str(one) / "smaps_rollup").read_text()) for one in tree(pid)]
    return Memory(sum(one.rss_bytes for one in each), sum(one.pss_bytes for one in each))


def parse_rollup(text: str) -> Memory:
    """The totals of /proc/PID/smaps_rollup."""
    sizes = {}
    for line in text.splitlines()[1:]:
        name, value, *_ = line.split()
        sizes[name] = int(value) * 1024
    return Memory(sizes["Rss:"], sizes["Pss:"])


def wait_until_quiet(groups: Groups, patience_s: float = 2.0) -> None:
    """Return when the groups use next to no CPU, or after `patience_s`."""
    deadline = time.monotonic() + patience_s
    before = sum(cpu_by_group_s(groups).values())
    while time.monotonic() < deadline:
        time.sleep(QUIET_STEP_S)
        now = sum(cpu_by_group_s(groups).values())
        if now - before <= QUIET_CPU_S:
            return
        before = now
