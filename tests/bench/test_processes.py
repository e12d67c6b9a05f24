"""What the benchmark reads from /proc."""

import os
import subprocess
import sys
import time

import pytest
from bench.processes import (
    TICKS_PER_S,
    cpu_s,
    memory,
    parse_machine,
    parse_rollup,
    parse_stat,
    tree,
)

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
LAST = "import os, sys\nprint(os.getpid(), flush=True)\nsys.stdin.read()"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}])
subprocess.Popen([sys.executable, "-c", {LAST!r}])
sys.stdin.read()
"""


@pytest.fixture
def parent():
    """A process that has had one busy child and has one idle child."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.child = int(process.stdout.readline())
    yield process
    process.communicate()


def test_user_and_system_time_of_process_and_ended_children_are_added():
    fields = "S 1 2 3 4 5 6 7 8 9 10 100 20 3 1 18 0"
    assert parse_stat(f"123 (a (strange) name) {fields}\n") == 124


def test_a_tree_holds_the_living_children(parent):
    assert tree(parent.pid) == [parent.pid, parent.child]


def test_cpu_of_ended_children_counts(parent):
    assert cpu_s(parent.pid) >= 0.3 - 1 / TICKS_PER_S


def test_cpu_of_threads_counts():
    before = cpu_s(os.getpid())
    start = time.process_time()
    while time.process_time() - start < 0.2:
        pass
    assert cpu_s(os.getpid()) - before >= 0.2 - 2 / TICKS_PER_S


def test_memory_of_the_tree_is_more_than_that_of_its_first_process(parent):
    whole, child = memory(parent.pid), memory(parent.child)
    assert whole.rss_bytes > child.rss_bytes > child.pss_bytes > 1_000_000


def test_a_rollup_is_read_in_bytes():
    text = (
        "55d0-7ffd ---p 00000000 00:00 0   [rollup]\nRss:   20 kB\nPss:   10 kB\nPss_Dirty: 1 kB\n"
    )
    assert parse_rollup(text) == (20480, 10240)


def test_the_machine_is_busy_with_everything_but_waiting():
    assert parse_machine("cpu  1 2 4 1000 2000 8 16 32 64 128\ncpu0 1 1 1 1 1 1 1 1 1 1\n") == 63
