"""The watch on the hub, in a process of its own: tracing belongs to a whole thread."""

import subprocess
import sys
from textwrap import dedent


def run(text: str) -> str:
    """What a program under gevent prints."""
    head = "from gevent import monkey; monkey.patch_all()\nimport time, gevent\n"
    head += (
        "from chat.services import hub\nfrom chat.storage.cooperation import cooperate, in_turns\n"
    )
    busy = dedent("""
        def burn(seconds):
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                pass
    """)
    done = subprocess.run(
        [sys.executable, "-c", head + busy + dedent(text)],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": ":".join(sys.path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_long_hold_is_told_with_operation_and_stack() -> None:
    told = run("""
        import logging, sys
        logging.basicConfig(stream=sys.stdout, format="%(message)s %(operation)s %(ms)s %(stack)s")
        hub.start()

        def slow():
            work = hub.begin("sendMessage")
            burn(0.15)
            gevent.sleep(0)
            hub.end(work)

        gevent.spawn(slow).join()
        time.sleep(0.2)  # waiting holds nobody
        hub.tell()
        hub.stop()
        print("counts", sum(hub.watch().counts[6:]))
    """)
    first, counts = told.splitlines()
    assert first.startswith("the hub was held sendMessage 1")
    assert "slow" in first
    assert "burn" in first
    assert counts == "counts 1"


def test_work_is_charged_for_its_own_time_only() -> None:
    told = run("""
        hub.start()
        works = {}

        def do(name, rounds):
            works[name] = work = hub.begin(name)
            for _ in range(rounds):
                burn(0.01)
                hub.note_database(1.0)
                gevent.sleep(0.005)
            hub.end(work)
            burn(0.05)  # after its end

        gevent.joinall([gevent.spawn(do, "a", 10), gevent.spawn(do, "b", 5)])
        hub.stop()
        print(works["a"].busy_s, works["b"].busy_s, works["a"].database_s)
    """)
    a, b, database = map(float, told.split())
    assert 0.1 <= a < 0.16
    assert 0.05 <= b < 0.11
    assert database == 10


def test_a_cooperating_loop_lets_others_run() -> None:
    told = run("""
        hub.start()
        late = []

        def tick():
            for _ in range(30):
                before = time.perf_counter()
                gevent.sleep(0.001)
                late.append(time.perf_counter() - before)

        def loop(yields):
            end = time.perf_counter() + 0.3
            while time.perf_counter() < end:
                burn(0.0005)
                if yields:
                    cooperate()

        for yields in (True, False):
            late.clear()
            gevent.joinall([gevent.spawn(tick), gevent.spawn(loop, yields)])
            print(max(late))
        hub.stop()
    """)
    with_it, without = map(float, told.split())
    assert with_it < 0.1
    assert without > 0.25


def test_without_a_watch_cooperating_is_nothing() -> None:
    assert (
        run("cooperate(); list(in_turns(range(9))); print(gevent.getcurrent().dead)") == "False\n"
    )
