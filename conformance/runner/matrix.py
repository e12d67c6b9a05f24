"""What a run has shown of each operation: its success, and each refusal that the API describes.

A cell is an operation and an outcome, "success" or `STATUS ERRCODE`. A cell that no exchange of the
run has filled is a promise that nothing has put to the test. `excused.yaml` names those that cannot
be had over HTTP from outside; an excuse for a cell that was filled is an error too.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

EXCUSES = Path(__file__).with_name("excused.yaml")
SUCCESS = "success"
EVERY = "every operation"
Json = dict[str, Any]
Cell = tuple[str, str]  # operation, outcome


@dataclass
class Matrix:
    """How often each cell was seen."""

    seen: Counter[Cell] = field(default_factory=Counter)

    def note(self, operation: str, status: int, errcode: str | None) -> None:
        """An answer came."""
        self.seen[operation, SUCCESS if status < 400 else f"{status} {errcode or ''}".strip()] += 1


def outcomes(responses: Mapping[str, Json]) -> tuple[str, ...]:
    """What an operation may answer, by its resolved responses."""
    refusals = (
        f"{status} {code}"
        for status, answer in responses.items()
        if status.startswith("4")
        for code in _errcodes(answer)
    )
    return (SUCCESS, *refusals)


def _errcodes(answer: Json) -> list[str]:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    codes: list[str] = schema.get("properties", {}).get("errcode", {}).get("enum", [])
    return codes


def excuses(path: Path = EXCUSES) -> dict[Cell, str]:
    """The cells that need not be filled, each with its reason; EVERY stands for any operation."""
    written: dict[str, dict[str, str]] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return {
        (operation, outcome): reason
        for operation, outcomes in written.items()
        for outcome, reason in outcomes.items()
    }


def report(
    wanted: Mapping[str, Sequence[str]], matrix: Matrix, excused: Mapping[Cell, str]
) -> tuple[list[str], int]:
    """A line per operation with its outcomes, and how many of its cells are wrong."""
    lines, wrong = [], 0
    for operation, described in wanted.items():
        shown = []
        for outcome in described:
            count = matrix.seen[operation, outcome]
            excuse = excused.get((operation, outcome)) or excused.get((EVERY, outcome))
            wrong += bool(count) == bool(excuse)
            shown.append(_cell(outcome, count, excuse))
        lines.append(f"{operation}: {', '.join(shown)}")
    return lines, wrong


def _cell(outcome: str, count: int, excuse: str | None) -> str:
    if excuse is not None:
        return f"{outcome} NOT EXCUSED ANY MORE" if count else f"({outcome})"
    return f"{outcome} ×{count}" if count else f"{outcome} EMPTY"
