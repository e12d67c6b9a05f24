"""Does the suite notice? Each sabotage of `sabotages.yaml` must turn it red.

    python -m conformance.sabotage [--only PATTERN]

A sabotage replaces one line of the code in a copy of the checkout; a server of that copy is then
checked by the topics or promises that `only` names. A sabotage that no check notices, and one
whose line is not there any more, fail.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_name("sabotages.yaml")
COPIED = ("impl", "generated", "gunicorn.conf.py")

sys.path.append(str(ROOT / "tests" / "support"))
from chat_testing.running import SHARED_SECRET, running_server  # noqa: E402


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
    pattern = parser.parse_args().only
    sabotages = [Sabotage(**entry) for entry in yaml.safe_load(LIST.read_text("utf-8"))]
    chosen = [one for one in sabotages if re.search(pattern, one.name)]
    failed = 0
    for sabotage in chosen:
        outcome = committed(sabotage)
        failed += not outcome.startswith("noticed")
        print(f"{outcome}  {sabotage.name}", flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} noticed")
    return 1 if failed or not chosen else 0


def committed(sabotage: Sabotage) -> str:
    """What became of a sabotage: "noticed by N checks", or why it failed."""
    with tempfile.TemporaryDirectory(prefix="chat-sabotage-") as name:
        copy = Path(name)
        for part in COPIED:
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / part)
        try:
            apply(sabotage, copy)
        except Misplaced as error:
            return f"NOT COMMITTED ({error})"
        return _checked(sabotage, copy)


def apply(sabotage: Sabotage, root: Path) -> None:
    """Change the line. Raises Misplaced."""
    path = root / sabotage.file
    text = path.read_text(encoding="utf-8")
    if text.count(sabotage.old) != 1:
        raise Misplaced(f"the line stands {text.count(sabotage.old)} times")
    path.write_text(text.replace(sabotage.old, sabotage.new), encoding="utf-8")


def _checked(sabotage: Sabotage, copy: Path) -> str:
    command = [sys.executable, "-m", "conformance", "--secret", SHARED_SECRET]
    with running_server(root=copy, allow_guest_access=True) as server:
        run = subprocess.run(
            [*command, "--only", sabotage.only, "--url", server.url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    failures = len(re.findall(r"^  FAILED ", run.stdout, re.MULTILINE))
    if run.returncode == 0 or not failures:
        return f"NOT NOTICED (exit status {run.returncode})"
    return f"noticed by {failures} checks"


if __name__ == "__main__":
    sys.exit(main())
