"""Our gunicorn worker: one process, many listeners, thousands of waiting clients.

What gunicorn's own gevent worker does not do, and this one does:
- TLS and plain listeners side by side; each request knows the listener it came in by
  (`environ["chat.listener"]`).
- SIGTERM, SIGINT and SIGQUIT alike: stop accepting, wake the waiting long polls so that they
  answer now, let everything in progress end, drop idle connections, leave.
- Time limits on handshakes, on request heads and on every read and write.
- Request lines up to 64 KiB, and refusals in Matrix's error form.
- A body that nobody read closes its connection in a way that still lets the answer arrive.
"""

import gc
import logging
import os
import signal
import ssl
import sys
from collections.abc import Iterable
from functools import partial
from types import FrameType
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn import util
from gunicorn.arbiter import Arbiter
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.workers.ggevent import GeventWorker

from chat.app import refusals, serving
from chat.app.start import StartError
from chat.config.model import Listener

log = logging.getLogger(__name__)

HANDSHAKE_S = 10  # for a TLS handshake
SILENCE_S = 60  # for one read of a body, or one write of an answer
DRAIN_S = 2  # for the rest of a refused body, so that the refusal is not lost
STOP_S = 7  # from the signal until what is still in progress is cut off
REQUEST_LINE_BYTES = 65536
SMALL_BODY_BYTES = 65536  # an unread body up to this is skipped; a larger one costs the connection


class LongLineRequest(Request):  # type: ignore[misc]  # gunicorn has no types
    """A request whose line may have 64 KiB: clients put whole filters into the query."""

    def parse(self, unreader: Any) -> Any:
        """Parse the head, with our own cap in place of gunicorn's 8 KiB."""
        self.limit_request_line = self._fast_limit_request_line = REQUEST_LINE_BYTES
        return super().parse(unreader)

    def _peer_is_trusted_proxy(self) -> bool:
        """No: whether a proxy is believed depends on the listener, which is not known here."""
        return False


class LongLineParser(RequestParser):  # type: ignore[misc]
    """Reads one request after another from a connection."""

    mesg_class = LongLineRequest


class PlainSettings:
    """gunicorn's settings as plain attributes: it reads about twenty of them per request."""

    def __init__(self, cfg: Any) -> None:
        for name in cfg.settings:
            setattr(self, name, getattr(cfg, name))
        self.is_ssl = False
        self.forwarded_allow_networks = cfg.forwarded_allow_networks


class OneWriteResponse(wsgi.Response):  # type: ignore[misc]
    """Sends the head together with a body that comes in one part: one packet, one call."""

    headers_sent: bool

    def write(self, part: bytes) -> None:
        """Send a part of the body, and the head before the first one."""
        if self.headers_sent or self._omits_body or self.response_length != len(part):
            super().write(part)
            return
        head = self.default_headers() + [f"{name}: {value}\r\n" for name, value in self.headers]
        self.headers_sent = True
        self.sent = len(part)
        self.sock.sendall("".join([*head, "\r\n"]).encode("latin-1") + part)


