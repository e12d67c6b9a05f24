"""Rate limits, of a server that has tight ones: `--limited` runs these checks, and only these."""

from conformance.checks.everywhere import ask
from conformance.client import Client, World
from conformance.runner.exchange import StepFailed
from conformance.runner.filled import filled_operations
from conformance.runner.operation import Operation

LIMITED = "429 M_LIMIT_EXCEEDED"
AT_MOST = 12  # requests of one user until the limit must have been reached


def check_every_limit(world: World) -> None:
    """An operation with a rate limit refuses whoever exceeds it, and says when to come again."""
    wrong = [
        problem
        for operation in filled_operations(world.wire, world.wire.contract)
        if LIMITED in operation.outcomes and (problem := _problem(world, operation))
    ]
    if wrong:
        raise StepFailed("\n".join(wrong))


def _problem(world: World, operation: Operation) -> str | None:
    """What is wrong with the limit of an operation."""
    user = world.user()
    client: Client = user if operation.for_users else world.stranger
    for _ in range(AT_MOST):
        exchange = ask(client, operation, user)
        if exchange.status == 429:
            wait_ms = exchange.json.get("retry_after_ms")
            seconds = exchange.headers.get("retry-after", "")
            if not isinstance(wait_ms, int) or not seconds.isdigit() or wait_ms <= 0:
                return f"{operation.name}: retry_after_ms {wait_ms}, Retry-After {seconds!r}"
            if abs(int(seconds) * 1000 - wait_ms) > 1000:
                return f"{operation.name}: {wait_ms} ms, but Retry-After {seconds}"
            return None
    return f"{operation.name} was done {AT_MOST} times: {exchange.status} {exchange.errcode}"


def check_users_are_limited_apart(world: World) -> None:
    """One user's limit is no other's."""
    eager, other = world.user(), world.user()
    while eager.get("/account/whoami").status == 200:
        pass
    eager.get("/account/whoami").refused(429, "M_LIMIT_EXCEEDED")
    other.get("/account/whoami").ok()
