"""Background updates: in batches, resumed after a kill, done once."""

import json
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from chat.config.model import Database
from chat.services.background_updates import BATCH_S, FIRST_ROWS, BackgroundUpdates
from chat.storage import background_updates
from chat.storage.background_updates import Batch
from chat.storage.engine import Store, Transaction, open_store
from chat.storage.leases import Lease, LeaseLost
from chat_testing.databases import database_config, upgraded

ROWS = 2_000


def note_row(tx: Transaction, progress: dict[str, Any], size: int) -> Batch:
    """Copy users into filters; a row that is copied twice is an error."""
    names = [
        row[0]
        for row in tx.rows(
            "SELECT name FROM users WHERE name > :after ORDER BY name LIMIT :size",
            after=progress.get("after", ""),
            size=size,
        )
    ]
    tx.insert("filters", ("user_id", "filter_id", "definition"), [(n, "x", "{}") for n in names])
    return Batch(len(names), {"after": names[-1]} if names else None)


STEPS = {"copy users": note_row}


def prepare(store: Store) -> None:
    rows = [(f"user{number:05}", 0) for number in range(ROWS)]

    def work(tx: Transaction) -> None:
        tx.run("DELETE FROM background_update")  # what revisions scheduled
        tx.insert("users", ("name", "creation_ts"), rows)
        tx.insert("background_update", ("name", "number"), [("copy users", 5), ("unknown", 1)])

    store.write(work)


def copied(store: Store) -> int:
    return int(store.read(lambda tx: tx.rows("SELECT count(*) FROM filters"))[0][0])


def test_an_update_is_done_batch_by_batch_and_then_forgotten(store: Store) -> None:
    prepare(store)
    updates = BackgroundUpdates(store, steps=STEPS)
    assert updates.run_batch()
    assert copied(store) == FIRST_ROWS
    (left,) = [one for one in store.read(background_updates.pending) if one.name == "copy users"]
    assert left.rows_done == FIRST_ROWS
    while updates.run_batch():
        pass
    assert copied(store) == ROWS
    assert [one.name for one in store.read(background_updates.pending)] == ["unknown"]


def test_a_batch_grows_and_shrinks_to_what_fits_its_time(sqlite_store: Store) -> None:
    sizes: list[int] = []
    now_s = [0.0]

    def step(_tx: Transaction, _progress: dict[str, Any], size: int) -> Batch:
        sizes.append(size)
        now_s[0] += size * BATCH_S / 40  # 40 rows take the time of a batch
        return Batch(size, {})

    sqlite_store.write(lambda tx: tx.insert("background_update", ("name", "number"), [("slow", 1)]))
    updates = BackgroundUpdates(sqlite_store, steps={"slow": step}, timer=lambda: now_s[0])
    for _ in range(3):
        updates.run_batch()
    assert sizes == [FIRST_ROWS, 40, 40]


def test_who_lost_the_lease_does_nothing(store: Store) -> None:
    prepare(store)
    with pytest.raises(LeaseLost):
        BackgroundUpdates(store, steps=STEPS).run_batch(Lease("background updates", "gone", 1))
    assert copied(store) == 0


def test_several_at_once_do_nothing_twice(store: Store) -> None:
    prepare(store)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            updates = BackgroundUpdates(store, steps=STEPS)
            while updates.run_batch():
                pass
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert copied(store) == ROWS


CHILD = """
import importlib.util, json, sys, time
spec = importlib.util.spec_from_file_location("updates_test", sys.argv[1])
test = importlib.util.module_from_spec(spec)
spec.loader.exec_module(test)
test.work_slowly(*json.loads(sys.argv[2]))
"""


def work_slowly(name: str, args: dict[str, Any]) -> None:
    """What the child does until it is killed."""
    store = open_store(database_config(name, **args))

    def step(tx: Transaction, progress: dict[str, Any], size: int) -> Batch:
        batch = note_row(tx, progress, 10)
        print(size, flush=True)
        time.sleep(0.02)  # between the rows and the note of them
        return batch

    updates = BackgroundUpdates(store, steps={"copy users": step})
    while updates.run_batch():
        pass


@pytest.mark.timeout(60)
def test_a_process_that_is_killed_in_the_middle_is_followed_by_one_that_goes_on(
    database: Database,
) -> None:
    with upgraded(database) as store:
        prepare(store)
        arguments = json.dumps([database.name, database.args])
        for _ in range(3):
            with subprocess.Popen(
                [sys.executable, "-c", CHILD, __file__, arguments],
                stdout=subprocess.PIPE,
                env={"PYTHONPATH": ":".join(sys.path)},
            ) as child:
                assert child.stdout is not None
                for _ in range(5):
                    assert child.stdout.readline()
                child.send_signal(signal.SIGKILL)
        done = copied(store)
        assert 0 < done < ROWS
        updates = BackgroundUpdates(store, steps=STEPS)
        while updates.run_batch():
            pass
        assert copied(store) == ROWS
