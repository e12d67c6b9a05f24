"""The vectors notice broken rules: a sample of mutants in CI, all of them with CHAT_PROVE=1."""

import os

import mutate
import pytest
from subject import Subject

SAMPLE = 60


@pytest.mark.timeout(900)
def test_no_mutant_survives_unexplained() -> None:
    assert not mutate.failing_unmutated()
    prove = os.environ.get("CHAT_PROVE") == "1"
    mutants = mutate.find_mutants() if prove else mutate.sample(SAMPLE)
    known = mutate.known_survivors()
    assert [mutant.key for mutant in mutate.run(mutants) if mutant.key not in known] == []


def test_the_list_of_survivors_is_short_and_names_real_mutants() -> None:
    keys = [mutant.key for mutant in mutate.find_mutants()]
    assert len(keys) == len(set(keys))
    known = mutate.known_survivors()
    assert known.keys() <= set(keys), "a survivor that is no mutant any more"
    assert len(known) <= mutate.MAX_SURVIVING_PART * len(keys)
    assert all(len(reason) > 20 for reason in known.values())


def test_a_mutant_leaves_the_real_modules_in_place() -> None:
    before = Subject().auth
    mutate.killed_by(mutate.find_mutants()[0])
    assert Subject().auth is before
