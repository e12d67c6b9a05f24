"""The fixed steps of every request, from the raw path to the encoded answer.

Route → size cap → authenticate → rate limit → decode → validate → handler → encode. A request of
another server is decoded before it is authenticated, because the signature covers its body.
Generated operations never touch Flask's routing; paths that no operation has go on to Flask.
"""

import itertools
import logging
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import msgspec
from chat_api.base import RawResponse
from flask import Flask
from werkzeug.wrappers import Response

from chat.http import auth, cors, errors, limits
from chat.http.auth import Authenticators, SignedRequest
from chat.http.body import Body
from chat.http.context import Context
from chat.http.dispatch import Dispatcher
from chat.http.errors import NoSuchPath
from chat.http.responses import StartResponse, json_response, send
from chat.http.route import Route
from chat.protocol.errors import ChatError, Unrecognized
from chat.services import hub, metrics
from chat.services.server import Server
from chat.storage.engine import is_unavailable

log = logging.getLogger(__name__)

PREFLIGHT = RawResponse(204)
NO_OPERATION = metrics.operation("none")


class Request:
    """One request on its way through the steps, with what its log lines say."""

    __slots__ = ("counts", "environ", "errcode", "id", "method", "path", "query", "sender", "work")

    def __init__(self, environ: dict[str, Any], number: int, work: hub.Work) -> None:
        self.work = work
        self.counts = NO_OPERATION
        self.counts.in_flight += 1
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.path, self.query = target_of(environ)
        self.id = f"{self.method}-{number}"
        self.sender: str | None = None
        self.errcode: str | None = None

    def is_for(self, operation_id: str) -> None:
        """From now on it counts for an operation."""
        self.work.name = operation_id
        self.counts.in_flight -= 1
        self.counts = metrics.operation(operation_id)
        self.counts.in_flight += 1

    def facts(self) -> dict[str, Any]:
        """What names the request in the log; never the query, which may hold a token."""
        return {"request": self.id, "method": self.method, "path": self.path}


