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
from dataclasses import dataclass
from typing import Any

import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode

from conformance.__main__ import API
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
    """A new user with a room, an event and an alias."""
    user = world.user("fuzz")
    name = world.name("room")
    room = user.create_room(room_alias_name=name, preset="public_chat")
    server_name = user.user_id.partition(":")[2]
    known = {
        "roomId": room,
        "roomIdOrAlias": room,
        "roomAlias": f"#{name}:{server_name}",
        "userId": user.user_id,
        "deviceId": user.device_id,
        "eventId": user.send(room, "Dinner is ready"),
        "eventType": "m.room.message",
        "serverName": server_name,
        "mediaId": user.upload(b"soup", "text/plain").rpartition("/")[2],
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
            case.path_parameters[name] = known[name]
    for name in WAITS:
        if isinstance((case.query or {}).get(name), int):
            case.query[name] = min(case.query[name], LONGEST_WAIT_MS)


def fuzz(
    operation: Operation, world: World, examples: int
) -> tuple[Counter[int], list[StepFailed]]:
    """Call one operation; how often each status was answered, and what was wrong."""
    place = stage(world)
    statuses: Counter[int] = Counter()
    failures: list[StepFailed] = []
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
                statuses[exchange.status] += 1
                world.wire.contract.check(exchange)

            try:
                call()
            except StepFailed as failure:
                failures.append(failure)
            except Unsatisfiable as error:
                if mode is GenerationMode.POSITIVE:  # some operations admit no wrong request
                    failures.append(StepFailed(f"no request could be made: {error}"))
    return statuses, failures


def is_unfilled(failure: StepFailed) -> bool:
    """Whether the server said that it does not have the operation."""
    exchange = failure.exchange
    return (
        exchange is not None
        and exchange.status == 404
        and exchange.json.get("errcode") == "M_UNRECOGNIZED"
    )


def report(name: str, statuses: Counter[int], failures: list[StepFailed]) -> None:
    """Print what became of one operation."""
    seen = " ".join(f"{status}x{count}" for status, count in sorted(statuses.items()))
    print(f"  {'FAILED' if failures else 'ok':7} {name}  {seen}")
    for failure in failures:
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
    world = World(Wire(wish.url.rstrip("/"), contract), wish.secret)
    started = time.monotonic()
    outcome: Counter[str] = Counter()
    unfilled = []
    for operation in operations(document, wish.only):
        name = f"{operation.method.upper()} {operation.path}"
        statuses, failures = fuzz(operation, world, wish.examples)
        world.wire.record.clear()
        if failures and all(is_unfilled(failure) for failure in failures):
            unfilled.append(name)
            continue
        report(name, statuses, failures)
        outcome["failed" if failures else "passed"] += 1
        outcome["requests"] += statuses.total()
    print(*(f"  unfilled {name}" for name in unfilled), sep="\n")
    print(
        f"\n{outcome['passed']} passed, {outcome['failed']} failed, {len(unfilled)} unfilled, "
        f"{outcome['requests']} requests in {time.monotonic() - started:.0f} s"
    )
    return 1 if outcome["failed"] or not outcome["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
