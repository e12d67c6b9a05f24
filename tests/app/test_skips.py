"""What a test run says of tests that it left out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"
TESTS = """
import pytest
def test_runs(): pass
@pytest.mark.skip(reason="Node is not installed")
def test_browser(): pass
"""


def run(folder: Path, source: str, **environment: str) -> tuple[int, str]:
    (folder / "test_it.py").write_text(source)
    (folder / "conftest.py").write_text('pytest_plugins = ["chat_testing.skips"]\n')
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        env=os.environ | {"PYTHONPATH": str(SUPPORT)} | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()[-1]


def test_the_last_line_names_what_was_not_run(tmp_path: Path) -> None:
    assert run(tmp_path, TESTS, CHAT_NO_SKIPS="") == (0, "NOT RUN: Node is not installed (1 tests)")


def test_skips_fail_where_they_are_forbidden(tmp_path: Path) -> None:
    assert run(tmp_path, TESTS, CHAT_NO_SKIPS="1")[0] == 1


@pytest.mark.parametrize("forbidden", ["", "1"])
def test_nothing_is_said_when_nothing_was_skipped(tmp_path: Path, forbidden: str) -> None:
    status, last = run(tmp_path, "def test_runs(): pass\n", CHAT_NO_SKIPS=forbidden)
    assert (status, last.split(" in ")[0]) == (0, "1 passed")
