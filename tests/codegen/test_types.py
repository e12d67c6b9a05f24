"""The type check refuses a module that does not fill its operations as the spec says."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
from chat_api.client_server.refresh import RefreshRequest, RefreshResponse

def refresh(ctx: str, request: RefreshRequest, /) -> RefreshResponse:
    return RefreshResponse(access_token=request.body.refresh_token)
"""
MODULES = {
    "good": GOOD,
    "unfilled": "from chat_api.base import unfilled\nrefresh = unfilled\n",
    "missing": "",
    "wrong_answer": GOOD.replace("-> RefreshResponse:", "-> str:").replace(
        "RefreshResponse(access_token=request.body.refresh_token)", "''"
    ),
    "wrong_request": GOOD.replace("request: RefreshRequest", "request: str").replace(
        "request.body.refresh_token", "request"
    ),
    "wrong_context": GOOD.replace("ctx: str", "ctx: int"),
}
USE = """
from chat_api.client_server.refresh import RefreshHandlers
import {name}
filled: RefreshHandlers[str] = {name}
"""


@pytest.fixture(scope="module")
def complaints(tmp_path_factory):
    """What mypy says of each module, by its name."""
    folder = tmp_path_factory.mktemp("types")
    for name, text in MODULES.items():
        (folder / f"{name}.py").write_text(text)
        (folder / f"use_{name}.py").write_text(USE.format(name=name))
    paths = f'mypy_path = "{ROOT / "generated"}:{folder}"\n'
    (folder / "mypy.toml").write_text(f"[tool.mypy]\nstrict = true\n{paths}")
    uses = [f"use_{name}.py" for name in MODULES]
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.toml", *uses]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    lines = done.stdout.splitlines()
    return {name: [one for one in lines if one.startswith(f"use_{name}.py")] for name in MODULES}


@pytest.mark.parametrize("name", ["good", "unfilled"])
def test_a_right_module_passes(complaints, name):
    assert complaints[name] == []


@pytest.mark.parametrize("name", ["missing", "wrong_answer", "wrong_request", "wrong_context"])
def test_a_wrong_module_is_refused(complaints, name):
    assert any("error" in line and "RefreshHandlers" in line for line in complaints[name])
