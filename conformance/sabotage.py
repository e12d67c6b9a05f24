"""Does the suite notice? Each sabotage of `sabotages.yaml` must turn it red.

    python -m conformance.sabotage [--only PATTERN] [--every N]

A sabotage replaces one line of the code in a copy of the checkout; a server of that copy is then
checked by the topics or promises that `only` names. A sabotage that no check notices fails, and so
does one whose line is not there any more, and one that keeps the server from starting or answering:
that would be noticed without any check. First the checks of all must pass on a copy as it is.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_name("sabotages.yaml")
COPIED = ("impl", "generated", "gunicorn.conf.py")
BROKEN = re.compile("the server failed|no answer to")

sys.path.append(str(ROOT / "tests" / "support"))
from chat_testing.running import FOR_CONFORMANCE, SHARED_SECRET, running_server  # noqa: E402


@dataclass(frozen=True)
class Sabotage:
    """One changed line: `old`, which stands once in `file`, becomes `new`."""

    name: str
    file: str
    old: str
    new: str
    only: str


class Misplaced(Exception):
    """The line to be changed does not stand in the file, or not once."""


def main() -> int:
    """Commit each sabotage in turn; the exit status is 0 when each is noticed."""
    parser = argparse.ArgumentParser(prog="python -m conformance.sabotage", description=__doc__)
    parser.add_argument("--only", default="", help="a regular expression for names")
    parser.add_argument("--every", type=int, default=1, help="only each Nth of them")
    wish = parser.parse_args()
    sabotages = [Sabotage(**entry) for entry in yaml.safe_load(LIST.read_text("utf-8"))]
    chosen = [one for one in sabotages if re.search(wish.only, one.name)][:: wish.every]
    if not chosen:
        parser.error(f"no sabotage matches {wish.only!r}")
    with copied() as copy:
        healthy, told = checked(copy, "|".join(sorted({one.only for one in chosen})))
    if not healthy:
        print(f"without any sabotage:\n{told}")
        return 1
    failed = 0
    for sabotage in chosen:
        outcome = committed(sabotage)
        failed += not outcome.startswith("noticed")
        print(f"{outcome}  {sabotage.name}", flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} noticed")
    return 1 if failed else 0


def committed(sabotage: Sabotage) -> str:
    """What became of a sabotage: "noticed by N checks", or why it failed."""
    with copied() as copy:
        try:
            apply(sabotage, copy)
        except Misplaced as error:
            return f"NOT COMMITTED ({error})"
        try:
            passed, told = checked(copy, sabotage.only)
        except AssertionError:
            return "THE SERVER DID NOT START"
    if passed:
        return "NOT NOTICED"
    reasons = [
        account
        for account in re.split("^  (?=FAILED|ok)", told, flags=re.MULTILINE)
        if account.startswith("FAILED") and not BROKEN.search(account)
    ]
    return f"noticed by {len(reasons)} checks" if reasons else "THE SERVER DID NOT ANSWER"


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of what a server needs of the checkout."""
    with tempfile.TemporaryDirectory(prefix="chat-sabotage-") as name:
        copy = Path(name)
        for part in COPIED:
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / part)
        yield copy


def apply(sabotage: Sabotage, root: Path) -> None:
    """Change the line. Raises Misplaced."""
    path = root / sabotage.file
    text = path.read_text(encoding="utf-8")
    if text.count(sabotage.old) != 1:
        raise Misplaced(f"the line stands {text.count(sabotage.old)} times")
    path.write_text(text.replace(sabotage.old, sabotage.new), encoding="utf-8")


def checked(copy: Path, only: str) -> tuple[bool, str]:
    """Whether the checks pass at a server of the copy, and what they print.

    Raises AssertionError where the server does not start.
    """
    command = [sys.executable, "-m", "conformance", "--secret", SHARED_SECRET]
    with running_server(root=copy, **FOR_CONFORMANCE) as server:
        run = subprocess.run(
            [*command, "--only", only, "--url", server.url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    return run.returncode == 0, run.stdout + run.stderr


if __name__ == "__main__":
    sys.exit(main())
