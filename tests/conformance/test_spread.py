"""Whether clients met enough workers."""

import importlib
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2]))
exchanges = importlib.import_module("conformance.runner.exchange")
spreads = importlib.import_module("conformance.runner.spread")
Exchange, Request = exchanges.Exchange, exchanges.Request
MANY, Spread = spreads.MANY, spreads.Spread


def spread_of(*requests: tuple[str, str, int]) -> Any:
    """Of (client, worker, how many requests)."""
    spread = Spread()
    for client, worker, count in requests:
        asked = Request("GET", "/", {"Authorization": client}, None)
        for _ in range(count):
            spread.note(Exchange(asked, 200, {"x-chat-worker": worker}, b""))
    return spread


def test_a_client_that_met_too_few_workers_is_named() -> None:
    spread = spread_of(
        ("a", "1", MANY), ("a", "2", 1), ("b", "1", MANY), ("b", "2", 1), ("b", "3", 1)
    )
    assert len(spread.narrow(3)) == 1
    assert spread.narrow(2) == []


def test_clients_of_few_requests_do_not_count_but_there_must_be_others() -> None:
    assert len(spread_of(("a", "1", MANY - 1)).narrow(3)) == 1
    assert spread_of(("a", "1", 1), *(("b", str(n), MANY) for n in range(3))).narrow(3) == []


def test_answers_that_name_no_worker_count_for_nothing() -> None:
    spread = Spread()
    spread.note(Exchange(Request("GET", "/", {}, None), 200, {}, b""))
    assert spread.served == {}