class Application:
    """The WSGI application: operations by `dispatcher`, whatever else is there by `flask_app`."""

    def __init__(
        self,
        flask_app: Flask,
        server: Server,
        dispatcher: Dispatcher,
        authenticators: Authenticators,
    ) -> None:
        self._pages = flask_app.wsgi_app
        self._page_paths = flask_app.url_map.bind("")
        self._server = server
        self._dispatcher = dispatcher
        self._authenticators = authenticators
        self._numbers = itertools.count(1)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        started_s = time.perf_counter()
        work = hub.begin("none")
        request = Request(environ, next(self._numbers), work)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("Received request", extra=request.facts())
        response = self._answer(request)
        hub.end(work)
        took_s = time.perf_counter() - started_s
        metrics.count_request(request.counts, response.status, took_s, work)
        if log.isEnabledFor(logging.INFO):
            _log_end(request, response, took_s)
        bodiless = request.method == "HEAD"
        return send(response, start_response, cors.headers(request.path), bodiless=bodiless)

    def _answer(self, request: Request) -> RawResponse:
        if request.method == "OPTIONS":
            return PREFLIGHT
        try:
            return self._run(request)
        except ChatError as refusal:
            request.errcode = refusal.errcode
            return errors.response_of(refusal)
        except Exception as error:
            if is_unavailable(error):
                facts = request.facts() | {"error": str(error).strip()}
                # Without a stack: where it came up says nothing, and the disk may be full.
                log.error("The database cannot be used", extra=facts)  # noqa: TRY400
                request.errcode = errors.NO_DATABASE.errcode
                return errors.response_of(errors.NO_DATABASE)
            log.exception("Request failed", extra=request.facts())
            return errors.response_of(errors.INTERNAL)

    def _page(self, request: Request) -> RawResponse:
        """What Flask answers. Raises NoSuchPath where it has no such page either."""
        if not self._page_paths.test(request.environ["PATH_INFO"], request.method):
            raise NoSuchPath("No such path")
        page = Response.from_app(self._pages, request.environ, buffered=True)
        if page.status_code == 404:
            raise NoSuchPath("No such page")
        page.headers.pop("Content-Length", None)
        return RawResponse(page.status_code, tuple(page.headers.items()), (page.get_data(),))

    def _run(self, request: Request) -> RawResponse:
        try:
            route, path_values = self._dispatcher.find(request.method, request.path)
        except NoSuchPath:
            return self._page(request)
        operation, environ = route.operation, request.environ
        request.is_for(operation.id)
        listener = environ.get("chat.listener")
        if listener is not None and route.resource not in listener.serves:
            raise Unrecognized("This listener does not offer this")
        body = Body(environ, self._cap_bytes(route)) if route.body_kind else None
        signed = body.read_all() if body and operation.security == "xMatrix" else None
        context = self._context(route, request, signed)
        limits.count(self._server.limits, operation, context)
        content: Any = body
        if body is not None and route.body_kind == "json":
            raw = body.read_all() if signed is None else signed
            route = route.selected(request.query, raw)
            content = route.body(raw)
        elif route.special is not None:
            route = route.selected(request.query, b"")
        record = route.request(path_values, request.query, environ, content)
        if route.handler is None:
            raise Unrecognized("This server does not offer this")
        answer = route.handler(context, record)
        return (
            answer if isinstance(answer, RawResponse) else json_response(answer, operation.status)
        )

    def _cap_bytes(self, route: Route) -> int:
        if route.body_kind == "stream":
            return self._server.config.max_upload_size_bytes
        return route.operation.max_body_bytes

    def _context(self, route: Route, request: Request, signed: bytes | None) -> Context:
        operation, environ, check = route.operation, request.environ, self._authenticators
        token, came_s = auth.token_of(environ), time.perf_counter()
        caller, origin = None, None
        if operation.security == "accessToken":
            caller = auth.user_of(operation, token, check.user)
            request.sender = caller.user_id if caller else None
        elif operation.security == "identityToken" and check.identity is not None:
            caller = auth.user_of(operation, token, check.identity)
            request.sender = caller.user_id if caller else None
        elif operation.security == "xMatrix" and check.server is not None:
            origin = request.sender = check.server(_signed_request(request, signed))
        elif operation.security is not None:
            raise Unrecognized("This server does not offer this")
        address = environ.get("REMOTE_ADDR", "")
        if caller is not None and operation.security == "accessToken":
            self._server.last_seen.note(caller, address, self._server.clock.now_ms())
        agent = environ.get("HTTP_USER_AGENT", "")
        connection = environ.get("chat.connection")
        return Context(
            self._server, request.path, address, agent, token, caller, origin, connection, came_s
        )


def target_of(environ: dict[str, Any]) -> tuple[str, str]:
    """Path and query as the client wrote them."""
    raw: str | None = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if raw is None:
        raw = quote(environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"], encoding="latin-1")
    elif not raw.startswith("/"):  # the absolute form, or * for the server itself
        raw = "/" + raw.partition("://")[2].partition("/")[2]
    return raw.partition("?")[0], environ.get("QUERY_STRING", "")


def _signed_request(request: Request, body: bytes | None) -> SignedRequest:
    """What the signature of another server covers. Raises NotJson."""
    content = None
    if body:
        try:
            content = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise errors.of_body(error, body) from None
    authorization = request.environ.get("HTTP_AUTHORIZATION", "")
    target = f"{request.path}?{request.query}" if request.query else request.path
    return SignedRequest(authorization, request.method, target, content)


def _log_end(request: Request, response: RawResponse, took_s: float) -> None:
    facts = request.facts() | {"status": response.status, "ms": round(took_s * 1000, 1)}
    if request.sender is not None:
        facts["sender"] = request.sender
    if request.errcode is not None:
        facts["errcode"] = request.errcode
    log.info("Processed request", extra=facts)
