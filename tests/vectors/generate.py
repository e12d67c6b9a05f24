"""Writes the JSON vectors of this folder from the cases written by hand beside it.

    python tests/vectors/generate.py          writes the files
    python tests/vectors/generate.py --check  fails if a file differs from what it would write

Expected results stand in the cases; nothing here asks `chat.protocol` anything.
"""

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "protocol_proofs")]

import auth_cases  # noqa: E402
import auth_event_cases  # noqa: E402
import format_cases  # noqa: E402
import resolution_cases  # noqa: E402
import worked_examples  # noqa: E402
from rule_numbers import numbers  # noqa: E402

Json = Any


def _numbered(expected: auth_cases.Outcome) -> dict[str, dict[str, str]]:
    """{"8": ("refused", "join.banned"), "9": …} → {"8-9": {"refused": "4.3.3"}}"""
    return _grouped(
        {version: {word: numbers(version)[rule]} for version, (word, rule) in expected.items()}
    )


def _grouped(by_version: dict[str, Json]) -> dict[str, Json]:
    """Versions in a row with one and the same value become a span such as "6-9"."""
    spans: list[tuple[int, int, Json]] = []
    for version in sorted(by_version, key=int):
        number, value = int(version), by_version[version]
        if spans and spans[-1][1] == number - 1 and spans[-1][2] == value:
            spans[-1] = (spans[-1][0], number, value)
        else:
            spans.append((number, number, value))
    return {str(a) if a == b else f"{a}-{b}": value for a, b, value in spans}


def auth() -> Json:
    cases = [{**case, "expect": _numbered(case["expect"])} for case in auth_cases.build()]
    base = auth_cases.BASE_ROOM
    for case in cases:
        state = case.pop("state")
        case["state"] = [event["name"] if event in base else event for event in state]
    return {"format": "auth", "room": base, "cases": cases}


def auth_events() -> Json:
    cases = [{**case, "expect": _numbered(case["expect"])} for case in auth_event_cases.build()]
    return {"format": "auth_events", "events": auth_event_cases.EVENTS, "cases": cases}


def resolution() -> Json:
    cases = [{**case, "resolved": _grouped(case["resolved"])} for case in resolution_cases.build()]
    return {"format": "resolution", "cases": cases}


FILES = {
    "auth.json": auth,
    "auth_events.json": auth_events,
    "resolution.json": resolution,
    "canonical_json.json": worked_examples.canonical_json,
    "signing.json": worked_examples.signing,
    "redaction.json": worked_examples.redaction,
    "identifiers.json": worked_examples.identifiers,
    "event_format.json": format_cases.event_format,
    "key_validity.json": format_cases.key_validity,
    "patterns.json": format_cases.patterns,
}

WIDTH = 100


def _lines(value: Json, indent: int) -> str:
    """JSON in which an event, and whatever else fits, stays on one line."""
    flat = json.dumps(value)
    if isinstance(value, dict) and {"name", "type", "sender"} <= value.keys():
        return flat
    if len(flat) + indent <= WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    pad = " " * (indent + 1)
    if isinstance(value, list):
        inner = [pad + _lines(item, indent + 1) for item in value]
        return "[\n" + ",\n".join(inner) + "\n" + " " * indent + "]"
    inner = [f"{pad}{json.dumps(key)}: {_lines(item, indent + 1)}" for key, item in value.items()]
    return "{\n" + ",\n".join(inner) + "\n" + " " * indent + "}"


def text_of(name: str) -> str:
    """What the vector file of this name has to contain."""
    return _lines(FILES[name](), 0) + "\n"


def main(arguments: list[str]) -> int:
    stale = [
        name
        for name in FILES
        if not (HERE / name).exists() or (HERE / name).read_text("utf-8") != text_of(name)
    ]
    if "--check" in arguments:
        print(f"stale: {', '.join(stale)}" if stale else "all vectors are up to date")
        return 1 if stale else 0
    for name in stale:
        (HERE / name).write_text(text_of(name), "utf-8")
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
