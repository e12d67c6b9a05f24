"""Jobs that are done together."""

import threading

import pytest

from chat.storage.gathering import Gathering


def test_who_shares_a_group_that_fails_is_told() -> None:
    """The first job holds its group up until two more wait; their group then fails."""
    first_may_go, groups = threading.Event(), []

    def run(jobs: list[str]) -> None:
        groups.append(jobs)
        if jobs == ["first"]:
            first_may_go.wait(5)
        else:
            raise ValueError(jobs)

    gathering = Gathering(run, 10)
    told: dict[str, Exception | None] = {}

    def do(job: str) -> None:
        try:
            gathering.do(job)
            told[job] = None
        except ValueError as error:
            told[job] = error

    threads = [threading.Thread(target=do, args=(job,)) for job in ("first", "second", "third")]
    threads[0].start()
    while not groups:
        pass
    for thread in threads[1:]:
        thread.start()
    while gathering.waiting < 2:
        pass
    first_may_go.set()
    for thread in threads:
        thread.join(5)
    assert told["first"] is None
    assert isinstance(told["second"], ValueError) and isinstance(told["third"], ValueError)
    with pytest.raises(ValueError):
        gathering.do("fourth")
