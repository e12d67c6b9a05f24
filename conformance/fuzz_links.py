"""Sequences of generated requests, in which the answer to one names what the next is about.

The API's documents have no links between operations; LINKS says what an answer leads on to: a field
of the answer of some operations is a parameter of every operation that has one of that name.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case

from conformance.client import Json, User, World
from conformance.runner.contract import METHODS
from conformance.runner.exchange import Exchange, Request

STEPS = 12  # of a sequence
LONGEST_WAIT_MS = 100
ENDING = ("logout", "logout_all", "deleteDevice", "deleteDevices", "changePassword", "refresh")
# Operations, the field of their answers, and the parameters which it fills.
LINKS = (
    (("createRoom", "joinRoomById", "joinRoom", "upgradeRoom"), "room_id", ("roomId",)),
    (("upgradeRoom",), "replacement_room", ("roomId", "roomIdOrAlias")),
    (("createRoom",), "room_id", ("roomIdOrAlias", "room_id")),
    (("sendMessage", "setRoomStateWithKey", "redactEvent"), "event_id", ("eventId",)),
    (("defineFilter",), "filter_id", ("filterId", "filter")),
    (("login", "register"), "device_id", ("deviceId",)),
    (("sync",), "next_batch", ("since", "at")),
    (("getRoomEvents",), "end", ("from",)),
    (("scheduleDelayedEvent",), "delay_id", ("delayId",)),
)


def linked(document: Json, names: frozenset[str]) -> Json:
    """The document with the operations of these names ("GET /path"), and links between them.

    Those that would end the user's session are left out.
    """
    found = copy.deepcopy(document)
    found["paths"] = {
        path: {
            key: node
            for key, node in item.items()
            if key not in METHODS
            or (f"{key.upper()} {path}" in names and node["operationId"] not in ENDING)
        }
        for path, item in found["paths"].items()
        if not path.endswith(" ")
    }
    operations = list(_operations(found))
    for source in operations:
        for ids, field, parameters in LINKS:
            if source["operationId"] in ids and "200" in source["responses"]:
                links = source["responses"]["200"].setdefault("links", {})
                links |= _links(operations, field, parameters)
    return found


def _operations(document: Json) -> Iterator[Json]:
    for item in document["paths"].values():
        yield from (item[method] for method in METHODS if method in item)


def _links(operations: list[Json], field: str, parameters: tuple[str, ...]) -> Json:
    links = {}
    for target in operations:
        filled = {
            f"{one['in']}.{one['name']}": f"$response.body#/{field}"
            for one in target.get("parameters", [])
            if one.get("name") in parameters
        }
        if filled:
            target_id = target["operationId"]
            links[f"{field}-{target_id}"] = {"operationId": target_id, "parameters": filled}
    return links


def run(
    document: Json,
    names: frozenset[str],
    world: World,
    sequences: int,
    statuses: Counter[int],
) -> None:
    """Make sequences of requests, counting each answer in `statuses`. Raises StepFailed."""
    user: User = world.user("links")
    machine = schemathesis.openapi.from_dict(linked(document, names)).as_state_machine()

    class Linked(machine):  # type: ignore[misc,valid-type] # made at run time
        """Calls as one user; each answer is held against the API."""

        def get_call_kwargs(self, case: Case[Any]) -> dict[str, Any]:
            for name in ("timeout", "timeout_ms"):
                if isinstance((case.query or {}).get(name), int):
                    case.query[name] = min(case.query[name], LONGEST_WAIT_MS)
            case.headers["Authorization"] = f"Bearer {user.token}"
            return {"base_url": world.wire.url, "allow_redirects": False}

        def validate_response(self, response: Any, case: Case[Any], **_: Any) -> None:
            sent = response.request
            body = sent.body.encode() if isinstance(sent.body, str) else sent.body
            path = sent.path_url
            named = {name.lower(): ", ".join(value) for name, value in response.headers.items()}
            request = Request(
                sent.method or "", path, {}, body if isinstance(body, bytes) else None
            )
            statuses[response.status_code] += 1
            world.wire.contract.check(
                Exchange(request, response.status_code, named, response.content)
            )

    Linked.run(
        settings=settings(
            max_examples=sequences,
            stateful_step_count=STEPS,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
    )
