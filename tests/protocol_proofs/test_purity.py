"""The protocol core decides and does nothing else: what it imports and calls proves it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROTOCOL = Path(__file__).parent.parent.parent / "impl" / "chat" / "protocol"
FILES = sorted(PROTOCOL.rglob("*.py"))

# All it may import: values, text, hashes and two codecs. Neither clock, chance, files nor network.
ALLOWED = {
    *("binascii", "collections", "dataclasses", "enum", "functools", "hashlib", "heapq"),
    *("ipaddress", "itertools", "json", "math", "operator", "re", "types", "typing"),
    *("msgspec", "nacl", "orjson"),
}
FORBIDDEN_CALLS = {"open", "print", "input", "exec", "eval", "compile", "__import__", "globals"}


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module or ""


def test_there_are_files_to_look_at() -> None:
    assert len(FILES) > 20


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PROTOCOL)))
def test_imports_only_values(path: Path) -> None:
    for name in _imported(ast.parse(path.read_text("utf-8"))):
        if name.split(".")[0] == "chat":
            assert name == "chat.protocol" or name.startswith("chat.protocol."), name
        else:
            assert name.split(".")[0] in ALLOWED, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PROTOCOL)))
def test_touches_nothing_outside(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN_CALLS, f"line {node.lineno}: {node.func.id}()"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr != "generate", f"line {node.lineno}: keys from chance"
        assert not isinstance(node, ast.Global | ast.AsyncFunctionDef), f"line {node.lineno}"


ORACLE = ["oracle.py", "naive_json.py", "rule_numbers.py", "rendering.py", "timeline.py"]


@pytest.mark.parametrize("name", [*ORACLE, "random_rooms.py"])
def test_the_oracle_shares_nothing_with_the_code_under_test(name: str) -> None:
    tree = ast.parse((Path(__file__).parent / name).read_text("utf-8"))
    assert not [one for one in _imported(tree) if one.split(".")[0] == "chat"]


def test_the_vectors_ask_the_code_under_test_nothing() -> None:
    for path in sorted((Path(__file__).parent.parent / "vectors").glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        assert not [one for one in _imported(tree) if one.split(".")[0] == "chat"], path.name
