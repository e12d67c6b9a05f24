"""Mutation check: break every condition and refusal of the rules; the vectors must notice.

    python tests/protocol_proofs/mutate.py             every mutant, as `make prove` does
    python tests/protocol_proofs/mutate.py --sample 60  that many, always the same ones
    python tests/protocol_proofs/mutate.py --list       only print the mutants

Mutants are made from the syntax trees of `auth_rules/` and `state_resolution/`: every condition is
forced true and forced false, every `raise` is removed; conditions are the tests of if, while and
comprehensions, the parts of and/or, and comparisons that are returned (an assert only states what
holds anyway). A mutant is killed when a check fails,
raises, or takes too long. Survivors must stand in `surviving_mutants.json`, each with a reason,
and be at most 2 % of all.
"""

import argparse
import ast
import copy
import importlib
import importlib.abc
import importlib.machinery
import json
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, ModuleType

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent / "vectors"), str(ROOT / "impl")]

import checks  # noqa: E402
from subject import Subject  # noqa: E402

PROTOCOL = ROOT / "impl" / "chat" / "protocol"
PACKAGES = ("auth_rules", "state_resolution")
SURVIVORS = HERE / "surviving_mutants.json"
MAX_SURVIVING_PART = 0.02
TIMEOUT_S = 5.0
SAMPLE_SEED = 4
_PASSES_ON = (ast.BoolOp, ast.Compare)


@dataclass(frozen=True)
class Mutant:
    """One change: where, what stood there, and what stands there instead."""

    module: str
    function: str
    line: int
    source: str
    change: str  # "True", "False" or "removed"
    path: tuple[tuple[str, int | None], ...]  # from the module's tree to the changed node
    occurrence: int  # which of equal ones in the same function

    @property
    def key(self) -> str:
        """What identifies the mutant even when lines move."""
        short = self.module.removeprefix("chat.protocol.")
        nth = f" (no. {self.occurrence + 1})" if self.occurrence else ""
        return f"{short}:{self.function}: {self.source} -> {self.change}{nth}"


# ---------------------------------------------------------------- finding mutants


def _modules() -> dict[str, Path]:
    """Name → file of every module that is mutated."""
    found = {}
    for package in PACKAGES:
        for path in sorted((PROTOCOL / package).glob("*.py")):
            suffix = "" if path.stem == "__init__" else f".{path.stem}"
            found[f"chat.protocol.{package}{suffix}"] = path
    return found


Path_ = tuple[tuple[str, int | None], ...]


def _children(node: ast.AST) -> Iterator[tuple[tuple[str, int | None], ast.AST]]:
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield (name, None), value
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield (name, index), item


def _is_condition(parent: ast.AST, field: str, node: ast.AST) -> bool:
    """Whether the node's truth decides something."""
    if isinstance(parent, ast.If | ast.IfExp | ast.While) and field == "test":
        return True
    if isinstance(parent, ast.comprehension) and field == "ifs":
        return True
    if isinstance(parent, ast.BoolOp) and field == "values":
        return True
    if isinstance(parent, ast.Return) and field == "value":
        negated = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        return isinstance(node, _PASSES_ON) or negated
    return False


def _walk(node: ast.AST, path: Path_, function: str) -> Iterator[tuple[ast.AST, Path_, str, str]]:
    """(node, path, function, kind) of everything that is mutated; kind: condition or raise."""
    for step, child in _children(node):
        here = (*path, step)
        inner = function
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            inner = f"{function}.{child.name}" if function else child.name
        if isinstance(child, ast.Raise):
            yield child, here, function, "raise"
        elif _is_condition(node, step[0], child):
            yield child, here, function, "condition"
        yield from _walk(child, here, inner)


def find_mutants() -> list[Mutant]:
    """All mutants, in the order of the files."""
    found: list[Mutant] = []
    seen: dict[tuple[str, str, str, str], int] = {}
    for module, path in _modules().items():
        tree = ast.parse(path.read_text("utf-8"))
        for node, place, function, kind in _walk(tree, (), ""):
            source = " ".join(ast.unparse(node).split())
            for change in ("removed",) if kind == "raise" else ("True", "False"):
                identity = (module, function, source, change)
                count = seen.get(identity, 0)
                seen[identity] = count + 1
                line = getattr(node, "lineno", 0)
                found.append(Mutant(module, function, line, source, change, place, count))
    return found


def _mutated_code(mutant: Mutant) -> CodeType:
    path = _modules()[mutant.module]
    tree = copy.deepcopy(_tree(path))
    node: ast.AST = tree
    for name, index in mutant.path[:-1]:
        value = getattr(node, name)
        node = value if index is None else value[index]
    replacement: ast.AST = (
        ast.Pass() if mutant.change == "removed" else ast.Constant(mutant.change == "True")
    )
    name, index = mutant.path[-1]
    if index is None:
        setattr(node, name, replacement)
    else:
        getattr(node, name)[index] = replacement
    return compile(ast.fix_missing_locations(tree), str(path), "exec")


