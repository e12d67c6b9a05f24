"""Rule × room version × {allowed, refused}: the vectors must fill every cell.

A cell counts the vectors that show a rule with an outcome in a version. A refusing rule is shown
refusing when it is the one that refuses, and allowing when an event reaches it, passes it and is
allowed in the end; a rule that allows the other way round. Rules with one outcome only are named,
with the reason, in `rule_numbers.py`. `pytest -s` prints the matrix.
"""

from collections import Counter

import oracle
import pytest
import vectors
from rule_numbers import ALLOWED_ONLY, ALLOWING, REFUSED_ONLY, VERSIONS, numbers

Cell = tuple[str, str, str]  # rule name, version, "allowed" or "refused"


def _names(version: str) -> dict[str, str]:
    return {number: name for name, number in numbers(version).items()}


def _cells() -> Counter[Cell]:
    cells: Counter[Cell] = Counter()
    for vector in vectors.auth_vectors():
        verdict = oracle.authorise(vector.event, vector.state, vector.version, vector.signed_by)
        cells.update(_shown(vector.version, vector.rule, vector.allowed, verdict.reached))
    for cited in vectors.auth_events_vectors():
        verdict = oracle.judge_auth_events(cited.event, cited.auth_events, cited.version)
        cells.update(_shown(cited.version, cited.rule, cited.allowed, verdict.reached))
    return cells


def _shown(version: str, decided_by: str, allowed: bool, reached: list[str]) -> set[Cell]:
    """The cells one vector fills; `allowed` and `decided_by` are what the vector expects."""
    word = "allowed" if allowed else "refused"
    shown = set()
    for number in reached:
        name = _names(version)[number]
        decides_this_way = allowed == (name in ALLOWING)
        if number == decided_by or not decides_this_way:
            shown.add((name, version, word))
    return shown


def _expected(name: str) -> list[str]:
    words = []
    if name not in REFUSED_ONLY:
        words.append("allowed")
    if name not in ALLOWED_ONLY:
        words.append("refused")
    return words


@pytest.fixture(scope="module")
def cells() -> Counter[Cell]:
    return _cells()


def test_every_cell_of_the_matrix_is_filled(cells: Counter[Cell]) -> None:
    empty = [
        f"rule {number} ({name}) of version {version} is never {word}"
        for version in VERSIONS
        for name, number in numbers(version).items()
        for word in _expected(name)
        if not cells[(name, version, word)]
    ]
    assert not empty, "\n".join(empty)


def test_rules_with_one_outcome_have_no_other(cells: Counter[Cell]) -> None:
    wrong = [
        (name, version)
        for name, version, word in cells
        if (name in ALLOWED_ONLY and word == "refused")
        or (name in REFUSED_ONLY and word == "allowed")
    ]
    assert not wrong


def test_print_the_matrix(cells: Counter[Cell]) -> None:
    lines = ["rule".ljust(34) + "".join(f"v{version}".rjust(9) for version in VERSIONS)]
    everything = dict.fromkeys(name for version in VERSIONS for name in numbers(version))
    for name in everything:
        row = name.ljust(34)
        for version in VERSIONS:
            pair = f"{cells[(name, version, 'allowed')]}/{cells[(name, version, 'refused')]}"
            row += (pair if name in numbers(version) else "").rjust(9)
        lines.append(row)
    print("\nvectors that show a rule allowed/refused\n" + "\n".join(lines))
    for name, reason in {**ALLOWED_ONLY, **REFUSED_ONLY}.items():
        print(f"one outcome only: {name}: {reason}")
    assert len(lines) == len(everything) + 1
