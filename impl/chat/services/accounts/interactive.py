"""User-interactive authentication: the same request again and again, each time with one stage more.

A session lives in the database, so that any worker can go on with it, and is bound to the user,
the operation and the body it began with. It ends with the request that completes it.
Spec: client-server-api/#user-interactive-authentication-api
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chat.protocol.errors import ChatError, Forbidden, InteractiveAuthRequired, LimitExceeded
from chat.services.server import Server
from chat.storage import uia
from chat.storage.engine import Transaction
from chat.storage.uia import UiaSession

DUMMY = "m.login.dummy"
PASSWORD = "m.login.password"  # noqa: S105 - the name of a stage

Auth = dict[str, Any]
Stage = Callable[[Auth], Any]
"""Checks what a client submits for a stage: returns the result to keep, or raises ChatError."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """What a session is bound to: the operation ("DELETE /devices"), its user and its body."""

    operation: str
    user_id: str | None
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Completed:
    """A completed session: the body it began with, and the result of each stage."""

    session_id: str
    body: dict[str, Any]
    results: dict[str, Any]


def complete(
    server: Server,
    guarded: Guarded,
    auth: Auth | None,
    flows: Sequence[Sequence[str]],
    stages: Mapping[str, Stage],
) -> Completed:
    """Go on with a session, or begin one; returns when one of the `flows` is complete.

    Raises InteractiveAuthRequired (401) as long as stages are missing, Forbidden when the session
    belongs to another request. The caller ends the session with `finish` in its own transaction.
    """
    session = _find_or_begin(server, guarded, auth, flows)
    completed = dict(session.completed)
    stage = auth.get("type") if auth else None
    if stage is not None:
        try:
            completed[stage] = _run_stage(stage, auth or {}, flows, stages)
        except LimitExceeded:
            raise
        except ChatError as refusal:
            raise _ask(session.session_id, flows, completed, refusal) from refusal
        server.store.write(lambda tx: uia.set_completed(tx, session.session_id, completed))
    if not any(set(flow) <= completed.keys() for flow in flows):
        raise _ask(session.session_id, flows, completed, None)
    return Completed(session.session_id, session.body, completed)


def finish(tx: Transaction, completed: Completed) -> None:
    """End the session together with what it guards. Raises Forbidden where it was used already."""
    if not uia.finish(tx, completed.session_id):
        raise Forbidden("This authentication session has been used already")


def _run_stage(
    stage: Any, auth: Auth, flows: Sequence[Sequence[str]], stages: Mapping[str, Stage]
) -> Any:
    if not isinstance(stage, str) or stage not in stages or not any(stage in f for f in flows):
        raise Forbidden("This kind of authentication is not offered here")
    return stages[stage](auth)


def _ask(
    session_id: str,
    flows: Sequence[Sequence[str]],
    completed: Mapping[str, Any],
    refusal: ChatError | None,
) -> InteractiveAuthRequired:
    return InteractiveAuthRequired(
        session=session_id,
        flows=[list(flow) for flow in flows],
        completed=sorted(completed),
        refusal=refusal,
    )


def _find_or_begin(
    server: Server, guarded: Guarded, auth: Auth | None, flows: Sequence[Sequence[str]]
) -> UiaSession:
    session_id = auth.get("session") if auth else None
    if not isinstance(session_id, str):
        return _begin(server, guarded)
    now_ms = server.clock.now_ms()
    session = server.store.read(lambda tx: uia.find(tx, session_id, now_ms))
    if session is None:
        raise _ask(_begin(server, guarded).session_id, flows, {}, None)
    if (session.operation, session.user_id) != (guarded.operation, guarded.user_id):
        raise Forbidden("This authentication session belongs to another request")
    # Older clients send nothing but `auth` after the first time: the first body counts then.
    if guarded.body and guarded.body != session.body:
        raise Forbidden("The request has changed since this authentication session began")
    return session


def _begin(server: Server, guarded: Guarded) -> UiaSession:
    session = UiaSession(
        secrets.token_urlsafe(18), guarded.user_id, guarded.operation, guarded.body, {}
    )
    now_ms, lifetime_ms = server.clock.now_ms(), server.config.ui_auth_session_timeout_ms
    server.store.write(lambda tx: uia.create(tx, session, now_ms, lifetime_ms))
    return session