_trees: dict[Path, ast.Module] = {}


def _tree(path: Path) -> ast.Module:
    if path not in _trees:
        _trees[path] = ast.parse(path.read_text("utf-8"))
    return _trees[path]


# ---------------------------------------------------------------- running them


class _MutantFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the mutated module from its changed tree, all others as usual."""

    def __init__(self, module: str, code: CodeType) -> None:
        self.module = module
        self.code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.module:
            return None
        file = _modules()[fullname]
        is_package = file.stem == "__init__"
        spec = importlib.machinery.ModuleSpec(fullname, self, is_package=is_package)
        if is_package:
            spec.submodule_search_locations = [str(file.parent)]
        return spec

    def exec_module(self, module: ModuleType) -> None:
        exec(self.code, module.__dict__)


def _own_modules() -> list[str]:
    prefixes = tuple(f"chat.protocol.{package}" for package in PACKAGES)
    return [
        name
        for name in sys.modules
        if any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)
    ]


def _fresh_subject(finder: _MutantFinder) -> Subject:
    for name in _own_modules():
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        return Subject()
    finally:
        sys.meta_path.remove(finder)


class _TooLongError(Exception):
    pass


def _on_alarm(_signal: int, _frame: FrameType | None) -> None:
    raise _TooLongError


def _first_failure(mutant: Mutant) -> str | None:
    """The check that kills the mutant, or None."""
    name = "import"
    try:
        subject = _fresh_subject(_MutantFinder(mutant.module, _mutated_code(mutant)))
        for check in _ordered_checks(mutant):
            name = f"{check.name}, version {check.version}"
            if check.run(subject) is not None:
                return name
    except _TooLongError:
        return f"{name} (took too long)"
    except Exception as error:
        return f"{name} ({type(error).__name__})"
    return None


def _ordered_checks(mutant: Mutant) -> Iterator[checks.Check]:
    lists = [checks.auth_checks, checks.auth_events_checks, checks.further_checks]
    lists.insert(0 if "state_resolution" in mutant.module else 3, checks.resolution_checks)
    for make in lists:
        yield from make()


def failing_unmutated() -> list[str]:
    """The checks that fail on the code as it is; while there are any, no mutant says anything."""
    subject = Subject()
    lists = (
        checks.auth_checks,
        checks.auth_events_checks,
        checks.further_checks,
        checks.resolution_checks,
    )
    return [
        f"{check.name}, version {check.version}"
        for make in lists
        for check in make()
        if check.run(subject) is not None
    ]


def killed_by(mutant: Mutant) -> str | None:
    """What kills the mutant (a check, or the time limit); None if it survives."""
    before = {name: sys.modules[name] for name in _own_modules()}
    previous = signal.signal(signal.SIGALRM, _on_alarm)
    outer_timer = signal.setitimer(signal.ITIMER_REAL, TIMEOUT_S)  # that of a test runner
    try:
        return _first_failure(mutant)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        signal.setitimer(signal.ITIMER_REAL, *outer_timer)
        for name in _own_modules():
            del sys.modules[name]
        sys.modules.update(before)


def known_survivors() -> dict[str, str]:
    """Key → reason of the mutants that may survive."""
    reasons: dict[str, str] = json.loads(SURVIVORS.read_text("utf-8"))
    return reasons


def sample(size: int) -> list[Mutant]:
    """The same `size` mutants every time the code is the same."""
    mutants = find_mutants()
    return random.Random(SAMPLE_SEED).sample(mutants, min(size, len(mutants)))


def run(mutants: list[Mutant]) -> list[Mutant]:
    """The survivors among these; prints each and a summary."""
    started = time.perf_counter()
    survivors = [mutant for mutant in mutants if killed_by(mutant) is None]
    known = known_survivors()
    for mutant in survivors:
        word = "known" if mutant.key in known else "SURVIVED"
        print(f"{word}: {mutant.key} (line {mutant.line})")
    seconds = time.perf_counter() - started
    print(f"{len(mutants)} mutants, {len(survivors)} survived, {seconds:.1f} s")
    return survivors


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sample", type=int, help="run that many mutants only")
    parser.add_argument("--list", action="store_true", help="print the mutants, run none")
    options = parser.parse_args(arguments)
    mutants = sample(options.sample) if options.sample else find_mutants()
    if options.list:
        print("\n".join(mutant.key for mutant in mutants))
        return 0
    failing = failing_unmutated()
    if failing:
        print("these checks fail without any mutation: " + "; ".join(failing))
        return 1
    survivors = run(mutants)
    unknown = [mutant for mutant in survivors if mutant.key not in known_survivors()]
    too_many = len(survivors) > MAX_SURVIVING_PART * len(mutants) and not options.sample
    return 1 if unknown or too_many else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
