"""What a test run left out, said in its last line. CHAT_NO_SKIPS=1 makes leaving out a failure."""

import os
from collections import Counter

import pytest

NO_SKIPS_VARIABLE = "CHAT_NO_SKIPS"


def _reasons(config: pytest.Config) -> Counter[str]:
    """Why tests were skipped, with the number of tests."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    return Counter(
        str(
            report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        ).removeprefix("Skipped: ")
        for report in reports
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that may not skip anything and did."""
    if os.environ.get(NO_SKIPS_VARIABLE) and _reasons(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Say what was not run, after everything else."""
    reasons = _reasons(config)
    if reasons:
        named = "; ".join(f"{reason} ({count} tests)" for reason, count in reasons.items())
        print(f"NOT RUN: {named}")
