"""Which operations a server has, as it says itself."""

import re

from conformance.client import Wire
from conformance.runner.contract import Contract
from conformance.runner.exchange import Request, send
from conformance.runner.operation import Operation

UNRECOGNIZED = "M_UNRECOGNIZED"


def filled_operations(wire: Wire, contract: Contract) -> list[Operation]:
    """The operations that the server does not call unrecognised.

    They are asked for without a token, so nothing comes of it.
    """
    return [one for one in contract.operations() if _is_filled(wire, one)]


def _is_filled(wire: Wire, operation: Operation) -> bool:
    path = re.sub(r"\{[^}]+\}", "x", operation.template)
    body = None if operation.method == "GET" else b"{}"
    answer = send(wire.url, Request(operation.method, path, {}, body))
    return answer.errcode != UNRECOGNIZED
