"""Jobs run at their times, outlive their failures, and run once more at the end."""

import queue
import threading
import time

from chat.jobs.runner import Job, LeasedJob, Runner
from chat.jobs.schedule import leased_jobs_of
from chat.services.leases import Leases
from chat.services.server import Server
from chat.storage import receipts
from chat.storage.leases import Lease
from chat_testing.people import a_person


def test_a_job_runs_again_and_again():
    ran = threading.Semaphore(0)
    runner = Runner([Job("count", 0.01, ran.release)])
    runner.start()
    assert all(ran.acquire(timeout=5) for _ in range(3))
    runner.stop()


def test_a_failing_job_is_logged_and_runs_again(caplog):
    ran = threading.Semaphore(0)

    def fail() -> None:
        ran.release()
        raise ValueError("broken")

    runner = Runner([Job("break", 0.01, fail)])
    runner.start()
    assert all(ran.acquire(timeout=5) for _ in range(2))
    runner.stop()
    assert "Job failed" in caplog.text


def test_stopping_runs_each_job_a_last_time():
    ran = []
    runner = Runner([Job("rare", 3600, lambda: ran.append(1))])
    runner.start()
    runner.stop()
    assert ran == [1]


def test_a_leased_job_runs_while_the_lease_is_ours(store):
    ran: queue.Queue[Lease] = queue.Queue()
    leases = Leases(store)
    runner = Runner([], [LeasedJob("work", 0.01, ran.put)], leases)
    runner.start()
    assert ran.get(timeout=10).worker == leases.worker
    runner.stop()
    assert leases.held("work") is None
    assert store.read(lambda tx: tx.rows("SELECT * FROM worker")) == []


def test_a_leased_job_does_not_run_at_another_worker(store):
    owner, other = Leases(store, ["work"]), Leases(store)
    owner.renew()
    ran = []
    runner = Runner([], [LeasedJob("work", 0.01, ran.append)], other)
    store.exclusive = False
    runner.start()
    time.sleep(0.5)
    runner.stop()
    assert ran == []


def test_typing_notices_of_a_worker_that_is_gone_end(server, clock):
    now_ms = clock.now_ms()
    notice = receipts.TypingNotice(1, "@a:b", now_ms, now_ms + 1000)
    server.store.write(lambda tx: receipts.put_typing(tx, [notice]))
    clock.advance(seconds=2)
    run(server, "end typing notices")
    assert server.store.read(lambda tx: tx.rows("SELECT * FROM typing")) == []


def test_a_request_is_remembered_for_a_day(server, clock):
    alice = a_person(server, "alice")
    room = alice.creates()
    first = alice.says(room, "old")
    clock.advance(seconds=86_000)
    second = alice.says(room, "new")
    clock.advance(seconds=1000)
    run(server, "forget old requests")
    number = "SELECT e.event_id FROM answered_request t JOIN event e ON e.ev = t.ev"
    kept = {one for (one,) in server.store.read(lambda tx: tx.rows(number))}
    assert second in kept and first not in kept


def test_expired_sessions_and_old_tokens_go(server, clock):
    now_ms = clock.now_ms()

    def write(tx):
        tx.insert(
            "registration_nonces",
            ("nonce", "expires_ts"),
            [("old", now_ms - 1), ("new", now_ms + 1)],
        )
        columns = ("token_hash", "user_id", "device_id", "expires_ts")
        ages = {"long": now_ms - 91 * 86_400_000, "lately": now_ms - 1, "never": None}
        rows = [(name, "@a:b", "D", expires) for name, expires in ages.items()]
        tx.insert("access_tokens", columns, rows)
        tx.insert("refresh_tokens", columns, rows)

    def names(sql):
        return {name for (name,) in server.store.read(lambda tx: tx.rows(sql))}

    server.store.write(write)
    run(server, "end sessions")
    assert names("SELECT nonce FROM registration_nonces") == {"new"}
    assert names("SELECT token_hash FROM access_tokens") == {"lately", "never"}
    assert names("SELECT token_hash FROM refresh_tokens") == {"lately", "never"}


def run(server: Server, name: str) -> None:
    """Run a leased job once, as its owner."""
    jobs = leased_jobs_of(server)
    server.leases.take_part([job.name for job in jobs])
    server.leases.renew()
    lease = server.leases.held(name)
    assert lease is not None
    next(job for job in jobs if job.name == name).run(lease)
