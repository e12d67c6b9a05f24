"""What holds for every operation alike, taken from the published API."""

import json
from collections.abc import Callable, Iterator
from urllib.parse import quote, urlencode

from conformance.client import Client, User, World
from conformance.runner.exchange import Exchange, Request, StepFailed
from conformance.runner.filled import filled_operations
from conformance.runner.operation import Operation, Parameter

HUGE = {"Content-Length": str(10**9)}
NAMES = frozenset({"roomId", "roomIdOrAlias", "eventId", "mediaId", "ruleId", "delayId"})
APART = {
    "POST /_matrix/client/v3/rooms/{roomId}/invite",  # its example is a user of another server
    "PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}",  # makes the rule
    "DELETE /_matrix/client/v3/pushrules/global/{kind}/{ruleId}",  # which the step before made
}


def check_no_token(world: World) -> None:
    """An operation for users refuses a request without a token."""

    def step(one: Operation, user: User) -> Exchange | None:
        return ask(world.stranger, one, user) if one.for_users else None

    for_each(world, "401 M_MISSING_TOKEN", step)


def check_unknown_token(world: World) -> None:
    """An operation for users refuses a token that nobody has."""
    nobody = Client(world.wire, "no-such-token")
    for_each(world, "401 M_UNKNOWN_TOKEN", lambda one, user: ask(nobody, one, user))


def check_guests(world: World) -> None:
    """An operation that is not for guests refuses them."""
    guest = world.guest()

    def step(one: Operation, _: User) -> Exchange | None:
        return None if one.guests else ask(guest, one, guest)

    for_each(world, "403 M_GUEST_ACCESS_FORBIDDEN", step)


def check_bodies_that_are_no_json(world: World) -> None:
    """An operation that takes JSON refuses a body that is none."""
    for_each(world, "400 M_NOT_JSON", lambda one, user: ask(user, one, user, body=b"{soup"))


def check_bodies_that_are_no_objects(world: World) -> None:
    """An operation that takes an object refuses a list."""

    def step(one: Operation, user: User) -> Exchange | None:
        return ask(user, one, user, body=b"[]") if one.body else None

    for_each(world, "400 M_BAD_JSON", step)


def check_bodies_that_are_too_large(world: World) -> None:
    """An operation that takes a body refuses one of a gigabyte before it has come."""

    def step(one: Operation, user: User) -> Exchange | None:
        return ask(user, one, user, body=b"", headers=HUGE) if one.method != "GET" else None

    for_each(world, "413 M_TOO_LARGE", step)


def check_missing_parameters(world: World) -> None:
    """An operation refuses a request without what it requires."""

    def step(one: Operation, user: User) -> Exchange | None:
        if any(each.required and each.place == "query" for each in one.parameters):
            return ask(user, one, user, query=False)
        if one.body and one.body.get("required"):
            return ask(user, one, user, body=b"{}")
        return None

    for_each(world, "400 M_MISSING_PARAM", step)


def check_what_does_not_exist(world: World) -> None:
    """An operation on a room, an event or another thing that nobody made does not find it."""

    def step(one: Operation, user: User) -> Exchange | None:
        named = {each.name for each in one.parameters if each.place == "path"} & NAMES
        return ask(user, one, user) if named and one.name not in APART else None

    for_each(world, "404 M_NOT_FOUND", step)


def check_parameters_of_a_wrong_form(world: World) -> None:
    """An operation refuses a parameter that is too long, or no number, or none of the choices."""

    def step(one: Operation, user: User) -> Exchange | None:
        wrong = [each for each in one.parameters if misformed(each) is not None]
        return ask(user, one, user, wrong=wrong[-1]) if wrong else None

    for_each(world, "400 M_INVALID_PARAM", step)


# --- steps ---


def for_each(
    world: World, outcome: str, step: Callable[[Operation, User], Exchange | None]
) -> None:
    """Take a step for each filled operation that describes an outcome, and insist on it.

    A step returns None for an operation in which the outcome has a meaning of its own.
    """
    status, _, errcode = outcome.partition(" ")
    user = world.user()
    wrong = []
    for operation in filled_operations(world.wire, world.wire.contract):
        if outcome not in operation.outcomes:
            continue
        exchange = step(operation, user)
        if exchange is None:
            continue
        if (exchange.status, exchange.errcode) != (int(status), errcode):
            wrong.append(f"{operation.name}: {exchange.status} {exchange.errcode}")
    if wrong:
        raise StepFailed(f"expected {outcome} of\n" + "\n".join(wrong))


def ask(
    client: Client,
    operation: Operation,
    user: User,
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    query: bool = True,
    wrong: Parameter | None = None,
) -> Exchange:
    """Ask for an operation about `user`, everything else filled with the API's examples."""
    sent = {"Authorization": f"Bearer {client.token}"} if client.token else {}
    if operation.body is not None:
        sent["Content-Type"] = "application/json"
        body = json.dumps(operation.example).encode() if body is None else body
    path = operation.template
    for each in operation.parameters:
        if each.place == "path":
            path = path.replace("{" + each.name + "}", quote(_value(each, user, wrong), safe=""))
    pairs = list(_query(operation, user, wrong)) if query else []
    target = f"{path}?{urlencode(pairs)}" if pairs else path
    request = Request(operation.method, target, sent | (headers or {}), body)
    return client.wire.send(request)


def _query(operation: Operation, user: User, wrong: Parameter | None) -> Iterator[tuple[str, str]]:
    for each in operation.parameters:
        if each.place == "query" and (each.required or each is wrong):
            yield each.name, _value(each, user, wrong)


def _value(parameter: Parameter, user: User, wrong: Parameter | None) -> str:
    if parameter is wrong:
        return misformed(parameter) or ""
    if parameter.name == "userId":
        return user.user_id
    return "x" if parameter.example is None else str(parameter.example)


def misformed(parameter: Parameter) -> str | None:
    """A value that a parameter cannot have; None where any text will do."""
    schema = parameter.schema
    if schema.get("type") in ("integer", "boolean") or "enum" in schema:
        return None if parameter.place == "path" else "soup"
    longest = schema.get("maxLength")
    return None if longest is None or longest > 4_096 else "x" * (longest + 1)
