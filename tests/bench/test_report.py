"""Tables of the benchmark."""

import pytest
from bench.measure import Result
from bench.report import comparison, number, table


def a_report(label, **cpu_ms):
    """A run with one result per scenario."""
    rows = [
        Result(name, 8, 100, 50.0, 1.5, 9.0, {"app": each}).as_json()
        for name, each in cpu_ms.items()
    ]
    return {"label": label, "about": {}, "results": rows}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, ""), (0.01234, "0.0123"), (1.5, "1.5"), (12.345, "12.3"), (12345.6, "12,346")],
)
def test_numbers_keep_three_digits(value, shown):
    assert number(value) == shown


def test_a_table_shows_the_aim_of_its_database():
    def aim(label):
        return table(a_report(label, send=1.25)).splitlines()[2].split()[-1]

    assert (aim("chat-sqlite"), aim("chat-postgres")) == ("1", "2")


def test_errors_and_doubts_are_named():
    report = a_report("x", send=1)
    doubts = {"generator_cores": 0.95, "other_cores": 0.5}
    report["results"][0] |= {"errors": {"500 oops": 3}} | doubts
    assert "generator at its limit; others used 0.5 cores; 3 × 500 oops" in table(report)


def test_the_database_is_shown_apart():
    report = a_report("chat-postgres", send=1)
    report["results"][0]["cpu_ms"] = {"app": 1.0, "db": 0.5}
    assert table(report).splitlines()[2].split()[-3:-1] == ["1.5", "0.5"]


def test_a_comparison_shows_ratios_of_what_both_have_measured():
    lines = comparison([a_report("ours", send=2, join=3), a_report("other", send=9)]).splitlines()
    assert [line.split() for line in lines[1:]] == [["send", "2", "9", "4.5"], ["join", "3"]]
