"""User-interactive authentication as a table of states.

A state is the tuple of stages completed so far, in their order. A flow is a path through the
states: its stages are completed one after the other, and any complete flow is enough.

    completed so far           may come next
    ()                         the first stage of every flow
    a prefix of some flows     the next stage of each of these flows
    all stages of a flow       nothing: authentication is complete

Spec: client-server-api/#user-interactive-authentication-api
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from chat.protocol.errors import Forbidden

DUMMY = "m.login.dummy"
EMAIL = "m.login.email.identity"
MSISDN = "m.login.msisdn"
OAUTH = "m.oauth"
PASSWORD = "m.login.password"  # noqa: S105 -- the name of a stage
RECAPTCHA = "m.login.recaptcha"
REGISTRATION_TOKEN = "m.login.registration_token"  # noqa: S105 -- the name of a stage
SSO = "m.login.sso"
TERMS = "m.login.terms"

Flow: TypeAlias = Sequence[str]
Stages: TypeAlias = tuple[str, ...]


def next_stages(flows: Sequence[Flow], completed: Stages) -> set[str]:
    """The stages that may be completed next; none once a flow is complete."""
    if is_complete(flows, completed):
        return set()
    done = len(completed)
    return {flow[done] for flow in flows if tuple(flow[:done]) == completed and done < len(flow)}


def is_complete(flows: Sequence[Flow], completed: Stages) -> bool:
    """Whether the completed stages are all those of a flow."""
    return any(tuple(flow) == completed for flow in flows)


def advance(flows: Sequence[Flow], completed: Stages, stage: str) -> Stages:
    """The state after `stage` was passed; a stage that was completed before changes nothing.

    Raises Forbidden where no flow has this stage next.
    """
    if stage in completed:
        return completed
    if stage not in next_stages(flows, completed):
        raise Forbidden("This authentication stage is not the next of any flow")
    return (*completed, stage)


def challenge(
    session: str, flows: Sequence[Flow], completed: Stages, params: dict[str, Any]
) -> dict[str, Any]:
    """The body of the 401 response that asks for more stages.

    `params` holds what clients need to know for a stage, by its name.
    """
    body: dict[str, Any] = {
        "session": session,
        "flows": [{"stages": list(flow)} for flow in flows],
        "params": params,
    }
    if completed:
        body["completed"] = list(completed)
    return body
