"""`python -m conformance --url URL --secret SECRET [--only PATTERN] [--list]`."""

import argparse
import sys
from pathlib import Path

from conformance.checks import LIMITED_TOPICS, TOPICS
from conformance.checks.limits import LIMITED
from conformance.client import Wire, World
from conformance.runner.contract import Contract
from conformance.runner.filled import filled_operations
from conformance.runner.matrix import excuses, report
from conformance.runner.run import checks_of, run

API = Path(__file__).resolve().parents[1] / "generated" / "openapi.yaml"


def main() -> int:
    """Run the checks that are asked for; the exit status is 0 when all are kept."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument(
        "--url",
        default="http://127.0.0.1:8008",
        help="the server's base URL; several, with commas, are its nodes",
    )
    parser.add_argument("--secret", help="its registration_shared_secret")
    parser.add_argument("--only", default="", help="a regular expression for topic or promise")
    parser.add_argument(
        "--matrix", action="store_true", help="print operation × outcome; an empty cell fails"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        help="fail unless each client that made many requests was served by so many workers",
    )
    parser.add_argument(
        "--limited", action="store_true", help="the checks for a server with tight rate limits"
    )
    parser.add_argument("--list", action="store_true", help="print the promises, run nothing")
    wish = parser.parse_args()
    checks = [
        check
        for check in checks_of(LIMITED_TOPICS if wish.limited else TOPICS)
        if check.matches(wish.only)
    ]
    if wish.list:
        print(*(f"{check.topic}: {check.promise}" for check in checks), sep="\n")
        return 0
    if wish.secret is None:
        parser.error("--secret is needed to register users")
    if not checks:
        parser.error(f"no check matches {wish.only!r}")
    contract = Contract.load(API)
    wire = Wire([url.rstrip("/") for url in wish.url.split(",")], contract)
    failed = run(checks, World(wire, wish.secret))
    if wish.workers:
        failed += print_spread(wire, wish.workers)
    if wish.matrix:
        failed += print_matrix(wire, contract)
    return 1 if failed else 0


def print_spread(wire: Wire, wanted: int) -> int:
    """Print how clients were spread over workers; how many were served by too few."""
    narrow = wire.spread.narrow(wanted)
    print("", *wire.spread.lines(wanted), *(f"FAILED  {line}" for line in narrow), sep="\n")
    return len(narrow)


def print_matrix(wire: Wire, contract: Contract) -> int:
    """Print what the run has shown of each operation; the number of cells that are wrong."""
    filled = {
        one.name: [outcome for outcome in one.outcomes if outcome != LIMITED]  # see --limited
        for one in filled_operations(wire, contract)
    }
    lines, wrong = report(filled, contract.matrix, excuses())
    print("\noperation × outcome; (in brackets): excused", *lines, sep="\n")
    cells = sum(map(len, filled.values()))
    print(f"\n{len(filled)} operations, {cells} cells, {wrong} empty or wrongly excused")
    return wrong


if __name__ == "__main__":
    if not __debug__:
        sys.exit("checks use assert statements: run without -O")
    sys.exit(main())
