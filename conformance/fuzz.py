"""`python -m conformance.fuzz --url URL --secret SECRET [--only PATTERN] [--examples N]`.

Schemathesis makes requests from the published API, right ones and wrong ones, and every answer is
held against it: no failure of the server, no status, errcode or field that is not described.
Each operation is called by a new user with a room. The same requests are made in every run.
"""

import argparse
import copy
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode

from conformance import fuzz_links
from conformance.__main__ import API
from conformance.checks.media import png
from conformance.client import Json, User, Wire, World
from conformance.runner.contract import METHODS, Contract
from conformance.runner.exchange import Exchange, Request, StepFailed

OURS = ("client-server:", "media:", "admin:", "extra:")
Operation = APIOperation[Any, Any, Any, Any]
AnyCase = Case[Any]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
TIMEOUT_S = 30
LONGEST_WAIT_MS = 100
WAITS = ("timeout", "timeout_ms")


@dataclass(frozen=True)
class Stage:
    """Who calls an operation, and the values that mean something to this user."""

    user: User
    known: Mapping[str, str]


def stage(world: World) -> Stage:
    """A new user with a room, an event, an alias and other things that can be asked for."""
    user = world.user("fuzz")
    name = world.name("room")
    room = user.create_room(name="Kitchen", room_alias_name=name, preset="public_chat")
    server_name = user.user_id.partition(":")[2]
    kind = "org.example.note"
    user.put("/profile/{}/displayname", user.user_id, body={"displayname": "Fuzz"}).ok()
    user.put("/user/{}/account_data/{}", user.user_id, kind, body={"n": 1}).ok()
    user.put("/user/{}/rooms/{}/account_data/{}", user.user_id, room, kind, body={"n": 1}).ok()
    made = user.post("/user/{}/filter", user.user_id, body={}).ok()
    known = {
        "roomId": room,
        "roomIdOrAlias": room,
        "roomAlias": f"#{name}:{server_name}",
        "userId": user.user_id,
        "deviceId": user.device_id,
        "eventId": user.send(room, "Dinner is ready"),
        "eventType": "m.room.name",
        "stateKey": "",
        "receiptType": "m.read",
        "serverName": server_name,
        "mediaId": user.upload(png(8, 8), "image/png").rpartition("/")[2],
        "keyName": "displayname",
        "type": kind,
        "filterId": made["filter_id"],
        "kind": "underride",
        "ruleId": ".m.rule.message",
    }
    return Stage(user, known)


def documents(document: Json) -> Iterator[Json]:
    """The API in parts in which no path stands twice.

    Of two operations on one path, one is written with a space at the end of the path.
    """
    for spaced in (False, True):
        part = copy.deepcopy(document)
        part["paths"] = {
            path.strip(): item
            for path, item in part["paths"].items()
            if path.endswith(" ") is spaced
        }
        yield part


def operations(document: Json, pattern: str) -> Iterator[Operation]:
    """The operations that clients call and that the pattern fits."""
    for part in documents(document):
        schema = schemathesis.openapi.from_dict(part)
        for path, item in part["paths"].items():
            for method in METHODS:
                tags = item.get(method, {}).get("tags", ["none"])
                if tags[0].startswith(OURS) and re.search(pattern, f"{method.upper()} {path}"):
                    yield schema[path][method]


def sent(case: AnyCase, url: str, token: str | None, session: requests.Session) -> Exchange:
    """Send a case with the token. Raises StepFailed where no answer comes."""
    wish = case.as_transport_kwargs(base_url=url)
    wish["headers"] = {**wish.get("headers", {}), "Authorization": f"Bearer {token}"}
    try:
        prepared = session.prepare_request(requests.Request(**_of_request(wish)))
    except (ValueError, UnicodeError, requests.RequestException):
        reject()  # it cannot be written as HTTP
    body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
    headers = {name: str(value) for name, value in prepared.headers.items()}
    request = Request(
        prepared.method or "",
        prepared.path_url,
        headers,
        body if isinstance(body, bytes) else None,
    )
    try:
        answer = session.send(prepared, timeout=TIMEOUT_S, allow_redirects=False)
    except requests.RequestException as error:
        raise StepFailed(f"no answer to {request.method} {request.path}: {error!r}") from error
    named = {name.lower(): value for name, value in answer.headers.items()}
    return Exchange(request, answer.status_code, named, answer.content)


def _of_request(wish: Mapping[str, Any]) -> dict[str, Any]:
    """Of the arguments for sending, those that make the request."""
    keys = ("method", "url", "headers", "files", "data", "json", "params", "auth", "cookies")
    return {key: wish[key] for key in keys if key in wish}


