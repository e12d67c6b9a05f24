"""Jobs run at their times, outlive their failures, and run once more at the end."""

import threading

from chat.jobs.runner import Job, Runner


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