class ChatWorker(GeventWorker):  # type: ignore[misc]
    """See the module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings = PlainSettings(self.cfg)
        self.requests_in_progress = 0

    # --- life ---

    def init_signals(self) -> None:
        """Let every signal that ends a worker end it in the same orderly way."""
        super().init_signals()
        self.stopping = Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            gevent.signal_handler(number, self.stop)

    def stop(self) -> None:
        """Ask the main loop to end."""
        self.alive = False
        self.stopping.set()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take gunicorn's own way of asking for the same."""
        self.stop()

    handle_quit = handle_exit

    def notify(self) -> None:
        """Tell the master that this worker lives; stop when the master does not."""
        self.tmp.notify()
        if self.ppid != os.getppid():
            log.warning("the master process is gone, stopping")
            self.stop()

    def load_wsgi(self) -> None:
        """Build the application in this process, from the configuration that the master read."""
        try:
            self.application = serving.application()
        except StartError as error:
            log.critical("cannot start: %s", error)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
        self.wsgi = self.application.wsgi

    def run(self) -> None:
        """Serve until told to stop."""
        config = serving.loaded().config
        context = serving.tls_context(config)
        listeners = serving.listeners_by_name(config)
        servers = [self._server(sock, listeners, context) for sock in self.sockets]
        for server in servers:
            server.start()
        gc.collect()
        gc.freeze()  # what lives now lives for ever: no need to look at it again
        log.info("serving", extra={"http_parser": serving.http_parser_name(self.cfg)})
        while self.alive:
            self.notify()
            self.stopping.wait(timeout=1)
        self._end(servers)

    def _server(
        self, sock: Any, listeners: dict[Any, Listener], context: ssl.SSLContext | None
    ) -> StreamServer:
        sock.setblocking(1)
        listener = listeners[serving.socket_name(sock.getsockname())]
        handle = partial(self.handle, listener, context if listener.tls else None)
        server = StreamServer(sock, handle=handle, spawn=Pool(self.worker_connections))
        if self.cfg.workers > 1:
            server.max_accept = 1  # leave connections to the other workers
        return server

    def _end(self, servers: list[StreamServer]) -> None:
        for server in servers:
            server.close()
        self.application.stop_waiting()
        with gevent.Timeout(STOP_S, False):
            while self.requests_in_progress:
                self.notify()
                gevent.sleep(0.02)
        if self.requests_in_progress:
            log.warning("requests cut off", extra={"count": self.requests_in_progress})
        for server in servers:
            server.stop(timeout=0)
        self.application.close()

    # --- a connection ---

    def handle(
        self, listener: Listener, context: ssl.SSLContext | None, client: Any, address: Any
    ) -> None:
        """Serve one connection until either side ends it."""
        client.settimeout(SILENCE_S)
        try:
            if context is not None:
                with gevent.Timeout(HANDSHAKE_S, TimeoutError()):
                    client = context.wrap_socket(client, server_side=True)
            self._serve(listener, client, address)
        except (NoMoreData, StopIteration, OSError) as error:
            log.debug("connection ended", extra={"address": address, "error": repr(error)})
        except ParseException as error:
            log.info("request refused", extra={"address": address, "error": str(error)})
            self._refuse(client, refusals.of_request(error))
        except Exception:
            log.exception("request failed", extra={"address": address})
            self._refuse(client, refusals.INTERNAL)
        finally:
            util.close(client)

    def _serve(self, listener: Listener, client: Any, address: Any) -> None:
        parser = LongLineParser(self.settings, client, address)
        while self.alive:
            request = None
            with gevent.Timeout(serving.IDLE_S, False):
                request = next(parser)
            if request is None:
                return
            response, environ = self._prepare(listener, request, client, address)
            self._answer(response, environ)
            if response.should_close():
                _drain(request, client)
                return

    def _prepare(
        self, listener: Listener, request: Any, client: Any, address: Any
    ) -> tuple[OneWriteResponse, dict[str, Any]]:
        server = ("", listener.port or "")
        response, environ = wsgi.create(
            request, client, address, server, self.settings, response_class=OneWriteResponse
        )
        environ["wsgi.multithread"] = True
        environ["chat.listener"] = listener
        environ["REMOTE_ADDR"] = client_address(listener, environ)
        environ["wsgi.url_scheme"] = scheme(listener, environ)
        return response, environ

    def _answer(self, response: OneWriteResponse, environ: dict[str, Any]) -> None:
        self.requests_in_progress += 1
        parts: Iterable[bytes] = ()
        try:
            parts = self.wsgi(environ, response.start_response)
            if not self.alive or _unread_bytes(response.req) > SMALL_BODY_BYTES:
                response.force_close()
            for part in parts:
                response.write(part)
            response.close()
        except OSError:
            raise
        except Exception:
            if response.headers_sent:  # too late for a refusal: the client sees a broken answer
                log.exception("answer broken off")
                raise StopIteration from None
            raise
        finally:
            self.requests_in_progress -= 1
            close = getattr(parts, "close", None)
            if close is not None:
                close()

    def _refuse(self, client: Any, refusal: bytes) -> None:
        try:
            client.sendall(refusal)
            _drain(None, client)
        except OSError as error:
            log.debug("refusal not sent", extra={"error": repr(error)})


def client_address(listener: Listener, environ: dict[str, Any]) -> str:
    """The client's IP address: of the connection, or as the proxy behind it says.

    The last X-Forwarded-For entry counts: what stands before it is the client's own claim.
    """
    address = str(environ["REMOTE_ADDR"])
    if listener.x_forwarded:
        address = environ.get("HTTP_X_FORWARDED_FOR", address).rpartition(",")[2].strip()
    return address.removeprefix("::ffff:")  # IPv4 on a socket for both


def scheme(listener: Listener, environ: dict[str, Any]) -> str:
    """How the client speaks to us, or to the proxy in front: http or https."""
    if listener.x_forwarded and environ.get("HTTP_X_FORWARDED_PROTO") in ("http", "https"):
        return str(environ["HTTP_X_FORWARDED_PROTO"])
    return "https" if listener.tls else "http"


def _unread_bytes(request: Any) -> int:
    """How much of the body is still to come; a chunked body may be endless."""
    reader = request.body.reader
    if hasattr(reader, "length"):
        return int(reader.length)
    return SMALL_BODY_BYTES + 1 if getattr(reader, "parser", None) else 0


def _drain(request: Any, client: Any) -> None:
    """Say goodbye, then read on for a while: closing at once would destroy the answer under way."""
    if request is not None and not _unread_bytes(request):
        return
    client.shutdown(socket.SHUT_WR)
    with gevent.Timeout(DRAIN_S, False):
        while client.recv(65536):
            pass