def prepare(case: AnyCase, known: Mapping[str, str] | None) -> None:
    """Fill in known values, and cut down how long the server is asked to wait."""
    for name in case.path_parameters or {}:
        if known is not None and name in known:
            case.path_parameters[name] = quote(known[name], safe="")
    for name in WAITS:
        if isinstance((case.query or {}).get(name), int):
            case.query[name] = min(case.query[name], LONGEST_WAIT_MS)


@dataclass
class Outcome:
    """What became of the calls of one operation."""

    statuses: Counter[int] = field(default_factory=Counter)
    unrecognized: int = 0
    failures: list[StepFailed] = field(default_factory=list)

    @property
    def is_unfilled(self) -> bool:
        """Whether nothing succeeded and every 404 said that there is no such operation."""
        succeeded = any(status < 400 for status in self.statuses)
        return not succeeded and 0 < self.unrecognized == self.statuses[404]

    def count(self, exchange: Exchange) -> None:
        """Take note of an answer."""
        self.statuses[exchange.status] += 1
        if exchange.status == 404 and exchange.json.get("errcode") == "M_UNRECOGNIZED":
            self.unrecognized += 1


def fuzz(operation: Operation, world: World, examples: int) -> Outcome:
    """Call one operation with right and with wrong requests."""
    place = stage(world)
    outcome = Outcome()
    with requests.Session() as session:
        session.trust_env = False
        for mode in MODES:

            @settings(
                max_examples=examples,
                derandomize=True,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
            def call(case: AnyCase, is_known: bool) -> None:
                prepare(case, place.known if is_known else None)
                exchange = sent(case, world.wire.url, place.user.token, session)
                outcome.count(exchange)
                world.wire.contract.check(exchange)

            try:
                call()
            except StepFailed as failure:
                outcome.failures.append(failure)
            except Unsatisfiable as error:
                if mode is GenerationMode.POSITIVE:  # some operations admit no wrong request
                    outcome.failures.append(StepFailed(f"no request could be made: {error}"))
    return outcome


def sequences(document: Json, names: frozenset[str], world: World, examples: int) -> Outcome:
    """Call the operations of these names one after the other, linked by their answers."""
    outcome = Outcome()
    try:
        fuzz_links.run(document, names, world, examples, outcome.statuses)
    except StepFailed as failure:
        outcome.failures.append(failure)
    except BaseExceptionGroup as group:  # several different ones
        if any(not isinstance(one, StepFailed) for one in group.exceptions):
            raise
        outcome.failures.extend(one for one in group.exceptions if isinstance(one, StepFailed))
    return outcome


def report(name: str, outcome: Outcome) -> None:
    """Print what became of one operation."""
    seen = " ".join(f"{status}x{count}" for status, count in sorted(outcome.statuses.items()))
    print(f"  {'FAILED' if outcome.failures else 'ok':7} {name}  {seen}")
    for failure in outcome.failures:
        text = f"{failure}\n{failure.exchange or ''}"
        print(*(f"          {line}" for line in text.splitlines()), sep="\n")


def main() -> int:
    """Call the operations that are asked for; the exit status is 0 when every answer is right."""
    parser = argparse.ArgumentParser(prog="python -m conformance.fuzz", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8008", help="the server's base URL")
    parser.add_argument("--secret", required=True, help="its registration_shared_secret")
    parser.add_argument("--only", default="", help="a regular expression for method and path")
    parser.add_argument("--examples", type=int, default=8, help="right and wrong requests, each")
    wish = parser.parse_args()
    document = yaml.load(API.read_text(encoding="utf-8"), yaml.CSafeLoader)
    contract = Contract(copy.deepcopy(document))
    world = World(Wire([wish.url.rstrip("/")], contract), wish.secret)
    started = time.monotonic()
    totals: Counter[str] = Counter()
    filled: list[str] = []
    unfilled = []
    for operation in operations(document, wish.only):
        name = f"{operation.method.upper()} {operation.path}"
        outcome = fuzz(operation, world, wish.examples)
        world.wire.record.clear()
        if outcome.is_unfilled:
            unfilled.append(name)
            continue
        report(name, outcome)
        totals["failed" if outcome.failures else "passed"] += 1
        totals["requests"] += outcome.statuses.total()
        filled.append(name)
    print(*(f"  unfilled {name}" for name in unfilled), sep="\n")
    outcome = sequences(document, frozenset(filled), world, wish.examples)
    report("sequences of requests", outcome)
    totals["failed" if outcome.failures else "passed"] += 1
    totals["requests"] += outcome.statuses.total()
    print(
        f"\n{totals['passed']} passed, {totals['failed']} failed, {len(unfilled)} unfilled, "
        f"{totals['requests']} requests in {time.monotonic() - started:.0f} s"
    )
    return 1 if totals["failed"] or not totals["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
