"""Jobs run at their times, outlive their failures, and run once more at the end."""

import threading

from chat.jobs.runner import Job, Runner
from chat.jobs.schedule import jobs_of
from chat.storage import receipts


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


def test_typing_notices_of_a_worker_that_is_gone_end(server, clock):
    now_ms = clock.now_ms()
    server.store.write(lambda tx: receipts.start_typing(tx, 1, "@a:b", now_ms, now_ms + 1000))
    clock.advance(seconds=2)
    (job,) = (job for job in jobs_of(server) if job.name == "end typing notices")
    job.run()
    assert server.store.read(lambda tx: tx.rows("SELECT * FROM typing")) == []
