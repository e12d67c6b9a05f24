"""What is counted, and that the dashboard and the documentation name it rightly."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, generate_latest

from chat.services import hub, metrics
from chat.services.hub import Work
from chat.storage.caches import CacheFigures

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "contrib/grafana/chat-server.json"
OPERATING = ROOT / "docs/operating.md"
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
NAME = re.compile(r"\bchat_[a-z_]+\b")


def families() -> dict[str, set[str]]:
    """The names of the samples of each metric of ours."""
    return {
        family.name: {family.name + suffix for suffix in SUFFIXES[family.type]}
        for family in REGISTRY.collect()
        if family.name.startswith("chat_")
    }


def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for one in dashboard["panels"] for target in one.get("targets", ())]


def test_the_dashboard_asks_for_what_there_is_and_for_all_of_it() -> None:
    asked = {
        name for one in expressions(json.loads(DASHBOARD.read_text())) for name in NAME.findall(one)
    }
    known = families()
    assert asked <= set().union(*known.values())
    unasked = [name for name, samples in known.items() if not samples & asked]
    assert unasked == []


def test_panels_do_not_lie_on_each_other() -> None:
    places = [one["gridPos"] for one in json.loads(DASHBOARD.read_text())["panels"]]
    cells = [
        (x, y)
        for at in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_the_documentation_names_what_there_is_and_all_of_it() -> None:
    named = set(NAME.findall(OPERATING.read_text()))
    known = families()
    assert named <= set(known) | set().union(*known.values())
    unnamed = [name for name, samples in known.items() if not ({name} | samples) & named]
    assert unnamed == []


def sample(name: str, /, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_request_is_counted_once_with_what_it_took() -> None:
    counts, work = metrics.operation("test"), Work("test")
    work.busy_s, work.database_s = 0.25, 0.5
    for took_s in (0.002, 0.02, 100.0):
        counts.in_flight += 1
        metrics.count_request(counts, 200, took_s, work)
    counts.in_flight += 1
    for _ in range(2):  # the second time there is nothing new
        metrics.write()
    assert sample("chat_http_requests_total", operation="test", status="200") == 3
    assert sample("chat_http_request_seconds_count", operation="test") == 3
    assert sample("chat_http_request_seconds_sum", operation="test") == pytest.approx(100.022)
    for bound, count in (("0.001", 0), ("0.003", 1), ("0.03", 2), ("30.0", 2), ("+Inf", 3)):
        assert sample("chat_http_request_seconds_bucket", operation="test", le=bound) == count
    assert sample("chat_http_requests_in_flight", operation="test") == 1
    assert sample("chat_busy_seconds_total", kind="request", name="test") == 0.75
    assert sample("chat_database_seconds_total", kind="request", name="test") == 1.5


def test_a_value_on_a_bound_belongs_below_it() -> None:
    tally = metrics.Tally((1, 2))
    for value in (1, 2, 2, 3):
        tally.add(value)
    assert tally.counts == [1, 2, 1]


def test_a_failed_job_is_counted_as_failed() -> None:
    with metrics.job("test job"):
        hub.note_database(0.5)
    with pytest.raises(ZeroDivisionError), metrics.job("test job"):
        raise ZeroDivisionError
    assert sample("chat_job_runs_total", name="test job", outcome="done") == 1
    assert sample("chat_job_runs_total", name="test job", outcome="failed") == 1
    assert sample("chat_database_seconds_total", kind="job", name="test job") == 0.5


def test_a_cache_s_counts_go_up_by_what_is_new() -> None:
    for hits in (3, 5):
        metrics.set_caches([CacheFigures("test", 10, 20, 2, hits, 1, 0)])
    assert sample("chat_cache_reads_total", cache="test", outcome="hit") == 5
    assert sample("chat_cache_reads_total", cache="test", outcome="miss") == 1
    assert sample("chat_cache_bytes", cache="test") == 10


def test_the_exposition_can_be_read() -> None:
    metrics.write()
    assert b"chat_hub_hold_seconds_bucket" in generate_latest(REGISTRY)
