"""The protocol core decides from its arguments alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import chat.protocol

FOLDER = Path(chat.protocol.__file__).parent
MODULES = sorted(FOLDER.rglob("*.py"))
ALLOWED = {
    *("binascii", "collections", "dataclasses", "enum", "hashlib", "heapq", "ipaddress"),
    *("itertools", "json", "math", "re", "typing"),
    *("chat", "msgspec", "nacl", "orjson"),
}
FORBIDDEN_CALLS = {"open", "print", "input", "exec", "eval", "__import__"}


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_no_module_reaches_outside(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for name in imports(tree):
        assert name.partition(".")[0] in ALLOWED, name
        assert not name.startswith("chat") or name.startswith("chat.protocol"), name
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & FORBIDDEN_CALLS


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > 20
