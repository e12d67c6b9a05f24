"""A page of another origin, in headless Chromium, uses the server: register, send, read errors."""

import functools
import http.server
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from chat_testing.running import RunningServer, free_port

PATIENCE_S = 60
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SCRIPT = """
const [server, done] = arguments;
const results = {origin: location.origin};
const ask = async (method, path, body, token) => {
  const headers = {"Content-Type": "application/json"};
  if (token) headers["Authorization"] = `Bearer ${token}`;
  const options = {method, headers, body: body === null ? undefined : JSON.stringify(body)};
  const answer = await fetch(server + path, options);
  return {status: answer.status, body: await answer.json()};
};
const story = async () => {
  const wish = {username: "paige", password: "wreath-Orbit-17-lantern"};
  const asked = await ask("POST", "/_matrix/client/v3/register", wish);
  results.asked = asked.status;
  wish.auth = {type: "m.login.dummy", session: asked.body.session};
  const made = await ask("POST", "/_matrix/client/v3/register", wish);
  results.user = made.body.user_id;
  const token = made.body.access_token;
  const room = await ask("POST", "/_matrix/client/v3/createRoom", {name: "Kitchen"}, token);
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room.body.room_id)}`;
  const text = {msgtype: "m.text", body: "Dinner is ready"};
  const sent = await ask("PUT", `${path}/send/m.room.message/t1`, text, token);
  const event = encodeURIComponent(sent.body.event_id);
  results.read = await ask("GET", `${path}/event/${event}`, null, token);
  results.errors = [
    await ask("GET", "/_matrix/client/v3/account/whoami", null),
    await ask("GET", "/_matrix/client/v3/account/whoami", null, "made-up"),
    await ask("GET", "/_matrix/client/v3/lunch", null, token),
    await ask("DELETE", "/_matrix/client/v3/sync", null, token),
    await ask("PUT", `${path}/send/m.room.message/t2`, {number: 1.5}, token),
  ].map(({status, body}) => [status, body.errcode]);
};
story().catch((error) => { results.failed = String(error); }).finally(() => done(results));
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_args: Any) -> None:
        """Not a word."""


@contextmanager
def page(folder: Path) -> Iterator[str]:
    """The address of an empty page on a port of its own."""
    (folder / "index.html").write_text("<!doctype html><title>A page of another origin</title>")
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def browser(profile: Path) -> Iterator[str]:
    """The address of a WebDriver session with a headless Chromium."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("Chromium and ChromeDriver are not installed")
    port = free_port()
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url)
        options = {"binary": chromium, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wish = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        session = f"{url}/session/{command(f'{url}/session', wish)['sessionId']}"
        try:
            yield session
        finally:
            requests.delete(session, timeout=PATIENCE_S)
    finally:
        process.terminate()
        process.wait()


def wait_until_ready(url: str) -> None:
    """Return when the driver answers."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if requests.get(f"{url}/status", timeout=PATIENCE_S).json()["value"]["ready"]:
                return
        except requests.ConnectionError:
            assert time.monotonic() < deadline, "ChromeDriver does not answer"
        time.sleep(0.1)


def command(url: str, body: dict[str, Any]) -> Any:
    """Send a WebDriver command; what it returns."""
    answer = requests.post(url, json=body, timeout=PATIENCE_S).json()["value"]
    assert not (isinstance(answer, dict) and "error" in answer), answer
    return answer


def test_a_page_of_another_origin_uses_the_server(server: RunningServer, tmp_path: Path) -> None:
    with page(tmp_path) as address, browser(tmp_path / "profile") as session:
        command(f"{session}/url", {"url": address})
        told = command(f"{session}/execute/async", {"script": SCRIPT, "args": [server.url]})
    assert told["origin"] == address.removesuffix("/index.html")
    assert told["origin"] != server.url
    assert "failed" not in told, told
    assert (told["asked"], told["user"]) == (401, "@paige:localhost")
    assert told["read"]["body"]["content"]["body"] == "Dinner is ready"
    assert told["errors"] == [
        [401, "M_MISSING_TOKEN"],
        [401, "M_UNKNOWN_TOKEN"],
        [404, "M_UNRECOGNIZED"],
        [405, "M_UNRECOGNIZED"],
        [400, "M_BAD_JSON"],
    ]
