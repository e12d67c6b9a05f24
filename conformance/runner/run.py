"""The loop: runs checks one after the other and reports each by its promise."""

import inspect
import re
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from conformance.client import World
from conformance.runner.exchange import Exchange, StepFailed

CheckFunction = Callable[[World], None]
ROOT = Path(__file__).resolve().parents[2]
CHECKS = ROOT / "conformance" / "checks"


@dataclass(frozen=True)
class Check:
    """One promise of the API and the steps that put it to the test."""

    topic: str
    function: CheckFunction
    promise: str  # the sentence that names the check

    def matches(self, pattern: str) -> bool:
        """Whether topic, function or promise match a regular expression."""
        text = f"{self.topic} {self.function.__name__} {self.promise}"
        return re.search(pattern, text, re.IGNORECASE) is not None


def checks_of(topics: Sequence[ModuleType]) -> Iterator[Check]:
    """Every function of the modules whose name begins with `check_`, in the order written, and
    what a function `checks` of theirs makes of tables.
    """
    for module in topics:
        topic = module.__name__.rpartition(".")[2]
        for name, function in vars(module).items():
            if name.startswith("check_"):
                yield Check(topic, function, " ".join((inspect.getdoc(function) or name).split()))
        for promise, function in getattr(module, "checks", tuple)():
            yield Check(topic, function, promise)


def run(checks: Sequence[Check], world: World) -> int:
    """Run the checks and print what became of each; returns how many failed."""
    started = time.monotonic()
    failed = []
    topic = ""
    for check in checks:
        if check.topic != topic:
            topic = check.topic
            print(f"\n{topic}")
        if not _kept(check, world):
            failed.append(check)
    for check in failed:
        print(f"FAILED  {check.topic}: {check.promise}")
    seconds = time.monotonic() - started
    print(f"\n{len(checks) - len(failed)} passed, {len(failed)} failed in {seconds:.0f} s")
    return len(failed)


def _kept(check: Check, world: World) -> bool:
    world.wire.record.clear()
    try:
        check.function(world)
    except Exception as error:  # whatever a step raises, its check has failed
        print(f"  FAILED  {check.promise}")
        print(_indented(_account(error, world.wire.record)))
        return False
    print(f"  ok      {check.promise}")
    return True


def _account(error: Exception, record: Sequence[Exchange]) -> str:
    """The steps that led to a failure, what was wrong, and the exchange that showed it."""
    steps = [
        f"{Path(frame.filename).relative_to(ROOT)}:{frame.lineno}: {frame.line}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(CHECKS)
    ]
    told = isinstance(error, StepFailed) or (isinstance(error, AssertionError) and str(error))
    reason = str(error) if told else repr(error)
    exchange = error.exchange if isinstance(error, StepFailed) else None
    shown = exchange or (record[-1] if record else None)
    return "\n".join([*steps, reason, str(shown or "(nothing was sent)")])


def _indented(text: str) -> str:
    return "\n".join(f"          {line}" for line in text.splitlines())
