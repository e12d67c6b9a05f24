"""The rate limit of an operation: which bucket a request is counted in."""

from chat_api.base import Operation

from chat.http.context import Context
from chat.services.ratelimit import RateLimits


def count(limits: RateLimits, operation: Operation, context: Context) -> None:
    """Count a request by its user, else by the server that signed it or the address it came from.

    Raises LimitExceeded. Administrators, and users who are exempt, are not limited.

    Spec: client-server-api/#rate-limiting
    """
    if operation.rate_limit is None:
        return
    caller = context.caller
    if caller is None:
        limits.check(operation.rate_limit, context.origin or context.address)
    else:
        limits.check_for(caller, operation.rate_limit)
